"""Find where a transport stream continues in another video track than the one that is decoded.

A recorder that restarts, or a splicer, may give the picture another packet identifier (PID). The
demuxer then adds a track that is not decoded, so that the rest of the source is not seen. It is
reported as a gap (invariant "Coverage is reported").
"""

from __future__ import annotations

from collections.abc import Iterator
from io import SEEK_END, BytesIO
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from scanner.media.sniff import HEAD_BYTES, find_transport_packets

__all__ = ["follow_pictures", "measure_later_tracks"]

PARALLEL: Final = 90_000
"""Ticks of 90 kHz by which tracks that run side by side may end after each other."""
_PERIOD = 1 << 33
_PACKETS_AT_ONCE = 4096
_SYNC, _PES_START, _ADAPTATION = 0x47, 0x40, 0x20
"""First byte of a packet; flags: a PES packet starts in it, an adaptation field comes before its
payload."""
_START_MASK, _START = 0x40FF, 0x4047
"""The bits of a packet's first four bytes, little-endian, of sync byte and ``_PES_START``."""
_PES_HEADER = 14
"""Bytes of a PES packet up to the end of its presentation time stamp."""


MAX_FOLLOWED: Final = 128 << 20
"""Bytes of a source up to which a change of PID is followed; above, it is a gap."""
_ABSENT = 2 * 90_000
"""Ticks of 90 kHz for which a track has had no picture when another one takes its place."""


def follow_pictures(source: BinaryIO) -> BinaryIO:
    """Return the source with one PID for pictures that continue under another one; the source
    itself where the PID does not change."""
    packets = find_transport_packets(source.read(HEAD_BYTES))
    total = source.seek(0, SEEK_END)
    source.seek(0)
    if packets is None or total > MAX_FOLLOWED:
        return source
    start, size = packets
    if len(_picture_pids(source, start, size)) < 2:
        return source
    data = source.read()
    source.seek(0)
    count = (len(data) - start) // size
    rows = np.frombuffer(data, np.uint8, count=count * size, offset=start).reshape(-1, size)
    pictures = _find_pictures(rows)
    if len({pid for _, pid, _ in pictures}) < 2:
        return source
    changes = list(_find_changes(pictures))
    if not changes:
        return source
    rows = rows.copy()
    _rename(rows, pictures[0][1], changes)
    return BytesIO(data[:start] + rows.tobytes() + data[start + count * size :])


def _picture_pids(source: BinaryIO, start: int, size: int) -> set[int]:
    """Return the PIDs that carry pictures, read piece by piece; the source is at its start then.

    Every segment is read here before it is demuxed. So only the first four bytes of its packets are
    looked at, as one number each, and more of a packet only if its PID is not known to have
    pictures.
    """
    pictures: set[int] = set()
    source.seek(start)
    while len(piece := source.read(size * _PACKETS_AT_ONCE)) >= size:
        count = len(piece) // size
        words = np.frombuffer(piece, "<u4", count=count * size // 4)[:: size // 4]
        starts = np.flatnonzero(words & _START_MASK == _START)
        pids = (words[starts] & 0x1F00) | (words[starts] >> 16 & 0xFF)
        for pid in set(pids.tolist()) - pictures:
            row = int(starts[np.argmax(pids == pid)])
            if _find_picture(piece[row * size : (row + 1) * size]) is not None:
                pictures.add(pid)
    source.seek(0)
    return pictures


def _find_pictures(rows: NDArray[np.uint8]) -> list[tuple[int, int, int]]:
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
    if len(set(pids[is_video].tolist())) < 2:
        return []
    return [
        (int(found[i]), int(pids[i]), _parse_pts(heads[i, at[i] + 9 : at[i] + 14].tobytes()))
        for i in np.flatnonzero(is_video)
    ]


def _find_changes(pictures: list[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the row at which another PID takes the place of the one before, and that PID."""
    current = pictures[0][1]
    newest: dict[int, int] = {}
    for index, (row, pid, pts) in enumerate(pictures):
        if pid != current:
            is_parallel = pid in newest and abs(newest[current] - newest[pid]) < _ABSENT
            following = next((p for _, q, p in pictures[index:] if q == current), None)
            gone = following is None or (following - pts) % _PERIOD > _ABSENT
            lasts = (pictures[-1][2] - pts) % _PERIOD > _ABSENT // 2
            if not is_parallel and gone and lasts:
                current = pid
                yield row, pid
        newest[pid] = pts


def _rename(rows: NDArray[np.uint8], first: int, changes: list[tuple[int, int]]) -> None:
    """Give the packets after each change the first PID, in place; tables keep their first form."""
    pids = (rows[:, 1].astype(np.intp) & 0x1F) << 8 | rows[:, 2]
    ends = [*(row for row, _ in changes[1:]), len(rows)]
    for (row, pid), end in zip(changes, ends, strict=True):
        span = rows[row:end][pids[row:end] == pid]
        span[:, 1] = span[:, 1] & 0xE0 | first >> 8
        span[:, 2] = first & 0xFF
        rows[row:end][pids[row:end] == pid] = span
    is_first = ((rows[:, 1].astype(np.intp) & 0x1F) << 8 | rows[:, 2]) == first
    counters = np.cumsum(rows[is_first, 3] >> 4 & 1) + 15 & 15
    rows[is_first, 3] = rows[is_first, 3] & 0xF0 | counters.astype(np.uint8)
    is_map = (rows[:, 1] & _PES_START > 0) & (rows[:, 4] == 0) & (rows[:, 5] == 2)
    for pid in set(pids[is_map].tolist()):
        same = np.flatnonzero(is_map & (pids == pid))
        rows[same, 4:] = rows[same[0], 4:]


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
