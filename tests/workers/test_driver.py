"""The driver gives every acknowledged segment one verdict, whenever it dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from scanner.store.intake import Intake
from scanner.store.publication import publish
from scanner.store.schema import incidents, published, segments, shard_of, streams
from scanner.store.turns import TurnJournal
from scanner.stream.events import SegmentScored
from scanner.stream.inputs import SegmentTurn
from scanner.types import ScoredSegment, SegmentKey, SegmentTimes, Span, StreamId, Unseen
from tests.workers.journal_runs import RULES, JournalWorld
from tests.workers.pool_fakes import INFO, end, run_locally, scripted
from workers.commit import verdict_of
from workers.feed import JournalFeed


@pytest.fixture
def world(tmp_path: Path) -> Iterator[JournalWorld]:
    world = JournalWorld(tmp_path / "data")
    yield world
    world.close()


def bright(count: int, stream: str = "s") -> list[SegmentTurn]:
    """Segments of which the middle ones are bright: one incident."""
    return [scripted(stream, n, bright=count // 3 <= n < 2 * count // 3) for n in range(count)]


def locally(turns: list[SegmentTurn]) -> list[str]:
    """The events of one process, without the last line, which is the state."""
    named = [
        replace(turn, job=replace(turn.job, name=f"segment {turn.job.segment.key}"))
        for turn in turns
    ]
    (lines,) = run_locally([*named, end(turns[0].stream_id)]).values()
    return lines[:-1]


def test_a_stream_from_the_journal_has_the_events_of_a_scan(world: JournalWorld) -> None:
    turns = bright(9)
    world.put(turns)
    world.end("s", 8)
    world.drive()
    assert world.events() == locally(turns)
    assert set(world.verdicts().values()) == {"scored"}


def test_an_incident_is_in_the_journal_with_its_last_revision(world: JournalWorld) -> None:
    world.put(bright(9))
    world.end("s", 8)
    world.drive()
    with world.journal.read() as connection:
        (row,) = connection.execute(select(incidents)).all()
    assert (row.label, row.detection, row.shadow) == ("bright", "closed", False)


@settings(max_examples=15, deadline=None)
@given(deaths=st.lists(st.integers(0, 3), max_size=4))
def test_drivers_that_die_at_any_commit_change_no_event(
    tmp_path_factory: pytest.TempPathFactory, deaths: list[int]
) -> None:
    world = JournalWorld(tmp_path_factory.mktemp("world") / "data")
    turns = {name: bright(6, name) for name in ("a", "b")}
    for name, listed in turns.items():
        world.put(listed)
        world.end(name, 5)
    for commits in deaths:
        world.drive(commits=commits)
    world.drive()
    for name, listed in turns.items():
        assert world.events(name) == locally(listed)
    world.close()


def test_a_damaged_segment_has_its_verdict_and_its_reason(world: JournalWorld) -> None:
    world.put([scripted(sequence=0), scripted(sequence=1, damaged_at=0)])
    world.drive()
    assert world.verdicts() == {0: "scored", 1: "undecodable"}
    with world.journal.read() as connection:
        detail = connection.execute(
            select(segments.c.detail).where(segments.c.sequence == 1)
        ).scalar_one()
    assert '"damaged"' in detail


def test_a_scored_segment_without_a_frame_says_why() -> None:
    key = SegmentKey(stream_id=StreamId("s"), sequence=0)
    times = SegmentTimes(first_pts=0, last_pts=1, duration=Fraction(2), time_base=Fraction(1, 1))
    unseen = Unseen(span=Span(start=Fraction(0), end=Fraction(2)), reason="no_keyframe")
    segment = ScoredSegment(key=key, times=times, frames=(), unseen=(unseen,), info=INFO)
    verdict = verdict_of(SegmentScored(segment=segment, offset=Fraction(0), risks=()))

    assert verdict is not None
    assert verdict.verdict == "scored"
    assert verdict.detail is not None
    assert (verdict.detail["kind"], "keyframe interval" in verdict.detail["message"]) == (
        "no_keyframe",
        True,
    )


def test_a_hole_is_given_up_by_time_and_what_comes_then_is_late(world: JournalWorld) -> None:
    world.put([scripted(sequence=0), scripted(sequence=2)])
    world.drive(until=lambda: world.verdicts()[0] is not None)
    assert world.verdicts() == {0: "scored", 2: None}
    world.clock.time += 10.0
    world.drive()
    world.put([scripted(sequence=1)])
    world.drive()
    assert world.verdicts() == {0: "scored", 1: "late", 2: "scored"}


def test_a_segment_that_waited_too_long_is_shed_and_is_a_gap(world: JournalWorld) -> None:
    world.put([scripted(sequence=0)])
    world.drive()
    world.put([scripted(sequence=1)])
    world.clock.time += 301.0
    world.put([scripted(sequence=2)])
    world.end("s", 2)
    world.drive()
    assert world.verdicts() == {0: "scored", 1: "shed", 2: "scored"}
    assert any('"shed"' in line and "GapFound" in line for line in world.events())


def test_an_old_segment_of_a_stream_with_an_open_incident_is_scored(world: JournalWorld) -> None:
    world.put([scripted(sequence=n, bright=True) for n in range(3)])
    world.drive()
    world.put([scripted(sequence=3, bright=True)])
    world.clock.time += 301.0
    world.drive()
    assert world.verdicts()[3] == "scored"


def test_a_stream_with_an_open_incident_is_shed_at_twice_the_age(world: JournalWorld) -> None:
    world.put([scripted(sequence=n, bright=True) for n in range(3)])
    world.drive()
    world.put([scripted(sequence=3, bright=True)])
    world.clock.time += 601.0
    world.drive()
    assert world.verdicts()[3] == "shed"


def test_no_age_counts_after_the_wall_clock_jumped(world: JournalWorld) -> None:
    """Neither is anything shed, nor a hole given up by time, nor a stall recorded."""
    world.put([scripted("jumped", 0), scripted("silent", 0)])
    world.drive()
    world.put([scripted("jumped", 1), scripted("jumped", 3)])

    def jump() -> float:
        """Move the wall clock by an hour once the driver has read the other one."""
        world.clock.time = start + 3600.0
        return 50.0

    start = world.clock.time
    world.drive(until=lambda: world.verdicts("jumped")[1] is not None, monotonic=jump)
    assert world.verdicts("jumped") == {0: "scored", 1: "scored", 3: None}
    assert not any("StreamStalled" in line for line in world.events("silent"))


def test_a_silent_stream_stalls_once_and_resumes(world: JournalWorld) -> None:
    world.put([scripted(sequence=n, bright=True) for n in range(3)])
    world.drive()

    def phase() -> str:
        with world.journal.read() as connection:
            return str(connection.execute(select(streams.c.phase)).scalar_one())

    world.clock.time += 31.0
    world.drive(until=lambda: phase() == "stalled")
    assert sum("StreamStalled" in line for line in world.events()) == 1
    assert any('"Closed"' in line and '"unseen"' in line for line in world.events())
    world.put([scripted(sequence=3)])
    world.drive()
    assert phase() == "live"
    assert world.verdicts()[3] == "scored"


def test_a_stream_that_goes_live_stalls_resumes_and_ends_is_told_in_events(
    world: JournalWorld,
) -> None:
    world.put([scripted(sequence=0), scripted(sequence=1)])
    world.drive()
    world.clock.time += 31.0
    world.drive(until=lambda: any("StreamStalled" in line for line in world.events()))
    world.put([scripted(sequence=2), scripted(sequence=3)])
    world.end("s", 3)
    world.drive()
    assert publish(world.journal, lambda _: {}) >= 4
    with world.journal.read() as connection:
        found = connection.execute(select(published).order_by(published.c.number)).all()
    told = [(one.kind, json.loads(one.body)) for one in found if one.kind.startswith("stream.")]
    assert [kind for kind, _ in told] == [
        "stream.live",
        "stream.stalled",
        "stream.live",
        "stream.ended",
    ]
    assert {body["stream_id"] for _, body in told} == {"s"}


def test_what_arrives_after_the_end_was_folded_is_late_without_a_turn(
    world: JournalWorld,
) -> None:
    world.put([scripted(sequence=0), scripted(sequence=2)])
    world.end("s", 2)
    world.clock.time += 10.0
    world.drive()
    world.put([scripted(sequence=1)])
    world.drive()
    assert world.verdicts() == {0: "scored", 1: "late", 2: "scored"}


def test_a_stream_may_begin_at_its_declared_sequence(world: JournalWorld) -> None:
    world.put([scripted(sequence=17)], first_sequence=17)
    world.drive()
    assert world.verdicts() == {17: "scored"}


def test_a_stream_does_not_wait_behind_the_backlog_of_another(world: JournalWorld) -> None:
    world.put([scripted("a", n) for n in range(100)])
    world.put([scripted("b", 0)])
    turns = TurnJournal(world.journal)
    turns.take_over()
    feed = JournalFeed(turns, world.objects, RULES, stall_seconds=30.0, now=world.clock)
    first_two = {turn.stream_id for turn in islice(feed.turns(), 2)}
    assert first_two == {"a", "b"}


@pytest.mark.parametrize("verdict", ["scored", "quarantined"])
@pytest.mark.parametrize(("others_lived", "deaths"), [(True, 2), (False, 5)])
def test_a_segment_with_which_all_workers_end_is_quarantined(
    others_lived: bool, deaths: int, verdict: str, world: JournalWorld
) -> None:
    """Twice if they had finished other work before; otherwise the machine may be at fault."""
    world.put([scripted(sequence=0), scripted(sequence=1)])
    turns = TurnJournal(world.journal)
    turns.take_over()
    feed = JournalFeed(turns, world.objects, RULES, stall_seconds=30.0, now=world.clock)
    first, _ = islice(feed.turns(), 2)
    assert isinstance(first, SegmentTurn)
    for _ in range(deaths - (verdict == "scored")):
        feed.note_lone_death(first, others_lived=others_lived)
    world.drive()
    assert world.verdicts() == {0: verdict, 1: "scored"}


def test_a_segment_that_several_drivers_had_in_hand_travels_alone(world: JournalWorld) -> None:
    world.put([scripted(sequence=0)])
    for tries in range(3):
        turns = TurnJournal(world.journal)
        turns.take_over()
        feed = JournalFeed(turns, world.objects, RULES, stall_seconds=30.0, now=world.clock)
        (turn,) = islice(feed.turns(), 1)
        assert feed.is_suspect(turn) is (tries >= 2)
    world.drive()
    assert world.verdicts() == {0: "scored"}


def test_rules_without_a_wait_give_up_a_hole_at_once(world: JournalWorld) -> None:
    world.put([scripted(sequence=0), scripted(sequence=2)])
    world.clock.time += 1.0
    world.drive(rules=replace(RULES, hole_seconds=0.5))
    assert world.verdicts() == {0: "scored", 2: "scored"}


def lose(world: JournalWorld, sequence: int) -> None:
    """Report a segment of the stream s as lost."""
    lost = {
        "sequence": sequence,
        "duration": [4, 1],
        "discontinuity": False,
        "reason": "missing",
        "kind": None,
        "message": "",
    }
    with world.journal.write() as connection:
        intake = Intake(connection, now=world.clock(), shard_count=world.journal.shard_count)
        intake.add_mark("s", shard_of("s", world.journal.shard_count), "lost", lost)


def test_a_segment_that_is_reported_as_lost_is_a_gap_in_its_place(world: JournalWorld) -> None:
    turns = bright(4)
    world.put([turns[0], turns[1], turns[3]])
    lose(world, 2)
    world.drive()
    assert world.verdicts() == {0: "scored", 1: "scored", 3: "scored"}
    (unavailable,) = [json.loads(one) for one in world.events() if "SegmentUnavailable" in one]
    assert unavailable["key"] == ["s", 2]


def test_what_is_lost_at_the_end_of_a_stream_counts_as_unseen_at_once_and_after_the_end(
    world: JournalWorld,
) -> None:
    def figures() -> tuple[float, float, dict[str, float]]:
        with world.journal.read() as connection:
            summary = json.loads(connection.execute(select(streams.c.summary)).scalar_one())
        return summary["seconds"], summary["coverage"], summary["unseen"]

    world.put(bright(2))
    world.drive()
    seconds, share, unseen = figures()
    assert unseen == {}
    lose(world, 2)
    world.drive()
    assert figures() == (seconds + 4, share * seconds / (seconds + 4), {"missing": 4.0})
    world.end("s", 2)
    world.drive()
    assert figures() == (seconds + 4, seconds / (seconds + 4), {"missing": 4.0})


def test_a_loss_that_is_reported_after_its_gap_was_stated_changes_nothing(
    world: JournalWorld,
) -> None:
    turns = bright(4)
    world.put([turns[0], turns[2], turns[3]])
    world.clock.time += 60.0
    world.drive()
    before = world.events()
    lose(world, 1)
    world.drive(until=lambda: not TurnJournal(world.journal).pending())
    assert world.events() == before
    world.put(bright(5)[4:])
    world.drive()
    assert world.verdicts()[4] == "scored"
