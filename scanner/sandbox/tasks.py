"""The child's side of each task. A task looks at nothing but the open files and arguments that it is given.

A stream is ``task(sources, arguments, *, name) -> Iterator[Decoded]``, asked with ``Sandbox.stream``.
A writer is ``task(sources, arguments, *, name, output) -> JSON value``, asked with ``Sandbox.call``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from scanner.media import ClipRequest, DecodeRequest, StillRequest
from scanner.media import cut as cut_media
from scanner.media import decode as decode_media
from scanner.media import thumbnails as thumbnails_media
from scanner.types import Decoded, FrameSpec

__all__ = ["cut", "decode", "thumbnails", "warm_up"]

_WARM_UP = Path(__file__).with_name("warm_up.mp4")
"""``ffmpeg -f lavfi -i color=black:s=64x64:r=25:d=0.08 -c:v libx264 -preset ultrafast -bsf:v filter_units=remove_types=6``"""


def decode(sources: Sequence[BinaryIO], arguments: DecodeRequest, *, name: str) -> Iterator[Decoded]:
    """Windows of the first source; a second one is its init segment."""
    source, *init = sources
    return decode_media(source, arguments, name=name, init=init[0].read() if init else None)


def thumbnails(sources: Sequence[BinaryIO], arguments: StillRequest, *, name: str) -> Iterator[Decoded]:
    """One window with the pictures of the first source."""
    return thumbnails_media(sources, arguments, name=name)


def cut(sources: Sequence[BinaryIO], arguments: ClipRequest, *, name: str, output: BinaryIO) -> dict[str, object]:
    """Write the clip; what it turned out to be."""
    info = cut_media(sources, arguments, name=name, output=output)
    span = {"start": float(info.span.start), "end": float(info.span.end)}
    return {**span, "copied": info.method == "copied", "truncated": info.truncated, "width": info.width, "height": info.height}


def warm_up() -> None:
    """Decode two small black frames, so that whatever is loaded at the first use has been loaded."""
    request = DecodeRequest(specs=(FrameSpec(width=8, height=8),))
    with _WARM_UP.open("rb") as file:
        for _ in decode_media(file, request, name=_WARM_UP.name):
            pass
