"""Rewriting and trying a network in a sandbox.

A graph from an untrusted source may allocate more memory than there is, run indefinitely, or attack
its parser. It is parsed, rewritten and first run in a disposable, unprivileged child process; at
worst that process ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from tempfile import TemporaryFile
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from scanner.errors import DecoderDiedError, LimitError, SetupError
from scanner.model_import.task import WrapRequest
from scanner.model_import.wrap import WrappedGraph
from scanner.sandbox.answers import printable
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.sandbox import Sandbox

__all__ = ["ImportSandbox", "limits_for"]

TASKS: Final = {"try": "scanner.model_import.task:wrap_in_child"}
WARM_UP: Final = "scanner.model_import.task:warm_up"
MEMORY_BYTES: Final = 2 << 30
"""The address space for a small network, of which some 800 MiB are used before any work."""
COPIES: Final = 8
"""The copies of the file that the parser, the rewriting, the checker and the runtime may hold."""
CPU_SECONDS: Final = 120.0
"""The processor time for the trial pictures; a scan runs about two pictures a second."""
WALL_SECONDS: Final = 600.0

_WRAPPED: Final = TypeAdapter(WrappedGraph)


def limits_for(size: int) -> SandboxLimits:
    """Return the limits for a file of ``size`` bytes."""
    return SandboxLimits(
        memory_bytes=MEMORY_BYTES + COPIES * size,
        write_cpu_seconds=CPU_SECONDS,
        write_wall_seconds=WALL_SECONDS,
        buffer_bytes=4096,
    )


class ImportSandbox:
    """The sandbox of one file; close it with ``with``."""

    def __init__(self, data: bytes, name: str, limits: SandboxLimits | None = None) -> None:
        self._data = data
        self._name = name
        self._limits = limits or limits_for(len(data))
        self._sandbox = Sandbox(self._limits, tasks=TASKS, warm_up=WARM_UP)

    def __enter__(self) -> ImportSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._sandbox.close()

    @property
    def restrictions(self) -> tuple[str, ...]:
        """The restrictions that are active on this machine."""
        return self._sandbox.restrictions.active

    def wrap(self, request: WrapRequest) -> WrappedGraph:
        """Wrap the network and try the result on the CPU.

        Raises:
            SetupError: the network is refused, exceeds a limit, or ends the process.
        """
        with TemporaryFile() as output:
            try:
                result = self._sandbox.call(
                    "try", (self._data,), request, output=output, name=self._name
                )
            except (DecoderDiedError, LimitError) as error:
                raise SetupError(
                    f"model {self._name}: {self._describe_end(error)}; nothing of it was kept"
                ) from error
            output.seek(0)
            return _validate_result(result, output.read(), self._name)

    def _describe_end(self, error: DecoderDiedError | LimitError) -> str:
        limits = self._limits
        descriptions: Mapping[str, str] = {
            "limit_cpu": f"takes over {limits.write_cpu_seconds:g} s of processor time "
            "for a few pictures",
            "limit_time": f"gave no result within {limits.write_wall_seconds:g} s",
            "limit_memory": f"needs over {limits.memory_bytes >> 20} MiB",
        }
        return descriptions.get(error.kind, f"ended the process that tried it ({error})")


def _validate_result(result: Any, model: bytes, name: str) -> WrappedGraph:
    """Validate the child's result, which is untrusted: the file may have taken over the process."""
    if isinstance(result, dict) and isinstance(result.get("refused"), str):
        raise SetupError(printable(result["refused"]))
    try:
        return _WRAPPED.validate_python({**result["wrapped"], "model": model})
    except (KeyError, TypeError, ValidationError) as error:
        raise SetupError(
            f"model {name}: the process that tried it returned an invalid result"
        ) from error
