"""Turns are placed and committed once, whatever drivers do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from scanner.risk.policy import Policies
from scanner.store.database import Journal
from scanner.store.intake import Intake, NewSegment, NewStream
from scanner.store.outcomes import SegmentVerdict, StreamResult, TurnResult
from scanner.store.schema import segments, shard_of, turn_records
from scanner.store.turns import (
    AssignedTurn,
    Assignment,
    FencedError,
    TurnJournal,
)
from scanner.stream.advance import advance, close_turn
from scanner.stream.inputs import FailedSegment
from scanner.stream.order import TurnOrder
from scanner.stream.state import StreamState
from scanner.types import SegmentKey, StreamId

STREAM = NewStream(stream_id="s")
SHARD = shard_of("s")
ORDER = TurnOrder()


def put(journal: Journal, *sequences: int) -> None:
    with journal.write() as connection:
        intake = Intake(connection, now=journal.now(), shard_count=journal.shard_count)
        for sequence in sequences:
            intake.add_segment(
                NewSegment(
                    stream=STREAM,
                    sequence=sequence,
                    object=f"segments/{sequence}",
                    bytes=1,
                    sha256=f"{sequence:064}",
                )
            )


def driver(journal: Journal) -> TurnJournal:
    turns = TurnJournal(journal)
    turns.take_over()
    return turns


def place(*sequences: int) -> Assignment:
    turns = tuple(AssignedTurn(turn=n, sequence=sequence) for n, sequence in enumerate(sequences))
    return Assignment(stream_id="s", shard=SHARD, order=ORDER, turns=turns)


def failed(state: StreamState, sequence: int) -> StreamResult:
    """The result of one more turn, whose segment could not be decoded."""
    key = SegmentKey(stream_id=StreamId("s"), sequence=sequence)
    outcome = FailedSegment(key=key, kind="damaged", message="not decodable")
    after, events = advance(state, outcome, Policies(labels={}))
    turn = TurnResult(
        turn=state.turn,
        sequence=sequence,
        verdict=SegmentVerdict(sequence=sequence, verdict="undecodable"),
        events=events,
    )
    return StreamResult(stream_id="s", shard=SHARD, state=close_turn(after), turns=(turn,))


def test_a_segment_is_pending_until_its_place_is_decided(journal: Journal) -> None:
    put(journal, 0, 1)
    turns = driver(journal)
    (stream,) = turns.pending()
    assert [one.sequence for one in stream.segments] == [0, 1]
    turns.assign([place(0, 1)])
    assert turns.pending() == ()
    (left,) = turns.unfinished_streams()
    assert [(one.turn, one.tries) for one in left.segments] == [(0, 1), (1, 1)]


def test_a_result_is_committed_once_and_the_state_with_it(journal: Journal) -> None:
    put(journal, 0)
    turns = driver(journal)
    turns.assign([place(0)])
    result = failed(turns.load_state("s"), 0)
    assert turns.commit([result]) == ()
    assert turns.load_state("s") == result.state
    assert turns.commit([result]) == ("s",)
    with journal.read() as connection:
        assert connection.execute(select(segments.c.verdict)).scalars().all() == ["undecodable"]
        assert len(connection.execute(select(turn_records)).all()) == 1


def test_a_refused_result_leaves_nothing_behind(journal: Journal) -> None:
    put(journal, 0, 1)
    turns = driver(journal)
    turns.assign([place(0, 1)])
    first = failed(turns.load_state("s"), 0)
    skipped = failed(first.state, 1)
    assert turns.commit([skipped]) == ("s",)
    with journal.read() as connection:
        assert connection.execute(select(turn_records)).all() == []
        assert connection.execute(select(segments.c.verdict)).scalars().all() == [None, None]


def test_a_driver_that_was_replaced_can_neither_place_nor_commit(journal: Journal) -> None:
    put(journal, 0)
    old = driver(journal)
    old.assign([place(0)])
    result = failed(old.load_state("s"), 0)
    driver(journal)
    with pytest.raises(FencedError):
        old.assign([place(0)])
    with pytest.raises(FencedError):
        old.commit([result])
    with journal.read() as connection:
        assert connection.execute(select(segments.c.verdict)).scalars().all() == [None]


def test_tries_of_a_segment_are_counted_over_all_drivers(journal: Journal) -> None:
    put(journal, 0)
    driver(journal).assign([place(0)])
    second = driver(journal)
    second.assign([place(0)])
    second.note_lone_death(("s", SHARD, 0), points=3)
    (stream,) = second.unfinished_streams()
    assert [(one.tries, one.lone_deaths) for one in stream.segments] == [(3, 3)]


def test_places_in_the_log_survive_with_the_order(journal: Journal) -> None:
    put(journal, 0)
    turns = driver(journal)
    order = replace(ORDER, next=1)
    turns.assign([replace(place(0), order=order)])
    (stream,) = turns.unfinished_streams()
    assert stream.order == order
    assert stream.assigned == 1
