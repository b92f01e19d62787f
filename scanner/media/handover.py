"""Where a transport stream goes on in another video track than the one that is looked at.

A recorder that starts anew, or a splicer, may give the picture another number (PID). The demuxer
then adds a track that nobody asked for, so that what follows is not seen: that has to be said (law
10).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

import numpy as np

from scanner.media.sniff import HEAD_BYTES, transport_packets

__all__ = ["unfollowed"]

PARALLEL: Final = 90_000
"""Ticks by which tracks that run side by side may end after each other."""
_PERIOD = 1 << 33
_PACKETS_AT_ONCE = 4096
_SYNC, _BEGINS, _ADAPTS = 0x47, 0x40, 0x20
"""A packet's first byte; flags: a PES packet begins in it, an adaptation field stands before its
payload."""
_PES_HEAD = 14
"""Bytes of a PES packet up to the end of its presentation time."""


def unfollowed(source: BinaryIO, pid: int) -> int:
    """Ticks of 90 kHz that other video tracks take after the last picture of track ``pid``; 0 where
    it is the last to end."""
    first, last = None, 0
    for track, pts in _pictures(source):
        first, last = (None, 0) if track == pid else (pts if first is None else first, pts)
    span = 0 if first is None else (last - first) % _PERIOD
    return span if PARALLEL < span < _PERIOD // 2 else 0


def _pictures(source: BinaryIO) -> Iterator[tuple[int, int]]:
    """Track and presentation time of each picture, in the order of the file."""
    source.seek(0)
    packets = transport_packets(source.read(HEAD_BYTES))
    if packets is None:
        return
    start, size = packets
    source.seek(start)
    while len(chunk := source.read(size * _PACKETS_AT_ONCE)) >= size:
        rows = np.frombuffer(chunk, np.uint8, count=len(chunk) // size * size).reshape(-1, size)
        for row in rows[(rows[:, 0] == _SYNC) & (rows[:, 1] & _BEGINS > 0)]:
            packet = row.tobytes()
            at = 5 + packet[4] if packet[3] & _ADAPTS else 4
            head = packet[at : at + _PES_HEAD]
            if (
                len(head) == _PES_HEAD
                and head[:3] == b"\0\0\1"
                and head[3] & 0xF0 == 0xE0
                and head[7] & 0x80
            ):
                yield int.from_bytes(packet[1:3]) & 0x1FFF, _pts(head[9:])


def _pts(field: bytes) -> int:
    """33 bits, between marker bits.

    >>> _pts(bytes((0x21, 0x00, 0x01, 0x00, 0x03)))
    1
    """
    return (
        (field[0] >> 1 & 7) << 30
        | field[1] << 22
        | field[2] >> 1 << 15
        | field[3] << 7
        | field[4] >> 1
    )
