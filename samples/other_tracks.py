"""Encode tracks other than video: silence and subtitles, beside a video or alone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from samples.encoding import VideoRecipe, add_track, encode_packets, muxer_options

__all__ = ["add_silence", "add_subtitles", "encode_silence"]

RATE = 48_000
SUBTITLES = {"matroska": ("subrip", b"hello"), "mp4": ("mov_text", b"\0\5hello")}
"""Codec of a subtitle track and one packet of it, by container."""


def encode_silence(container: str, codec: str) -> bytes:
    """Return a file with one second of silence and no video."""
    out = io.BytesIO()
    with av.open(out, "w", format=container, options={"fflags": "+bitexact"}) as file:
        for packet in _sound_packets(_add_sound(file, codec), Fraction(0), seconds=1):
            file.mux(packet)
    return out.getvalue()


def add_silence(recipe: VideoRecipe) -> bytes:
    """Return the recipe's video with a track of silence, the packets of both in order of time."""
    out = io.BytesIO()
    with av.open(out, "w", format=recipe.container, options=dict(muxer_options(recipe))) as file:
        video, audio = add_track(file, recipe), _add_sound(file, "aac")
        begin = recipe.ticks[0] * recipe.time_base
        packets: list[av.Packet[Any]] = [
            *encode_packets(video, recipe),
            *_sound_packets(audio, begin, seconds=4),
        ]
        for packet in sorted(packets, key=lambda p: (p.dts or 0) * (p.time_base or 0)):
            file.mux(packet)
    return out.getvalue()


def _add_sound(file: av.container.OutputContainer, codec: str) -> av.AudioStream:
    stream = file.add_stream(codec, rate=RATE)
    assert isinstance(stream, av.AudioStream)
    return stream


def _sound_packets(
    stream: av.AudioStream, begin: Fraction, seconds: int
) -> Iterator[av.Packet[av.AudioStream]]:
    for start in range(0, seconds * RATE, 960):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 960), np.float32), format="flt", layout="mono"
        )
        frame.sample_rate, frame.pts = RATE, round(begin * RATE) + start
        yield from stream.encode(frame)
    yield from stream.encode(None)


def add_subtitles(recipe: VideoRecipe) -> bytes:
    """Return the recipe's video with a track of subtitles; Matroska gets an attached font too."""
    out, (codec, text) = io.BytesIO(), SUBTITLES[recipe.container]
    with av.open(out, "w", format=recipe.container, options=dict(muxer_options(recipe))) as file:
        video, subtitles = add_track(file, recipe), file.add_mux_stream(codec)
        if recipe.container == "matroska":
            file.add_attachment("some.ttf", "font/ttf", bytes(100))
        packets: list[av.Packet[Any]] = [
            *encode_packets(video, recipe),
            *_subtitle_packets(subtitles, text),
        ]
        for packet in sorted(packets, key=lambda p: (p.dts or 0) * (p.time_base or 0)):
            file.mux(packet)
    return out.getvalue()


def _subtitle_packets(track: Any, text: bytes) -> Iterator[av.Packet[Any]]:
    for second in range(4):
        packet: av.Packet[Any] = av.Packet(text)
        packet.stream, packet.time_base = track, Fraction(1, 1000)
        packet.pts = packet.dts = second * 1000
        packet.duration = 800
        yield packet
