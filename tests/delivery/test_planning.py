"""Evidence becomes due from recorded turns alone, wherever planning stopped and went on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from scanner.delivery.evidence import plan_incidents
from scanner.delivery.planning import JournalPlan, PieceDue, plan_turn
from scanner.risk.incident import Closed, Extended, Opened
from scanner.settings.sections import EvidenceSettings
from scanner.store.database import Journal
from scanner.store.evidence import EvidenceJournal
from scanner.store.schema import evidence
from scanner.stream.events import StreamEvent
from tests.delivery.rows import add_segments, add_turn, incident, segment_event
from tests.evidence.build import POLICIES
from tests.store.conftest import FakeClock

Turns = Sequence[tuple[StreamEvent, ...]]


def turns_of(opens: int, closes: int | None, count: int) -> Turns:
    """Return turns of 4 s each; the incident opens in one and closes in another."""
    turns: list[tuple[StreamEvent, ...]] = []
    for number in range(count):
        start = float(opens * 4)
        events: list[StreamEvent] = [segment_event("s", number)]
        if number == opens:
            events.append(Opened(at=Fraction(start), incident=incident(start=start)))
        elif number == closes:
            over = incident(revision=9, start=start, end=number * 4.0)
            events.append(Closed(at=Fraction(number * 4), incident=over))
        elif opens < number < (count if closes is None else closes) and number % 3 == 0:
            more = incident(revision=number - opens + 1, start=start)
            events.append(Extended(at=Fraction(number * 4), incident=more))
        turns.append(tuple(events))
    return turns


def plan_all(
    turns: Turns, settings: EvidenceSettings, breaks: frozenset[int] = frozenset()
) -> tuple[JournalPlan, list[PieceDue]]:
    plan = JournalPlan(incident_id="5f1e")
    due: list[PieceDue] = []
    for number, events in enumerate(turns):
        if number in breaks:
            plan = JournalPlan.from_json("5f1e", json.loads(json.dumps(plan.to_json())))
        plan, pieces = plan_turn(plan, events, POLICIES, settings)
        due += pieces
    return plan, due


@given(
    st.integers(0, 20), st.integers(1, 60), st.integers(8, 60), st.frozensets(st.integers(0, 80))
)
def test_a_plan_that_stops_anywhere_makes_the_same_pieces_due(
    opens: int, length: int, clip_seconds: int, breaks: frozenset[int]
) -> None:
    turns = turns_of(opens, opens + length, opens + length + 2)
    settings = EvidenceSettings(clip_seconds=Fraction(clip_seconds))
    assert plan_all(turns, settings, breaks) == plan_all(turns, settings)


def test_a_running_incident_has_a_clip_for_each_complete_length_and_no_sheet() -> None:
    turns = turns_of(0, None, 10)
    plan, due = plan_all(turns, EvidenceSettings(clip_seconds=Fraction(12)))
    assert [name for name, _ in due] == ["clip-1", "clip-2", "clip-3"]
    assert not plan.complete


def test_a_closed_incident_has_the_rest_and_a_sheet() -> None:
    plan, due = plan_all(turns_of(0, 5, 8), EvidenceSettings(clip_seconds=Fraction(12)))
    assert [name for name, _ in due] == ["clip-1", "clip-2", "sheet"]
    assert dict(due)["sheet"]["until"] == [20, 1]
    assert plan.complete


def test_an_incident_with_all_its_clips_has_its_sheet_at_once_and_needs_no_more_media() -> None:
    settings = EvidenceSettings(clip_seconds=Fraction(8), clips=2)
    plan, due = plan_all(turns_of(0, None, 12), settings)
    assert [name for name, _ in due] == ["clip-1", "clip-2", "sheet"]
    assert plan.complete


def test_planning_commits_pieces_once_and_goes_on_where_it_was(journal: Journal) -> None:
    add_segments(journal, "s", 12)
    turns = turns_of(1, 9, 12)
    rows = EvidenceJournal(journal)
    settings = EvidenceSettings(clip_seconds=Fraction(12))
    names: list[str] = []
    for number, events in enumerate(turns):
        add_turn(journal, "s", number, *events)
        plan_incidents(rows, POLICIES, settings)
        assert not plan_incidents(rows, POLICIES, settings)
    while (piece := rows.next_due()) is not None:
        names.append(piece.piece)
        rows.fail(piece, reason="", seconds=0.0)
    assert sorted(names) == sorted(name for name, _ in plan_all(turns, settings)[1])


def test_a_clock_that_is_set_back_delays_no_evidence(
    journal: Journal, wall_clock: FakeClock
) -> None:
    add_segments(journal, "s", 12)
    for number, events in enumerate(turns_of(1, 9, 12)):
        add_turn(journal, "s", number, *events)
    rows = EvidenceJournal(journal)
    assert plan_incidents(rows, POLICIES, EvidenceSettings(clip_seconds=Fraction(12)))
    wall_clock.time -= 3600
    assert rows.next_due() is not None


def test_a_backlog_of_turns_is_planned_at_once_with_the_same_pieces(journal: Journal) -> None:
    add_segments(journal, "s", 12)
    turns = turns_of(1, 9, 12)
    for number, events in enumerate(turns):
        add_turn(journal, "s", number, *events)
    rows = EvidenceJournal(journal)
    settings = EvidenceSettings(clip_seconds=Fraction(12))
    assert plan_incidents(rows, POLICIES, settings)
    piece = rows.next_due()
    assert piece is not None
    _, due = plan_all(turns, settings)
    assert piece.due == dict(due)[piece.piece]
    assert rows.unplanned_incidents() == ()


def test_records_that_cannot_be_read_end_the_plan_of_their_incident_alone(
    journal: Journal,
) -> None:
    for stream_id in ("s", "t"):
        add_segments(journal, stream_id, 1)
        noun = incident(f"of-{stream_id}", stream_id=stream_id, end=9)
        closed = Closed(at=Fraction(9), incident=noun)
        add_turn(journal, stream_id, 0, segment_event(stream_id, 0), closed)
    with journal.write() as connection:
        connection.exec_driver_sql("UPDATE turn_records SET events = x'00' WHERE stream_id = 's'")
    rows = EvidenceJournal(journal)
    assert plan_incidents(rows, POLICIES, EvidenceSettings())
    assert rows.unplanned_incidents() == ()
    with journal.read() as connection:
        found = connection.execute(select(evidence.c.incident_id, evidence.c.piece)).all()
    assert sorted(found) == [("of-s", "rest"), ("of-t", "clip-1"), ("of-t", "sheet")]


def test_incidents_in_shadow_have_no_evidence(journal: Journal) -> None:
    add_segments(journal, "s", 2)
    opened = Opened(at=Fraction(0), incident=incident(shadow=True))
    add_turn(journal, "s", 0, segment_event("s", 0), opened)
    assert EvidenceJournal(journal).unplanned_incidents() == ()
