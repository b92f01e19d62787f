"""Words beside a picture: a track that nobody looks at, and that must harm nobody."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from samples.writing import Recipe, add_track, encode, muxing

__all__ = ["beside_words"]

WORDS = {"matroska": ("subrip", b"hello"), "mp4": ("mov_text", b"\0\5hello")}
"""Codec of the track and one packet of it, by container."""


def beside_words(recipe: Recipe) -> bytes:
    """The recipe's video with a track of subtitles; in Matroska with an attached font too."""
    out, (codec, word) = io.BytesIO(), WORDS[recipe.container]
    with av.open(out, "w", format=recipe.container, options=dict(muxing(recipe))) as file:
        video, words = add_track(file, recipe), file.add_mux_stream(codec)
        if recipe.container == "matroska":
            file.add_attachment("some.ttf", "font/ttf", bytes(100))
        packets: list[av.Packet[Any]] = [*encode(video, recipe), *_packets(words, word)]
        for packet in sorted(packets, key=lambda p: (p.dts or 0) * (p.time_base or 0)):
            file.mux(packet)
    return out.getvalue()


def _packets(track: Any, word: bytes) -> Iterator[av.Packet[Any]]:
    for second in range(4):
        packet: av.Packet[Any] = av.Packet(word)
        packet.stream, packet.time_base = track, Fraction(1, 1000)
        packet.pts = packet.dts = second * 1000
        packet.duration = 800
        yield packet
