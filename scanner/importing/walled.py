"""A stranger's file is parsed, rewritten and run for the first time in a disposable process without
rights.

A graph may ask for more memory than there is, run for ever, or be made to break its parser. Then
that process ends, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from scanner.errors import DecoderDiedError, LimitError, SetupError
from scanner.importing.task import Order
from scanner.importing.wrap import Wrapped
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.sandbox import Sandbox

__all__ = ["Workshop", "limits_for"]

TASKS: Final = {"try": "scanner.importing.task:try_in_child"}
WARM_UP: Final = "scanner.importing.task:warm_up"
MEMORY_BYTES: Final = 2 << 30
"""Some 800 MiB of address space are taken before any work; the rest is for what comes between a
network's layers."""
COPIES: Final = 8
"""Of the file, that the parser, the rewriting, the checker and the runtime may hold at once."""
CPU_SECONDS: Final = 120.0
"""For a few pictures; a scan looks at two a second."""
WALL_SECONDS: Final = 600.0

_WRAPPED: Final = TypeAdapter(Wrapped)


def limits_for(size: int) -> SandboxLimits:
    """What a file of so many bytes may take."""
    return SandboxLimits(
        memory_bytes=MEMORY_BYTES + COPIES * size,
        write_cpu_seconds=CPU_SECONDS,
        write_wall_seconds=WALL_SECONDS,
        buffer_bytes=4096,
    )


class Workshop:
    """Owns the sandbox of one file; close it, or use it in a ``with``."""

    def __init__(self, data: bytes, name: str, limits: SandboxLimits | None = None) -> None:
        self._data = data
        self._name = name
        self._limits = limits or limits_for(len(data))
        self._sandbox = Sandbox(self._limits, tasks=TASKS, warm_up=WARM_UP)

    def __enter__(self) -> Workshop:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._sandbox.close()

    @property
    def walls(self) -> tuple[str, ...]:
        """Those that hold around it on this machine."""
        return self._sandbox.restrictions.active

    def made(self, order: Order) -> Wrapped:
        """The network in our form, tried on the CPU.

        Raises:
            SetupError: it is refused, or it took too much or broke the process that tried it.
        """
        with TemporaryFile() as output:
            try:
                said = self._sandbox.call(
                    "try", (self._data,), order, output=output, name=self._name
                )
            except (DecoderDiedError, LimitError) as why:
                raise SetupError(
                    f"model {self._name}: {self._ended(why)}; nothing of it was kept"
                ) from why
            output.seek(0)
            return _checked(said, output.read(), self._name)

    def _ended(self, why: DecoderDiedError | LimitError) -> str:
        limits = self._limits
        known: Mapping[str, str] = {
            "limit_cpu": f"takes over {limits.write_cpu_seconds:g} s of processor time for a few pictures",
            "limit_time": f"has said nothing for {limits.write_wall_seconds:g} s",
            "limit_memory": f"needs over {limits.memory_bytes >> 20} MiB",
        }
        return known.get(why.kind, f"broke the process that tried it ({why})")


def _checked(said: Any, model: bytes, name: str) -> Wrapped:
    """The process was in the hands of the file, so its answer is input."""
    if isinstance(said, dict) and isinstance(said.get("refused"), str):
        raise SetupError(said["refused"])
    try:
        return _WRAPPED.validate_python({**said["wrapped"], "model": model})
    except (KeyError, TypeError, ValidationError) as why:
        raise SetupError(f"model {name}: the process that tried it says what cannot be") from why
