"""Read pictures and tables of a transport stream without decoding it.

A recorder that restarts, or a splicer, may give the picture another packet identifier (PID). The
demuxer then adds a track that is not decoded. Where ``picture_parts`` does not follow it, the rest
of the source is reported as a gap (invariant "Coverage is reported").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scanner.media.sniff import HEAD_BYTES, find_transport_packets

__all__ = [
    "PERIOD",
    "TICKS_PER_SECOND",
    "StreamTable",
    "find_pictures",
    "measure_later_tracks",
    "survey",
]

TICKS_PER_SECOND: Final = 90_000
PARALLEL: Final = TICKS_PER_SECOND
"""Ticks of 90 kHz by which tracks that run side by side may end after each other."""
PERIOD: Final = 1 << 33
"""Ticks after which time stamps begin anew."""
_PACKETS_AT_ONCE = 4096
_SYNC, _PES_START, _ADAPTATION = 0x47, 0x40, 0x20
"""First byte of a packet; flags: a PES packet starts in it, an adaptation field comes before its
payload."""
_START_MASK, _START = 0x40FF, 0x4047
"""The bits of a packet's first four bytes, little-endian, of sync byte and ``_PES_START``."""
_TABLE = b"\0\2"
"""Bytes before a table of tracks: it begins at once, and its kind."""
_MAX_TABLES: Final = 256
"""Changes of tables of one source that are followed."""
_PES_HEADER = 14
"""Bytes of a PES packet up to the end of its presentation time stamp."""


class StreamTable(NamedTuple):
    """A table of a program's tracks (PMT)."""

    row: int
    """Number of the packet that holds it."""
    types: Mapping[int, int]
    """Type of each track by its PID, as ISO 13818-1 numbers them."""


def survey(source: BinaryIO, start: int, size: int) -> tuple[set[int], list[StreamTable]]:
    """Return the PIDs that carry pictures, and each table that differs from the one before it;
    read piece by piece, and the source is at its start then.

    Every segment is read here before it is demuxed. So only the first four bytes of its packets are
    looked at, as one number each, and more of a packet only if its PID is not known to have
    pictures.
    """
    pictures: set[int] = set()
    tables: list[StreamTable] = []
    newest: dict[int, bytes] = {}
    first = 0
    source.seek(start)
    while len(piece := source.read(size * _PACKETS_AT_ONCE)) >= size:
        count = len(piece) // size
        words = np.frombuffer(piece, "<u4", count=count * size // 4)[:: size // 4]
        starts = np.flatnonzero(words & _START_MASK == _START)
        pids = (words[starts] & 0x1F00) | (words[starts] >> 16 & 0xFF)
        for pid in set(pids.tolist()) - pictures:
            rows = starts[pids == pid].tolist()
            packet = piece[rows[0] * size : (rows[0] + 1) * size]
            if _find_picture(packet) is not None:
                pictures.add(pid)
            elif packet[4:6] == _TABLE:
                for row in rows:
                    table = piece[row * size + 4 : (row + 1) * size]
                    if table != newest.get(pid) and len(tables) < _MAX_TABLES:
                        newest[pid] = table
                        tables.append(StreamTable(first + row, _parse_table(table)))
        first += count
    source.seek(0)
    return pictures, tables


def _parse_table(table: bytes) -> dict[int, int]:
    """Return the type of each track by its PID, of a section after its pointer byte."""
    end = min(4 + ((table[2] & 0x0F) << 8 | table[3]) - 4, len(table) - 4)
    at = 13 + ((table[11] & 0x0F) << 8 | table[12])
    types: dict[int, int] = {}
    while at < end:
        types[(table[at + 1] & 0x1F) << 8 | table[at + 2]] = table[at]
        at += 5 + ((table[at + 3] & 0x0F) << 8 | table[at + 4])
    return types


def find_pictures(rows: NDArray[np.uint8]) -> list[tuple[int, int, int]]:
    """Return row, PID and time stamp of each picture in the order of the source."""
    found = np.flatnonzero((rows[:, 0] == _SYNC) & (rows[:, 1] & _PES_START > 0))
    heads = rows[found]
    at = np.where(heads[:, 3] & _ADAPTATION, 5 + heads[:, 4].astype(np.intp), 4)
    at = np.minimum(at, rows.shape[1] - _PES_HEADER)
    lines = np.arange(len(found))
    is_video = (
        (heads[lines, at] == 0)
        & (heads[lines, at + 1] == 0)
        & (heads[lines, at + 2] == 1)
        & (heads[lines, at + 3] & 0xF0 == 0xE0)
        & (heads[lines, at + 7] & 0x80 > 0)
    )
    pids = (heads[:, 1].astype(np.intp) & 0x1F) << 8 | heads[:, 2]
    return [
        (int(found[i]), int(pids[i]), _parse_pts(heads[i, at[i] + 9 : at[i] + 14].tobytes()))
        for i in np.flatnonzero(is_video)
    ]


def measure_later_tracks(source: BinaryIO, pid: int) -> int:
    """Return the ticks of 90 kHz for which other video tracks continue after the last picture of
    track ``pid``; 0 if that one is the last to end."""
    first, last = None, 0
    for track, pts in _read_pictures(source):
        first, last = (None, 0) if track == pid else (pts if first is None else first, pts)
    span = 0 if first is None else (last - first) % PERIOD
    return span if PARALLEL < span < PERIOD // 2 else 0


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
            if (pts := _find_picture(packet)) is not None:
                yield int.from_bytes(packet[1:3]) & 0x1FFF, pts


def _find_picture(packet: bytes) -> int | None:
    """Return the time stamp of the picture that begins in a packet; None if none does."""
    at = 5 + packet[4] if packet[3] & _ADAPTATION else 4
    head = packet[at : at + _PES_HEADER]
    is_picture = (
        len(head) == _PES_HEADER
        and head[:3] == b"\0\0\1"
        and head[3] & 0xF0 == 0xE0
        and head[7] & 0x80
    )
    return _parse_pts(head[9:]) if is_picture else None


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
