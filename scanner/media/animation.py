"""Animated WebP, which FFmpeg does not decode: its frames are laid over each other here, each
decoded as a picture of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from scanner.errors import DamagedError, NoVideoError
from scanner.media.header import chunks
from scanner.media.open import check_duration
from scanner.media.orientation import UPRIGHT
from scanner.media.picture import decode_bitmap
from scanner.media.request import DecodeRequest
from scanner.media.samples import Decoded
from scanner.media.sampling import Picker
from scanner.media.scale import Scaler, rgba_of
from scanner.media.sniff import Container
from scanner.media.timeline import Placed
from scanner.media.window import Window
from scanner.types import NEVER_WRAPS, MediaInfo

__all__ = ["decode_animation", "is_animated"]

_Rgba = NDArray[np.uint8]
"""H x W x 4, uint8, straight alpha."""
_TICK = Fraction(1, 1000)
"""Of a second: WebP counts milliseconds."""
_HEADER = 16
"""Bytes of an ANMF chunk before the frame's own chunks."""
_ANIMATED = 0x02
_ALPHA = 0x10
_CLEARS = 0x01
"""What the frame covered is transparent after it."""
_REPLACES = 0x02
"""What lies below the frame is not seen through it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cel:
    """One frame as the file has it."""

    left: int
    top: int
    width: int
    height: int
    ticks: int
    """How long it is shown."""
    flags: int
    chunks: bytes
    """Those of a still."""

    @property
    def place(self) -> tuple[slice, slice]:
        """Where it lies on the canvas."""
        return (slice(self.top, self.top + self.height), slice(self.left, self.left + self.width))

    @property
    def picture(self) -> bytes:
        """A WebP of its own."""
        size = (self.width - 1).to_bytes(3, "little") + (self.height - 1).to_bytes(3, "little")
        body = (
            b"WEBPVP8X" + (10).to_bytes(4, "little") + bytes([_ALPHA, 0, 0, 0]) + size + self.chunks
        )
        return b"RIFF" + len(body).to_bytes(4, "little") + body


class _Canvas:
    """What is shown at one moment of the animation."""

    def __init__(self, size: tuple[int, int], max_pixels: int, name: str) -> None:
        self._rgba = np.zeros((size[1], size[0], 4), np.uint8)
        self._max_pixels = max_pixels
        self._name = name
        self._under: _Cel | None = None

    def lay(self, cel: _Cel) -> bool:
        """Put the next frame on it; whether that could be decoded."""
        if self._under is not None and self._under.flags & _CLEARS:
            self._rgba[self._under.place] = 0
        self._under = cel
        below = self._rgba[cel.place]
        try:
            frame = decode_bitmap(cel.picture, Container.WEBP, self._max_pixels, self._name)
        except DamagedError:
            return False
        above = rgba_of(frame)
        if above.shape != below.shape:
            return False
        below[:] = above if cel.flags & _REPLACES else _over(above, below)
        return True

    def frame(self) -> VideoFrame:
        """The whole picture."""
        return VideoFrame.from_ndarray(self._rgba, format="rgba")


def _over(above: _Rgba, below: _Rgba) -> _Rgba:
    """Straight alpha: both colours weighed by what they cover."""
    cover, left = above[..., 3:] / np.float32(255), below[..., 3:] / np.float32(255)
    left = left * (1 - cover)
    total = cover + left
    colour = (above[..., :3] * cover + below[..., :3] * left) / np.maximum(total, np.float32(1e-6))
    return np.concatenate([colour, total * 255], axis=2).round().astype(np.uint8)


def is_animated(data: bytes) -> bool:
    """A WebP that says it has frames.

    >>> is_animated(b"RIFF    WEBPVP8 ")
    False
    """
    return data[12:16] == b"VP8X" and len(data) > 20 and bool(data[20] & _ANIMATED)


def decode_animation(
    data: bytes, size: tuple[int, int], request: DecodeRequest, name: str
) -> Iterator[Decoded]:
    """Its windows, as ``decode`` gives them. Every frame is decoded, as later ones lie over it.

    Raises:
        LimitError: over one of the limits.
        NoVideoError: it has no frame.
    """
    cels = [
        _cel(body) for kind, body in chunks(data[12:]) if kind == b"ANMF" and len(body) > _HEADER
    ]
    if not cels:
        raise NoVideoError(f"{name}: an animation without a frame")
    starts = [0, *accumulate(cel.ticks for cel in cels)]
    check_duration(starts[-1] * _TICK, request.limits, name)
    canvas, scaler, picker = (
        _Canvas(size, request.limits.max_pixels, name),
        Scaler(request.frame_specs),
        Picker(request.sampling, _TICK),
    )
    info = MediaInfo(
        container="webp", codec="webp", width=size[0], height=size[1], still=len(cels) == 1
    )
    for index, (first, after) in enumerate(_borders(starts, request.window)):
        window = _window(name, request.limits.max_frames, index, starts[first : after + 1])
        picker.restart()
        picks = picker.pick(starts[first:after], starts[first:after], starts[after], keyed=True)
        if (
            request.second_look
            and after == len(cels)
            and picks == (0,)
            and request.sampling.strategy != "keyframes"
        ):
            picks = (0, starts[after - 1])
        for number in range(first, after):
            seen = canvas.lay(cels[number])
            if index >= request.first_window and starts[number] in picks:
                images = scaler.images(canvas.frame(), size, UPRIGHT)
                window.add(
                    starts[number], images, pts=starts[number], keyframe=number == 0, seen=seen
                )
        if index >= request.first_window:
            yield window.decoded(info, last=after == len(cels))


def _window(name: str, max_frames: int, index: int, starts: Sequence[int]) -> Window:
    """A window of frames that begin at ``starts``, the last of which is the end."""
    *_, last, end = starts
    first = Placed(starts[0], starts[0], False)
    return Window(
        name=name,
        max_frames=max_frames,
        index=index,
        first=first,
        start=first.ticks,
        zero=0,
        time_base=_TICK,
        wrap_bits=NEVER_WRAPS,
        end=end,
        last=last,
    )


def _cel(body: bytes) -> _Cel:
    left, top, width, height, ticks = (
        int.from_bytes(body[at : at + 3], "little") for at in range(0, 15, 3)
    )
    return _Cel(
        left=2 * left,
        top=2 * top,
        width=width + 1,
        height=height + 1,
        ticks=max(1, ticks),
        flags=body[15],
        chunks=body[_HEADER:],
    )


def _borders(starts: list[int], window: Fraction | None) -> Iterator[tuple[int, int]]:
    """Numbers of each window's first frame and of the one after its last."""
    first = 0
    for number in range(1, len(starts)):
        ends = number == len(starts) - 1
        if ends or (window is not None and (starts[number + 1] - starts[first]) * _TICK > window):
            yield first, number
            first = number
