"""Changed copies of a source, made where its bytes can do no harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, BinaryIO, Final

from scanner.altering.changes import Change
from scanner.altering.task import Order
from scanner.errors import DecoderDiedError
from scanner.media.limits import MediaLimits
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.sandbox import Sandbox

__all__ = ["Studio"]

TASKS: Final = {"alter": "scanner.altering.task:alter_in_child"}
WARM_UP: Final = "scanner.altering.task:warm_up"
CPU_SECONDS: Final = 900.0
"""For all changes of one source: each decodes and encodes the whole of it."""
WALL_SECONDS: Final = 3600.0
MEMORY_BYTES: Final = 2 << 30
"""An encoder looks ahead at many pictures."""
LONGEST: Final = Fraction(60)
"""Seconds of a clip: what is longer is refused, or one recording would take as long as all others
together."""


class Studio:
    """Owns a sandbox; close it, or use it in a ``with``."""

    def __init__(
        self, limits: SandboxLimits | None = None, media: MediaLimits | None = None
    ) -> None:
        limits = SandboxLimits() if limits is None else limits
        roomy = replace(
            limits,
            memory_bytes=max(limits.memory_bytes, MEMORY_BYTES),
            write_cpu_seconds=max(limits.write_cpu_seconds, CPU_SECONDS),
            write_wall_seconds=max(limits.write_wall_seconds, WALL_SECONDS),
        )
        self._sandbox = Sandbox(roomy, tasks=TASKS, warm_up=WARM_UP)
        media = media or MediaLimits()
        self._media = replace(media, max_duration=min(media.max_duration, LONGEST))

    def __enter__(self) -> Studio:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        self._sandbox.close()

    def altered(
        self, source: Path, changes: Sequence[Change], *, seed: int, others: Sequence[Path] = ()
    ) -> Mapping[str, bytes]:
        """The source as each change makes it, by the change's name; the same for the same seed.

        Raises:
            InputError: the source cannot be read, or is longer than ``LONGEST``.
            DecoderDiedError: the child died of it, or passed a limit.
        """
        order = Order(changes=tuple(changes), seed=seed, limits=self._media)
        with TemporaryFile() as output:
            sizes = self._sandbox.call(
                "alter", (source, *others), order, output=output, name=str(source)
            )
            return dict(
                zip(
                    (change.name for change in changes),
                    _parts(output, sizes, len(changes), source),
                    strict=True,
                )
            )


def _parts(output: BinaryIO, sizes: Any, count: int, source: Path) -> list[bytes]:
    """The output in its parts; what the child says of it is checked."""
    output.seek(0, 2)
    if not (
        isinstance(sizes, list)
        and len(sizes) == count
        and all(type(size) is int and size > 0 for size in sizes)
    ):
        raise DecoderDiedError(f"{source}: the child says what cannot be of what it wrote")
    if sum(sizes) != output.tell():
        raise DecoderDiedError(
            f"{source}: the child wrote {output.tell()} bytes and says {sum(sizes)}"
        )
    output.seek(0)
    return [output.read(size) for size in sizes]
