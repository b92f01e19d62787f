"""Decode small media in memory, and decode them again with a plain PyAV loop to compare."""

from __future__ import annotations

import io
from fractions import Fraction
from functools import cache

import av

from scanner.media.decode import decode_windows
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.types import FrameSpec

__all__ = ["SPEC", "decode_all", "decode_reference", "greys", "times"]

SPEC = FrameSpec(width=64, height=48)


def decode_all(
    data: bytes,
    *,
    init: bytes | None = None,
    specs: tuple[FrameSpec, ...] = (SPEC,),
    **options: object,
) -> list[DecodedWindow]:
    """Return all windows of ``data``."""
    request = DecodeRequest(specs=specs, **options)  # type: ignore[arg-type]
    return list(decode_windows(io.BytesIO(data), request, name="clip", init=init))


def times(windows: list[DecodedWindow]) -> list[Fraction]:
    """Return the times of all samples on the container's own clock."""
    return [sample.pts * window.times.time_base for window in windows for sample in window.samples]


def greys(windows: list[DecodedWindow]) -> list[int]:
    """Return the grey level in the middle of each sample."""
    return [int(sample.images[SPEC][24, 40, 0]) for window in windows for sample in window.samples]


@cache
def decode_reference(data: bytes) -> dict[Fraction, tuple[int, bool]]:
    """Decode with a plain PyAV loop and return the grey level of every frame and whether it is a
    keyframe, by its time."""
    frames = {}
    with av.open(io.BytesIO(data)) as container:
        track = container.streams.video[0]
        for frame in container.decode(track):
            assert frame.pts is not None
            assert track.time_base is not None
            grey = int(frame.to_ndarray(format="rgb24")[frame.height // 2, frame.width * 5 // 8, 0])
            frames[frame.pts * track.time_base] = (grey, frame.key_frame)
    return frames
