"""Find where a transport stream continues in another video track than the one that is decoded.

A recorder that restarts, or a splicer, may give the picture another packet identifier (PID). The
demuxer then adds a track that is not decoded, so that the rest of the source is not seen. It is
reported as a gap (invariant "Coverage is reported").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

import numpy as np

from scanner.media.sniff import HEAD_BYTES, find_transport_packets

__all__ = ["measure_later_tracks"]

PARALLEL: Final = 90_000
"""Ticks of 90 kHz by which tracks that run side by side may end after each other."""
_PERIOD = 1 << 33
_PACKETS_AT_ONCE = 4096
_SYNC, _PES_START, _ADAPTATION = 0x47, 0x40, 0x20
"""First byte of a packet; flags: a PES packet starts in it, an adaptation field comes before its
payload."""
_PES_HEADER = 14
"""Bytes of a PES packet up to the end of its presentation time stamp."""


def measure_later_tracks(source: BinaryIO, pid: int) -> int:
    """Return the ticks of 90 kHz for which other video tracks continue after the last picture of
    track ``pid``; 0 if that one is the last to end."""
    first, last = None, 0
    for track, pts in _read_pictures(source):
        first, last = (None, 0) if track == pid else (pts if first is None else first, pts)
    span = 0 if first is None else (last - first) % _PERIOD
    return span if PARALLEL < span < _PERIOD // 2 else 0


def _read_pictures(source: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield track and presentation time stamp of each picture, in the order of the file."""
    source.seek(0)
    packets = find_transport_packets(source.read(HEAD_BYTES))
    if packets is None:
        return
    start, size = packets
    source.seek(start)
    while len(chunk := source.read(size * _PACKETS_AT_ONCE)) >= size:
        rows = np.frombuffer(chunk, np.uint8, count=len(chunk) // size * size).reshape(-1, size)
        for row in rows[(rows[:, 0] == _SYNC) & (rows[:, 1] & _PES_START > 0)]:
            packet = row.tobytes()
            at = 5 + packet[4] if packet[3] & _ADAPTATION else 4
            head = packet[at : at + _PES_HEADER]
            if (
                len(head) == _PES_HEADER
                and head[:3] == b"\0\0\1"
                and head[3] & 0xF0 == 0xE0
                and head[7] & 0x80
            ):
                yield int.from_bytes(packet[1:3]) & 0x1FFF, _parse_pts(head[9:])


def _parse_pts(field: bytes) -> int:
    """Return the 33 bits of a time stamp, which stand between marker bits.

    >>> _parse_pts(bytes((0x21, 0x00, 0x01, 0x00, 0x03)))
    1
    """
    return (
        (field[0] >> 1 & 7) << 30
        | field[1] << 22
        | field[2] >> 1 << 15
        | field[3] << 7
        | field[4] >> 1
    )
