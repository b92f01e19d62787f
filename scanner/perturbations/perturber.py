"""Perturbed copies of a source, made in a sandboxed child process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

from scanner.errors import DecoderDiedError
from scanner.media.limits import MediaLimits
from scanner.perturbations.task import PerturbRequest
from scanner.perturbations.transforms import Perturbation
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.sandbox import Sandbox

__all__ = ["Perturber"]

TASKS: Final = {"perturb": "scanner.perturbations.task:perturb_in_child"}
WARM_UP: Final = "scanner.perturbations.task:warm_up"
CPU_SECONDS: Final = 900.0
"""Limit for all perturbations of one source; each one decodes and encodes the whole source."""
WALL_SECONDS: Final = 3600.0
MEMORY_BYTES: Final = 2 << 30
"""An encoder's lookahead holds many pictures."""
MAX_DURATION: Final = Fraction(60)
"""Seconds. Longer clips are refused, so that one recording does not take as long as all others
together."""


class Perturber:
    """Owns a sandbox; close it, or use it in a ``with``."""

    def __init__(
        self, limits: SandboxLimits | None = None, media: MediaLimits | None = None
    ) -> None:
        limits = SandboxLimits() if limits is None else limits
        raised_limits = replace(
            limits,
            memory_bytes=max(limits.memory_bytes, MEMORY_BYTES),
            write_cpu_seconds=max(limits.write_cpu_seconds, CPU_SECONDS),
            write_wall_seconds=max(limits.write_wall_seconds, WALL_SECONDS),
        )
        self._sandbox = Sandbox(raised_limits, tasks=TASKS, warm_up=WARM_UP)
        media = media or MediaLimits()
        self._media = replace(media, max_duration=min(media.max_duration, MAX_DURATION))

    def __enter__(self) -> Perturber:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child process."""
        self._sandbox.close()

    def perturb(
        self,
        source: Path,
        changes: Sequence[Perturbation],
        *,
        seed: int,
        others: Sequence[Path] = (),
    ) -> Mapping[str, bytes]:
        """Return the encoded result of each perturbation, by name; the same seed gives the same
        bytes.

        Raises:
            InputError: the source cannot be read, or is longer than ``MAX_DURATION``.
            DecoderDiedError: the child process died, or exceeded a limit.
        """
        request = PerturbRequest(changes=tuple(changes), seed=seed, limits=self._media)
        with TemporaryFile() as output:
            sizes = self._sandbox.call(
                "perturb", (source, *others), request, output=output, name=str(source)
            )
            return dict(
                zip(
                    (change.name for change in changes),
                    _split_output(output, sizes, len(changes), source),
                    strict=True,
                )
            )


def _split_output(output: BinaryIO, sizes: Any, count: int, source: Path) -> list[bytes]:
    """Split the output into its parts, after checking the sizes that the child reported."""
    output.seek(0, 2)
    if not (
        isinstance(sizes, list)
        and len(sizes) == count
        and all(type(size) is int and size > 0 for size in sizes)
    ):
        raise DecoderDiedError(f"{source}: the child reported impossible output sizes")
    if sum(sizes) != output.tell():
        raise DecoderDiedError(
            f"{source}: the child wrote {output.tell()} bytes but reported {sum(sizes)}"
        )
    output.seek(0)
    return [output.read(size) for size in sizes]
