"""What nothing needs any more is deleted, in steps that may be repeated; nothing else is."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import select, update

from scanner.delivery.evidence import plan_incidents
from scanner.delivery.retention import Retention, policy_reach
from scanner.errors import TransientError
from scanner.risk.incident import Closed, Opened
from scanner.settings.sections import EvidenceSettings
from scanner.settings.service import RetentionSettings
from scanner.store.database import Journal
from scanner.store.evidence import EvidenceJournal, MadePiece
from scanner.store.objects import ObjectStore
from scanner.store.old_records import OldRecords
from scanner.store.publication import publish
from scanner.store.retention import (
    RetentionJournal,
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


@pytest.fixture
def retention(journal: Journal, objects: ObjectStore, wall_clock: FakeClock) -> Retention:
    return Retention(
        RetentionJournal(journal),
        OldRecords(journal),
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
        OldRecords(journal),
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


def test_a_file_that_cannot_be_deleted_stops_no_other_deletion_and_is_an_error(
    journal: Journal, objects: ObjectStore, retention: Retention, wall_clock: FakeClock
) -> None:
    add_segments(journal, "s", 3)
    finish(journal, "s")
    first, *others = write_objects(journal, objects)
    first.unlink()
    first.mkdir()  # as a file that the disk does not let go
    wall_clock.time += 601
    with pytest.raises(TransientError, match=r"files cannot be deleted \(1\)"):
        run(retention)
    assert stages(journal) == ["deleting", "deleted", "deleted"]
    assert not any(one.exists() for one in others)
    first.rmdir()
    run(retention)

    assert stages(journal) == ["deleted", "deleted", "deleted"]
