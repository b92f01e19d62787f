"""Decode animated WebP, which FFmpeg does not: each frame is decoded as a picture of its own and
blended over the one before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from scanner.errors import DamagedError, NoVideoError
from scanner.media.header import iterate_chunks
from scanner.media.open import check_duration
from scanner.media.orientation import UPRIGHT
from scanner.media.picture import decode_bitmap
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.media.sampling import Picker
from scanner.media.scale import Scaler, to_rgba
from scanner.media.sniff import Container
from scanner.media.timeline import PacketTime
from scanner.media.window import Window
from scanner.types import NEVER_WRAPS, MediaInfo

__all__ = ["decode_animation", "is_animated"]

_Rgba = NDArray[np.uint8]
"""H x W x 4, uint8, straight alpha."""
_TICK = Fraction(1, 1000)
"""Seconds per tick: WebP counts milliseconds."""
_HEADER = 16
"""Bytes of an ANMF chunk before the frame's own chunks."""
_BAND = 64
"""Rows that are blended at a time."""
_ANIMATED = 0x02
_ALPHA = 0x10
_DISPOSE = 0x01
"""Flag: the frame's area becomes transparent after it."""
_NO_BLEND = 0x02
"""Flag: the frame replaces what is below it instead of being blended with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _AnimationFrame:
    """One frame as the file has it."""

    left: int
    top: int
    width: int
    height: int
    ticks: int
    """Duration in milliseconds."""
    flags: int
    chunks: bytes
    """Chunks of the frame's own picture."""

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns of the canvas that it covers."""
        return (slice(self.top, self.top + self.height), slice(self.left, self.left + self.width))

    @property
    def picture(self) -> bytes:
        """The frame as a WebP file of its own."""
        size = (self.width - 1).to_bytes(3, "little") + (self.height - 1).to_bytes(3, "little")
        body = (
            b"WEBPVP8X" + (10).to_bytes(4, "little") + bytes([_ALPHA, 0, 0, 0]) + size + self.chunks
        )
        return b"RIFF" + len(body).to_bytes(4, "little") + body


class _Canvas:
    """The picture at one moment of the animation."""

    def __init__(self, size: tuple[int, int], max_pixels: int, name: str) -> None:
        self._rgba = np.zeros((size[1], size[0], 4), np.uint8)
        self._max_pixels = max_pixels
        self._name = name
        self._newest: _AnimationFrame | None = None

    def draw(self, frame: _AnimationFrame) -> bool:
        """Draw the next frame and return whether it could be decoded."""
        if self._newest is not None and self._newest.flags & _DISPOSE:
            self._rgba[self._newest.area] = 0
        self._newest = frame
        below = self._rgba[frame.area]
        try:
            bitmap = decode_bitmap(frame.picture, Container.WEBP, self._max_pixels, self._name)
        except DamagedError:
            return False
        above = to_rgba(bitmap)
        if above.shape != below.shape:
            return False
        if frame.flags & _NO_BLEND:
            below[:] = above
        else:
            _draw_over(above, below)
        return True

    def frame(self) -> VideoFrame:
        """Return the whole picture."""
        return VideoFrame.from_ndarray(self._rgba, format="rgba")


def _draw_over(above: _Rgba, below: _Rgba) -> None:
    """Blend a picture over another one, band by band: the numbers take twenty bytes a pixel."""
    for top in range(0, len(below), _BAND):
        band = slice(top, top + _BAND)
        below[band] = _blend(above[band], below[band])


def _blend(above: _Rgba, below: _Rgba) -> _Rgba:
    """Blend two pictures with straight alpha, each colour weighted by what it covers."""
    cover, left = above[..., 3:] / np.float32(255), below[..., 3:] / np.float32(255)
    left = left * (1 - cover)
    total = cover + left
    colour = (above[..., :3] * cover + below[..., :3] * left) / np.maximum(total, np.float32(1e-6))
    return np.concatenate([colour, total * 255], axis=2).round().astype(np.uint8)


def is_animated(data: bytes) -> bool:
    """Return whether a WebP declares that it has frames.

    >>> is_animated(b"RIFF    WEBPVP8 ")
    False
    """
    return data[12:16] == b"VP8X" and len(data) > 20 and bool(data[20] & _ANIMATED)


def decode_animation(
    data: bytes, size: tuple[int, int], request: DecodeRequest, name: str
) -> Iterator[DecodedWindow]:
    """Yield the animation's windows. Every frame is decoded, as later ones are drawn over it.

    Raises:
        LimitError: over one of the limits.
        NoVideoError: it has no frame.
    """
    frames = _parse_frames(data, name)
    starts = [0, *accumulate(frame.ticks for frame in frames)]
    check_duration(starts[-1] * _TICK, request.limits, name)
    canvas, scaler, picker = (
        _Canvas(size, request.limits.max_pixels, name),
        Scaler(request.frame_specs),
        Picker(request.sampling, _TICK),
    )
    info = MediaInfo(
        container="webp", codec="webp", width=size[0], height=size[1], still=len(frames) == 1
    )
    for index, (first, after) in enumerate(_split(starts, request.window)):
        window = _window(name, request.limits.max_frames, index, starts[first : after + 1])
        picks = _pick(picker, starts, first, after, request)
        for number in range(first, after):
            intact, start = canvas.draw(frames[number]), starts[number]
            if index < request.first_window or start not in picks:
                continue
            if not intact:
                window.add_missing((start,))
                continue
            images = scaler.images(canvas.frame(), size, UPRIGHT)
            window.add_sample(start, images, pts=start, keyframe=number == 0)
        if index >= request.first_window:
            yield window.finish(info, last=after == len(frames))


def _window(name: str, max_frames: int, index: int, starts: Sequence[int]) -> Window:
    """Create a window of frames that begin at ``starts``, the last of which is the end."""
    *_, last, end = starts
    first = PacketTime(starts[0], starts[0], False)
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


def _parse_frame(body: bytes) -> _AnimationFrame:
    left, top, width, height, ticks = (
        int.from_bytes(body[at : at + 3], "little") for at in range(0, 15, 3)
    )
    return _AnimationFrame(
        left=2 * left,
        top=2 * top,
        width=width + 1,
        height=height + 1,
        ticks=max(1, ticks),
        flags=body[15],
        chunks=body[_HEADER:],
    )


def _parse_frames(data: bytes, name: str) -> list[_AnimationFrame]:
    frames = [
        _parse_frame(body)
        for kind, body in iterate_chunks(data[12:])
        if kind == b"ANMF" and len(body) > _HEADER
    ]
    if not frames:
        raise NoVideoError(f"{name}: an animation without a frame")
    return frames


def _pick(
    picker: Picker, starts: Sequence[int], first: int, after: int, request: DecodeRequest
) -> tuple[int, ...]:
    """Return the starts of the frames that are sampled of a window; an animation with one sample
    has a second one at its end, if the request asks for it."""
    picker.restart()
    picks = picker.pick(starts[first:after], starts[first:after], starts[after], keyed=True)
    has_one = after == len(starts) - 1 and picks == (0,)
    if has_one and request.second_sample and request.sampling.strategy != "keyframes":
        return (0, starts[after - 1])
    return picks


def _split(starts: list[int], window: Fraction | None) -> Iterator[tuple[int, int]]:
    """Yield for each window the numbers of its first frame and of the one after its last."""
    first = 0
    for number in range(1, len(starts)):
        ends = number == len(starts) - 1
        if ends or (window is not None and (starts[number + 1] - starts[first]) * _TICK > window):
            yield first, number
            first = number
