"""Tasks that run in the child. A task uses only the open files and arguments that it is given.

``Sandbox.stream`` runs ``task(sources, arguments, *, name) -> Iterator[DecodedWindow]``. A task
that can make bursts yields pairs instead: a window, and the maker of its bursts.
``Sandbox.call`` runs ``task(sources, arguments, *, name, output) -> JSON value``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from scanner.media.decode import decode_windows_with_bursts
from scanner.media.open import read_init
from scanner.media.request import BurstRequest, DecodeRequest
from scanner.media.window_sampler import WindowWithBursts
from scanner.types import Burst, FrameSpec

__all__ = ["decode", "warm_up"]

_WARM_UP = Path(__file__).with_name("warm_up.mp4")
"""``ffmpeg -f lavfi -i color=black:s=64x64:r=25:d=0.08 -c:v libx264 -preset ultrafast -bsf:v
filter_units=remove_types=6``"""


def decode(
    sources: Sequence[BinaryIO], arguments: DecodeRequest, *, name: str
) -> Iterator[WindowWithBursts]:
    """Yield the windows of the first source. Its init segment may come second, and the segments
    before it come last."""
    source, *others = sources
    count = len(others) - arguments.previous
    init, previous = others[:count], others[count:]
    return decode_windows_with_bursts(
        source,
        arguments,
        name=name,
        init=read_init(init[0], name) if init else None,
        previous=previous,
    )


def warm_up() -> None:
    """Decode two small black frames, so that libraries load what they load at their first use."""
    burst = FrameSpec(width=8, height=8, burst=Burst(frames=2, rate=30))
    with _WARM_UP.open("rb") as file:
        for _, bursts in decode_windows_with_bursts(
            file, DecodeRequest(specs=(burst.frame, burst)), name=_WARM_UP.name
        ):
            list(bursts.make_bursts(BurstRequest()))
