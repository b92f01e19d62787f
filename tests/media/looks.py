"""Short words for tests of ``decode``."""

from __future__ import annotations

import io
from fractions import Fraction

import av

from scanner.media.decode import decode
from scanner.media.request import DecodeRequest
from scanner.media.samples import Decoded
from scanner.types import FrameSpec

__all__ = ["SPEC", "greys", "look", "shown", "times"]

SPEC = FrameSpec(width=64, height=48)


def look(
    data: bytes,
    *,
    init: bytes | None = None,
    specs: tuple[FrameSpec, ...] = (SPEC,),
    **wishes: object,
) -> list[Decoded]:
    """All windows of ``data``."""
    request = DecodeRequest(specs=specs, **wishes)  # type: ignore[arg-type]
    return list(decode(io.BytesIO(data), request, name="clip", init=init))


def times(windows: list[Decoded]) -> list[Fraction]:
    """Of all samples, on the container's own clock."""
    return [sample.pts * window.times.time_base for window in windows for sample in window.samples]


def greys(windows: list[Decoded]) -> list[int]:
    """The grey of the middle of each sample."""
    return [int(sample.images[SPEC][24, 40, 0]) for window in windows for sample in window.samples]


def shown(data: bytes) -> dict[Fraction, tuple[int, bool]]:
    """What an ordinary PyAV loop shows: the grey of every frame and whether it is a keyframe, by
    its time."""
    frames = {}
    with av.open(io.BytesIO(data)) as container:
        track = container.streams.video[0]
        for frame in container.decode(track):
            assert frame.pts is not None
            assert track.time_base is not None
            grey = int(frame.to_ndarray(format="rgb24")[frame.height // 2, frame.width * 5 // 8, 0])
            frames[frame.pts * track.time_base] = (grey, frame.key_frame)
    return frames
