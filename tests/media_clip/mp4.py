"""Read a clip with other code than the code that wrote it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

__all__ = ["ReadPacket", "nals", "pictures", "read", "sync_samples"]

ACCESS_UNIT_DELIMITER = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPacket:
    """A video packet and its times."""

    at: Fraction
    decoded_at: Fraction
    keyframe: bool
    data: bytes


def read(source: Path | bytes) -> list[ReadPacket]:
    """Return all video packets in the order of decoding."""
    with av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as container:
        return [
            ReadPacket(
                at=packet.pts * packet.time_base,
                decoded_at=(packet.pts if packet.dts is None else packet.dts) * packet.time_base,
                keyframe=packet.is_keyframe,
                data=bytes(packet),
            )
            for packet in container.demux(container.streams.video[0])
            if packet.pts is not None and packet.size
        ]


def pictures(source: bytes) -> list[Fraction]:
    """Return when each picture is shown; any error of the decoder fails the test."""
    with av.open(io.BytesIO(source), options={"err_detect": "explode"}) as container:
        track = container.streams.video[0]
        return [
            frame.pts * track.time_base
            for frame in container.decode(track)
            if frame.pts is not None and track.time_base is not None
        ]


def sync_samples(source: bytes) -> list[int]:
    """Return the numbers, from 1, of the pictures that an MP4 lists as sync samples (the table
    ``stss``; demuxers add guesses to it)."""
    at = source.index(b"stss") + 8
    count = int.from_bytes(source[at : at + 4], "big")
    return [int.from_bytes(source[at + 4 * n : at + 4 * n + 4], "big") for n in range(1, count + 1)]


def nals(data: bytes) -> list[bytes]:
    """Return the NAL units of an H.264 packet, separated by start codes or by lengths; delimiters,
    which only a byte stream needs, are left out."""
    units = _by_start_code(data) if data.startswith((b"\0\0\1", b"\0\0\0\1")) else _by_length(data)
    return [unit for unit in units if unit[0] & 31 != ACCESS_UNIT_DELIMITER]


def _by_start_code(data: bytes) -> Iterator[bytes]:
    for unit in data.split(b"\0\0\1")[1:]:
        yield unit.rstrip(b"\0")


def _by_length(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 4 + length].rstrip(b"\0")
        at += 4 + length
