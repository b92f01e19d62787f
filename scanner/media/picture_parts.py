"""Follow the pictures of a transport stream where they continue under another PID or codec.

what changes                 what is done
PID                          the packets get the PID of those before
codec, with or without PID   the source is cut there: each part is a source with one codec

A part begins with the tables that name its track. Parts share the time of day of their source: time
stamps are not changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from typing import BinaryIO, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scanner.media.sniff import HEAD_BYTES, find_transport_packets
from scanner.media.timeline import SILENCE_SECONDS
from scanner.media.transport_stream import (
    PERIOD,
    TICKS_PER_SECOND,
    StreamTable,
    find_pictures,
    survey,
)

__all__ = ["PicturePart", "find_part", "split_pictures"]

MAX_FOLLOWED: Final = 128 << 20
"""Bytes of a source up to which a change of PID or codec is followed; above, it is a gap."""
MAX_PARTS: Final = 16
"""Parts of one source; one with more is not cut."""
_ABSENT: Final = 2 * TICKS_PER_SECOND
"""Ticks of 90 kHz for which a track has had no picture when another one takes its place."""
_SILENCE: Final = SILENCE_SECONDS * TICKS_PER_SECOND
_REORDERED: Final = 17
"""Pictures among which the first one shown is."""
_TABLE_PID: Final = 0
"""PID of the table of programs."""
_PES_START: Final = 0x40
"""Flag of a packet in which a PES packet or a table starts."""
_CODECS: Final = frozenset({0x01, 0x02, 0x10, 0x1B, 0x24})
"""Types of tracks (ISO 13818-1) whose codecs are decoded: MPEG-1, 2 and 4, H.264, HEVC."""

_Rows: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePart:
    """A source of pictures of one codec."""

    source: BinaryIO
    begin: int = 0
    """Time stamp of its first picture, in ticks of 90 kHz."""
    ticks: int = 0
    """Length, as its pictures tell it; 0 for the only part of a source."""
    jumps: int = 0
    """Number of parts up to this one whose clock does not continue that of the part before."""


class _Picture(NamedTuple):
    row: int
    pid: int
    pts: int


class _Stretch(NamedTuple):
    """Packets from ``row`` on whose pictures have one PID and one type."""

    row: int
    pid: int
    kind: int | None


def find_part(parts: Sequence[PicturePart], pts: int, jumps: int) -> PicturePart:
    """Return the part that shows the picture with a time stamp, after a number of jumps of the
    clock."""
    found = parts[0]
    for part in parts:
        if part.jumps <= jumps and (pts - part.begin) % PERIOD < PERIOD // 2:
            found = part
    return found


def split_pictures(source: BinaryIO) -> tuple[PicturePart, ...]:
    """Return the parts of a transport stream; the source itself where neither PID nor codec
    change, or where it is too long to be followed."""
    whole = (PicturePart(source=source),)
    packets = find_transport_packets(source.read(HEAD_BYTES))
    total = source.seek(0, SEEK_END)
    source.seek(0)
    if packets is None or total > MAX_FOLLOWED:
        return whole
    start, size = packets
    pids, tables = survey(source, start, size)
    kinds = {table.types[pid] for table in tables for pid in pids & table.types.keys()}
    if len(pids) < 2 and len(kinds) < 2:
        return whole
    data = source.read()
    source.seek(0)
    count = (len(data) - start) // size
    rows = np.frombuffer(data, np.uint8, count=count * size, offset=start).reshape(-1, size)
    pictures = [_Picture(*found) for found in find_pictures(rows)]
    stretches = list(_find_stretches(pictures, tables)) if pictures else []
    if len(stretches) < 2:
        return whole
    runs = list(_join(stretches))
    if len(runs) > MAX_PARTS:
        return whole
    if len(runs) == 1:
        changed = _rename(rows, stretches)
        return (PicturePart(source=BytesIO(data[:start] + changed.tobytes())),)
    return tuple(_cut(rows, runs, pictures, tables))


def _find_stretches(
    pictures: Sequence[_Picture], tables: Sequence[StreamTable]
) -> Iterator[_Stretch]:
    """Yield a stretch for each change of the PID, and of the type of a PID."""
    changes = [(0, pictures[0].pid), *_find_changes(pictures)]
    ends = [*(row for row, _ in changes[1:]), None]
    for (row, pid), end in zip(changes, ends, strict=True):
        naming = [(table.row, table.types[pid]) for table in tables if pid in table.types]
        before = [kind for at, kind in naming if at <= row]
        kind = before[-1] if before else naming[0][1] if naming else None
        yield _Stretch(row, pid, kind)
        for at, later in naming:
            if at > row and (end is None or at < end) and {later, kind} <= _CODECS:
                if later != kind:
                    yield _Stretch(at, pid, later)
                kind = later


def _join(stretches: Sequence[_Stretch]) -> Iterator[list[_Stretch]]:
    """Yield runs of stretches that one decoder can decode."""
    run = [stretches[0]]
    for one in stretches[1:]:
        if one.kind == run[0].kind or not {one.kind, run[0].kind} <= _CODECS:
            run.append(one)
            continue
        yield run
        run = [one]
    yield run


def _cut(
    rows: _Rows,
    runs: Sequence[list[_Stretch]],
    pictures: Sequence[_Picture],
    tables: Sequence[StreamTable],
) -> Iterator[PicturePart]:
    """Yield the part of each run, with the tables that hold where it begins before it."""
    ends = [*(run[0].row for run in runs[1:]), len(rows)]
    clock: int | None = None
    jumps = 0
    for run, end in zip(runs, ends, strict=True):
        row = run[0].row
        shown = [one.pts for one in pictures if row <= one.row < end and one.pid in _pids(run)]
        if not shown:
            continue
        begin = min(shown[:_REORDERED], key=lambda pts: _distance(pts, shown[0]))
        ticks = max(_distance(pts, begin) for pts in shown)
        ticks += ticks // max(len(shown) - 1, 1)
        jumps += clock is not None and abs(_distance(begin, clock)) > _SILENCE
        clock = (begin + ticks) % PERIOD
        lead = rows[_tables_before(rows, run[0], tables)]
        part = np.concatenate((lead, rows[row:end]))
        if len(_pids(run)) > 1:
            part = _rename(part, [one._replace(row=one.row - row + len(lead)) for one in run])
        source = BytesIO(part.tobytes())
        yield PicturePart(source=source, begin=begin, ticks=ticks, jumps=jumps)


def _pids(run: Sequence[_Stretch]) -> set[int]:
    return {one.pid for one in run}


def _distance(pts: int, since: int) -> int:
    return (pts - since + PERIOD // 2) % PERIOD - PERIOD // 2


def _tables_before(rows: _Rows, first: _Stretch, tables: Sequence[StreamTable]) -> list[int]:
    """Return the rows of the tables of programs and of tracks that hold where a stretch begins."""
    before = rows[: first.row]
    is_programs = (before[:, 1] & 0x1F == 0) & (before[:, 2] == _TABLE_PID)
    programs = np.flatnonzero(is_programs)[-1:].tolist()
    naming = [one.row for one in tables if one.row < first.row and first.pid in one.types]
    return [*programs, *naming[-1:]]


def _find_changes(pictures: Sequence[_Picture]) -> Iterator[tuple[int, int]]:
    """Yield the row at which another PID takes the place of the one before, and that PID."""
    current = pictures[0][1]
    newest: dict[int, int] = {}
    for index, (row, pid, pts) in enumerate(pictures):
        if pid != current:
            is_parallel = pid in newest and abs(newest[current] - newest[pid]) < _ABSENT
            following = next((p for _, q, p in pictures[index:] if q == current), None)
            gone = following is None or (following - pts) % PERIOD > _ABSENT
            lasts = (pictures[-1][2] - pts) % PERIOD > _ABSENT // 2
            if not is_parallel and gone and lasts:
                current = pid
                yield row, pid
        newest[pid] = pts


def _rename(rows: _Rows, stretches: Sequence[_Stretch]) -> _Rows:
    """Return the packets, those of all stretches with the first one's PID; tables keep their first
    form."""
    rows, first = rows.copy(), stretches[0].pid
    pids = (rows[:, 1].astype(np.intp) & 0x1F) << 8 | rows[:, 2]
    ends = [*(one.row for one in stretches[1:]), len(rows)]
    for (row, pid, _), end in zip(stretches, ends, strict=True):
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
    return rows
