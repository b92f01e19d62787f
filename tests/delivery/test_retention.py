"""What nothing needs any more is deleted, in steps that may be repeated; nothing else is."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from scanner.delivery.evidence import plan_incidents
from scanner.delivery.retention import Retention, deletable, policy_reach
from scanner.risk.incident import Closed, Opened
from scanner.settings.sections import EvidenceSettings
from scanner.settings.service import RetentionSettings
from scanner.store.database import Journal
from scanner.store.evidence import EvidenceJournal, MadePiece
from scanner.store.objects import ObjectStore
from scanner.store.publication import publish
from scanner.store.retention import (
    HeldIncident,
    KeptSegment,
    RetentionJournal,
    StreamMedia,
)
from scanner.store.schema import (
    counters,
    evidence,
    incidents,
    inits,
    published,
    segments,
    turn_records,
)
from tests.delivery.rows import (
    add_revisions,
    add_segments,
    add_turn,
    finish,
    incident,
    segment_event,
)
from tests.evidence.build import POLICIES
from tests.store.conftest import FakeClock

NOW, AGE, REACH = 1e6, 600.0, 19.0


Row = tuple[int, str | None, float]
"""Sequence, verdict and age of a segment."""


def row(sequence: int, verdict: str | None = "scored", age: float = 700.0) -> Row:
    return sequence, verdict, age


def media(
    *rows: Row,
    clock: float | None = 1000.0,
    finished: bool = False,
    silent: float = 0.0,
    held: tuple[HeldIncident, ...] = (),
) -> StreamMedia:
    verdicts = [verdict for _, verdict, _ in rows]
    kept = [
        KeptSegment(
            sequence=sequence,
            verdict=verdict,
            span=(sequence * 4.0, sequence * 4.0 + 4) if verdict == "scored" else None,
            received_at=NOW - age,
            is_followed=None if place + 1 == len(rows) else verdicts[place + 1] is not None,
        )
        for place, (sequence, verdict, age) in enumerate(rows)
        if verdict is not None
    ]
    return StreamMedia(
        stream_id="s",
        is_finished=finished,
        last_arrival=NOW - silent,
        clock=clock,
        is_waiting=None in verdicts,
        segments=tuple(kept),
        incidents=held,
    )


def chosen(stream: StreamMedia) -> list[int]:
    return deletable(stream, now=NOW, reach=REACH, segment_seconds=AGE)


def held(start: float, end: float | None = None) -> HeldIncident:
    return HeldIncident(incident=incident(start=start, end=end).to_json(), is_open=end is None)


def test_the_last_segment_of_a_live_stream_stays_for_the_decoding_of_the_next() -> None:
    assert chosen(media(row(0), row(1))) == [0]
    assert chosen(media(row(0), row(1), finished=True)) == [0, 1]


def test_a_segment_stays_while_the_one_after_it_waits() -> None:
    assert chosen(media(row(0), row(1, verdict=None), row(2))) == []


def test_a_segment_stays_while_an_incident_may_still_begin_in_it() -> None:
    rows = [row(number) for number in range(10)]
    assert chosen(media(*rows, clock=40.0)) == [0, 1, 2, 3, 4]
    assert chosen(media(*rows, clock=40.0, finished=True)) == list(range(10))


def test_a_segment_stays_until_it_is_old_enough() -> None:
    assert chosen(media(row(0, age=599), row(1, age=599))) == []


def test_media_of_an_incident_stay_while_it_is_open_or_its_evidence_is_due() -> None:
    rows = [row(number) for number in range(100)]
    assert chosen(media(*rows, finished=True, held=(held(200.0),))) == list(range(30))
    left = chosen(media(*rows, finished=True, held=(held(200.0, 220.0),)))
    assert left == [*range(30), *range(70, 100)]


def test_media_that_no_clip_can_show_do_not_wait_for_the_clock() -> None:
    rows = [row(0, verdict="undecodable"), row(1, verdict="late"), row(2, verdict="shed")]
    assert chosen(media(*rows, clock=None)) == [0, 1]


def test_a_stream_without_an_end_that_is_silent_for_an_hour_is_final() -> None:
    assert chosen(media(row(0), clock=4.0, silent=3000)) == []
    assert chosen(media(row(0), clock=4.0, silent=3700)) == [0]
    assert chosen(media(row(0), row(1, verdict=None), clock=4.0, silent=3700)) == []


segment_rows = st.lists(
    st.tuples(
        st.sampled_from(["scored", "late", "undecodable", None]), st.floats(0, 2000, width=32)
    ),
    max_size=30,
).map(lambda rows: [row(n, verdict, age) for n, (verdict, age) in enumerate(rows)])
incident_spans = st.tuples(st.integers(0, 120), st.none() | st.integers(0, 60)).map(
    lambda pair: held(pair[0], None if pair[1] is None else pair[0] + pair[1])
)


@given(segment_rows, st.floats(0, 200), st.booleans(), st.lists(incident_spans, max_size=3))
def test_what_is_needed_is_never_deleted(
    rows: list[Row], clock: float, finished: bool, holds: list[HeldIncident]
) -> None:
    stream = media(*rows, clock=clock, finished=finished, held=tuple(holds))
    for sequence in chosen(stream):
        _, verdict, age = rows[sequence]
        assert verdict is not None
        assert age > AGE
        assert finished or sequence + 1 < len(rows)
        if sequence + 1 < len(rows):
            assert rows[sequence + 1][1] is not None
        if verdict == "scored":
            begins, ends = sequence * 4.0, sequence * 4.0 + 4
            assert finished or ends + REACH < clock
            for hold in holds:
                since = Fraction(*hold.incident["start"]) - Fraction(REACH)
                end = hold.incident["end"]
                until = None if end is None else Fraction(*end) + 5
                assert ends <= since or (until is not None and begins >= until)


@given(segment_rows, st.floats(0, 200), st.lists(incident_spans, max_size=2))
def test_more_time_never_keeps_what_could_be_deleted(
    rows: list[Row], clock: float, holds: list[HeldIncident]
) -> None:
    stream = media(*rows, clock=clock, held=tuple(holds))
    later = replace(stream, clock=clock + 50, is_finished=True, incidents=())
    assert set(chosen(stream)) <= set(chosen(later))


# With a journal


@pytest.fixture
def retention(journal: Journal, objects: ObjectStore, wall_clock: FakeClock) -> Retention:
    return Retention(
        RetentionJournal(journal),
        objects,
        RetentionSettings(),
        policy_reach(POLICIES),
        now=wall_clock,
        monotonic=wall_clock,
    )


def write_objects(journal: Journal, objects: ObjectStore) -> list[Path]:
    paths = []
    with journal.read() as connection:
        for name in connection.execute(select(segments.c.object)).scalars():
            path = objects.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"abc")
            paths.append(path)
    return paths


def stages(journal: Journal) -> list[str]:
    with journal.read() as connection:
        rows = connection.execute(select(segments.c.stage).order_by(segments.c.sequence))
        return list(rows.scalars())


def run(retention: Retention) -> None:
    while retention.step():
        pass


def total(journal: Journal, label: str) -> float:
    with journal.read() as connection:
        rows = connection.execute(select(counters.c.value).where(counters.c.label == label))
        return sum(rows.scalars())


def test_old_segments_of_a_finished_stream_are_deleted_and_counted(
    journal: Journal, objects: ObjectStore, retention: Retention, wall_clock: FakeClock
) -> None:
    add_segments(journal, "s", 5)
    paths = write_objects(journal, objects)
    finish(journal, "s")
    run(retention)
    assert stages(journal) == ["stored"] * 5
    wall_clock.time += 601
    run(retention)
    assert stages(journal) == ["deleted"] * 5
    assert not any(path.exists() for path in paths)
    assert (total(journal, "segments"), total(journal, "segments_bytes")) == (5, 15)


@pytest.mark.parametrize("dies_in", ["mark_segments", "deleting", "mark_deleted"])
def test_a_deletion_that_was_interrupted_is_completed(
    journal: Journal,
    objects: ObjectStore,
    retention: Retention,
    wall_clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    dies_in: str,
) -> None:
    add_segments(journal, "s", 3)
    paths = write_objects(journal, objects)
    finish(journal, "s")
    wall_clock.time += 601

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RetentionJournal, dies_in, die)
        with pytest.raises(KeyboardInterrupt):
            retention.step()
    assert all(path.exists() for path in paths) or set(stages(journal)) == {"deleting"}
    run(retention)
    assert stages(journal) == ["deleted"] * 3
    assert not any(path.exists() for path in paths)
    assert total(journal, "segments") == 3


def test_media_are_deleted_once_their_evidence_is_cut(
    journal: Journal, objects: ObjectStore, retention: Retention, wall_clock: FakeClock
) -> None:
    add_segments(journal, "s", 3)
    write_objects(journal, objects)
    opened = Opened(at=Fraction(2), incident=incident())
    over = Closed(at=Fraction(9), incident=incident(revision=2, end=9))
    add_turn(journal, "s", 0, segment_event("s", 0), opened)
    add_turn(journal, "s", 1, segment_event("s", 1))
    add_turn(journal, "s", 2, segment_event("s", 2), over)
    finish(journal, "s")
    wall_clock.time += 1000
    run(retention)
    assert stages(journal) == ["stored"] * 3, "its evidence is not planned"
    rows = EvidenceJournal(journal)
    plan_incidents(rows, POLICIES, EvidenceSettings())
    run(retention)
    assert stages(journal) == ["stored"] * 3, "its evidence is due"
    while (piece := rows.next_due()) is not None:
        made = MadePiece(piece=piece.piece, object=f"clips/{piece.piece}", result={"bytes": 7})
        rows.finish(piece, [made], seconds=1.0)
    run(retention)
    assert stages(journal) == ["deleted"] * 3


def test_evidence_of_a_closed_incident_is_deleted_at_its_own_age(
    journal: Journal, objects: ObjectStore, retention: Retention, wall_clock: FakeClock
) -> None:
    test_media_are_deleted_once_their_evidence_is_cut(journal, objects, retention, wall_clock)
    clip = objects.path("clips/clip-1")
    clip.parent.mkdir()
    clip.write_bytes(b"clip")
    wall_clock.time += 179 * 86_400
    run(retention)
    assert clip.exists()
    wall_clock.time += 2 * 86_400
    run(retention)
    assert not clip.exists()
    with journal.read() as connection:
        assert set(connection.execute(select(evidence.c.status)).scalars()) == {"deleted"}
        assert len(connection.execute(select(incidents)).all()) == 1
    assert total(journal, "evidence_bytes") == 14


def test_records_are_deleted_at_their_own_age_but_not_those_of_an_open_incident(
    journal: Journal, retention: Retention, wall_clock: FakeClock
) -> None:
    for name in ("s", "t"):
        add_segments(journal, name, 1)
        finish(journal, name)
    add_turn(journal, "s", 0, segment_event("s", 0))
    opened = Opened(at=Fraction(2), incident=incident("77", stream_id="t"))
    add_turn(journal, "t", 0, segment_event("t", 0), opened)
    wall_clock.time += 31 * 86_400
    run(retention)
    with journal.read() as connection:
        assert list(connection.execute(select(turn_records.c.stream_id)).scalars()) == ["t"]
        assert list(connection.execute(select(segments.c.stream_id)).scalars()) == ["t"]
    assert total(journal, "turn_records_rows") == 1


def test_numbers_of_events_go_on_after_old_events_were_deleted(
    journal: Journal, retention: Retention, wall_clock: FakeClock
) -> None:
    add_revisions(journal, ["opened", "closed"])
    publish(journal, lambda _: {})
    wall_clock.time += 31 * 86_400
    run(retention)
    add_revisions(journal, ["opened"], incident_id="77")
    publish(journal, lambda _: {})
    with journal.read() as connection:
        assert list(connection.execute(select(published.c.number)).scalars()) == [2, 3]


def test_init_segments_go_with_the_last_media_of_a_finished_stream(
    journal: Journal, objects: ObjectStore, retention: Retention, wall_clock: FakeClock
) -> None:
    add_segments(journal, "s", 2)
    write_objects(journal, objects)
    row = {"stream_id": "s", "init_id": "i", "shard": 0, "object": "inits/00/i", "bytes": 9}
    with journal.write() as connection:
        connection.execute(inits.insert(), {**row, "sha256": "0", "created_at": wall_clock.time})
    wall_clock.time += 1000
    run(retention)
    with journal.read() as connection:
        assert connection.execute(select(inits.c.stage)).scalar_one() == "stored"
    finish(journal, "s")
    run(retention)
    run(retention)
    with journal.read() as connection:
        assert connection.execute(select(inits.c.stage)).scalar_one() == "deleted"


def test_files_without_a_row_are_removed_after_an_hour(
    journal: Journal, objects: ObjectStore, retention: Retention, wall_clock: FakeClock
) -> None:
    add_segments(journal, "s", 1)
    paths = write_objects(journal, objects)
    orphan, fresh = objects.path("segments/00/orphan"), objects.path("segments/00/fresh")
    temporary = objects.receive()
    temporary.close()
    for path in (orphan, fresh):
        path.write_bytes(b"abcd")
    for path in (*paths, orphan, temporary.path):
        os.utime(path, (wall_clock.time - 3601, wall_clock.time - 3601))
    os.utime(fresh, (wall_clock.time - 3599, wall_clock.time - 3599))
    run(retention)
    assert [path.exists() for path in (*paths, orphan, temporary.path, fresh)] == [
        True,
        False,
        False,
        True,
    ]
    assert (total(journal, "orphans"), total(journal, "orphans_bytes")) == (2, 4)


def test_a_long_list_of_held_media_does_not_keep_others_from_being_deleted(
    journal: Journal, objects: ObjectStore, wall_clock: FakeClock
) -> None:
    add_segments(journal, "held", 3)
    wall_clock.time += 1
    add_segments(journal, "free", 3)
    finish(journal, "free")
    rows = RetentionJournal(journal)
    wall_clock.time += 1000
    names, after = rows.streams_with_old_media(before=wall_clock.time, after=0.0, limit=3)
    assert (names, after is None) == (("held",), False)
    names, after = rows.streams_with_old_media(before=wall_clock.time, after=after or 0, limit=9)
    assert (names, after) == (("free",), None)


def test_a_pending_segment_is_never_marked(journal: Journal) -> None:
    add_segments(journal, "s", 2, verdict=None)
    RetentionJournal(journal).mark_segments([("s", 0), ("s", 1)])
    assert stages(journal) == ["stored", "stored"]
    with journal.write() as connection:
        connection.execute(update(segments).values(verdict="scored"))
    RetentionJournal(journal).mark_segments([("s", 0)])
    assert stages(journal) == ["deleting", "stored"]


def test_a_segment_stays_while_one_that_came_late_into_the_hole_after_it_waits(
    journal: Journal, retention: Retention, wall_clock: FakeClock
) -> None:
    add_segments(journal, "s", 1, first=0)
    add_segments(journal, "s", 8, first=2)
    wall_clock.time += 601
    add_segments(journal, "s", 1, first=1, verdict=None)
    run(retention)
    assert stages(journal)[:3] == ["stored", "stored", "deleted"]
    with journal.write() as connection:
        connection.exec_driver_sql("UPDATE segments SET verdict = 'late' WHERE sequence = 1")
    run(retention)
    assert stages(journal)[:3] == ["deleted", "stored", "deleted"]


def test_nothing_is_deleted_because_of_its_age_after_the_wall_clock_jumped(
    journal: Journal, objects: ObjectStore, wall_clock: FakeClock
) -> None:
    monotonic = FakeClock()
    retention = Retention(
        RetentionJournal(journal),
        objects,
        RetentionSettings(),
        policy_reach(POLICIES),
        now=wall_clock,
        monotonic=monotonic,
    )
    add_segments(journal, "s", 3)
    write_objects(journal, objects)
    finish(journal, "s")
    wall_clock.time += 3600
    run(retention)
    assert stages(journal) == ["stored"] * 3
    for clock in (wall_clock, monotonic):
        clock.time += 601
    run(retention)
    assert stages(journal) == ["deleted"] * 3
