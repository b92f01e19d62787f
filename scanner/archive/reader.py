"""Recorded turns of the journal and of the files of scores, read as one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.records.events import unpack_events
from scanner.records.flat import restore_events
from scanner.store.database import Journal
from scanner.store.history import count_turns, read_turn_records, recorded_streams
from scanner.store.score_parts import SCORES, ScoreParts
from scanner.stream.events import StreamEvent
from scanner.types import StreamId

if TYPE_CHECKING:
    from scanner.archive.files import StoredTurn

__all__ = ["read_recorded", "read_stream"]


def read_recorded(journal: Journal, data: Path) -> Iterator[tuple[StreamId, StreamEvent]]:
    """Yield the events of all streams of a data folder, one stream after the other, each in the
    order of its turns.

    Raises:
        FormatError: events were written by a release with another version.
        SetupError: a file of scores is damaged or missing.
    """
    for name in recorded_streams(journal):
        for event in read_stream(journal, data, name):
            yield StreamId(name), event


def read_stream(journal: Journal, data: Path, stream_id: str) -> Iterator[StreamEvent]:
    """Yield the recorded events of one stream, in order: turns that left the journal come from the
    files of scores.

    Raises:
        FormatError: events were written by a release with another version.
        SetupError: a file of scores is damaged or missing.
    """
    recorded = read_turn_records(journal, stream_id)
    first = next(recorded, None)  # from here on the journal is read as it is now
    stored = _stored_turns(journal, data, stream_id)
    waiting = next(stored, None)
    for turn, packed in recorded if first is None else chain([first], recorded):
        while waiting is not None and waiting.turn < turn:
            yield from _events_of(waiting)
            waiting = next(stored, None)
        if waiting is not None and waiting.turn == turn:
            waiting = next(stored, None)
        yield from unpack_events(packed)
    while waiting is not None:
        yield from _events_of(waiting)
        waiting = next(stored, None)


def _stored_turns(journal: Journal, data: Path, stream_id: str) -> Iterator[StoredTurn]:
    """Yield the turns of a stream in files; none where the journal has all of them."""
    files = ScoreParts(journal).files_of(stream_id)
    after = max((one.after_turn for one in files), default=0)
    if sum(one.turns for one in files) == count_turns(journal, stream_id, before=after):
        return
    from scanner.archive.files import read_turns  # only now: it takes a moment

    for one in files:
        yield from read_turns(data / SCORES / one.file, stream_id)


def _events_of(turn: StoredTurn) -> tuple[StreamEvent, ...]:
    return () if turn.record is None else restore_events(turn.record, turn.scores)
