"""Silence: beside a picture, and in files without one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from samples.writing import Recipe, add_track, encode, muxing

__all__ = ["beside_silence", "silence"]

RATE = 48_000


def silence(container: str, codec: str) -> bytes:
    """A second of it, in that container."""
    out = io.BytesIO()
    with av.open(out, "w", format=container, options={"fflags": "+bitexact"}) as file:
        for packet in _packets(_add_sound(file, codec), Fraction(0), seconds=1):
            file.mux(packet)
    return out.getvalue()


def beside_silence(recipe: Recipe) -> bytes:
    """The recipe's video with a track of silence, the packets of both in order of time."""
    out = io.BytesIO()
    with av.open(out, "w", format=recipe.container, options=dict(muxing(recipe))) as file:
        video, audio = add_track(file, recipe), _add_sound(file, "aac")
        begin = recipe.ticks[0] * recipe.time_base
        packets: list[av.Packet[Any]] = [*encode(video, recipe), *_packets(audio, begin, seconds=4)]
        for packet in sorted(packets, key=lambda p: (p.dts or 0) * (p.time_base or 0)):
            file.mux(packet)
    return out.getvalue()


def _add_sound(file: av.container.OutputContainer, codec: str) -> av.AudioStream:
    stream = file.add_stream(codec, rate=RATE)
    assert isinstance(stream, av.AudioStream)
    return stream


def _packets(
    stream: av.AudioStream, begin: Fraction, seconds: int
) -> Iterator[av.Packet[av.AudioStream]]:
    for start in range(0, seconds * RATE, 960):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 960), np.float32), format="flt", layout="mono"
        )
        frame.sample_rate, frame.pts = RATE, round(begin * RATE) + start
        yield from stream.encode(frame)
    yield from stream.encode(None)
