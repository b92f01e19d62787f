"""A stream is deleted on request, but for what holds it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from scanner.delivery.upkeep import Upkeep
from scanner.errors import TransientError
from scanner.store.audit import AuditEntry, AuditLog
from scanner.store.checkpoints import Checkpoints
from scanner.store.database import Journal
from scanner.store.holds import Holds
from scanner.store.intake import Intake, NewStream
from scanner.store.old_records import OldRecords
from scanner.store.removals import Removals
from scanner.store.retention import RetentionJournal
from scanner.store.review_schema import decisions
from scanner.store.schema import metadata, published, segments, shard_of, streams
from scanner.store.sessions import Sessions
from tests.delivery.rows import add_revisions
from tests.intake.evidence_rows import add_piece, publish_event
from tests.store.conftest import FakeClock


def add_stream(journal: Journal, name: str, channel: str | None = "c") -> None:
    """Write a stream that has ended, with a scored segment, an incident with a clip, and events."""
    row = NewStream(
        stream_id=name,
        channel=channel,
        key_id=None,
        allowed_channels=None,
        first_sequence=None,
        declared={},
    )
    with journal.write() as connection:
        Intake(connection, now=journal.now(), shard_count=journal.shard_count).add(row)
    segment = {"stream_id": name, "sequence": 0, "shard": shard_of(name), "object": f"{name}/0"}
    segment |= {"bytes": 1, "sha256": "", "meta_digest": "", "discontinuity": False, "tries": 1}
    segment |= {"received_at": journal.now(), "late": False, "lone_deaths": 0, "stage": "stored"}
    segment |= {"verdict": "scored", "verdict_at": journal.now(), "turn": 0}
    with journal.write() as connection:
        connection.execute(insert(segments), segment)
        ended = update(streams).where(streams.c.stream_id == name)
        connection.execute(ended.values(phase="finished"))
    add_revisions(journal, ["opened", "closed"], incident_id=f"1{name}", stream_id=name)
    add_piece(journal, f"1{name}", "clip-1", status="cut", stored=None)


def unlink(journal: Journal) -> None:
    retention = RetentionJournal(journal)
    with journal.write() as connection:
        connection.execute(update(segments).values(bytes=1))
    retention.mark_deleted([one for one in retention.deleting() if one.table == "segments"])


def rows_of(journal: Journal, name: str) -> dict[str, int]:
    """Return the number of rows of each table that name a stream or its incident."""
    found = {}
    with journal.read() as connection:
        for table in metadata.sorted_tables:
            texts = [repr(tuple(row)) for row in connection.execute(select(table))]
            found[table.name] = sum(f"'{name}'" in text or f"'1{name}'" in text for text in texts)
    return {table: count for table, count in found.items() if count}


def test_media_go_first_and_then_every_row(journal: Journal, wall_clock: FakeClock) -> None:
    add_stream(journal, "a")
    add_stream(journal, "b")
    body = {"stream_id": "a", "channel": "c"}
    publish_event(journal, 1, "incident.opened", body)
    publish_event(journal, 2, "incident.opened", {"stream_id": "b"})
    removals = Removals(journal)
    removals.request(["a"], actor="lead", reason="asked for")

    assert removals.step() is False
    stages = {one.table for one in RetentionJournal(journal).deleting()}
    assert "segments" in stages
    finish_evidence(journal)
    unlink(journal)
    assert removals.step() is True

    assert rows_of(journal, "a") == {"audit": 1, "removals": 1}
    assert rows_of(journal, "b").keys() >= {"streams", "segments", "incidents", "evidence"}
    with journal.read() as connection:
        assert list(connection.execute(select(published.c.number)).scalars()) == [2]
    (entry,) = AuditLog(journal).entries()
    assert (entry.action, entry.details["requested_by"]) == ("removed", "lead")
    assert removals.step() is False
    assert removals.list_all()[0].removed_at is not None


def finish_evidence(journal: Journal) -> None:
    """Mark evidence as unlinked, as the delivery process does."""
    from scanner.store.schema import evidence

    with journal.write() as connection:
        gone = update(evidence).where(evidence.c.status == "deleting")
        connection.execute(gone.values(status="deleted"))


def test_a_live_stream_waits_for_its_end(journal: Journal, wall_clock: FakeClock) -> None:
    add_stream(journal, "a")
    with journal.write() as connection:
        connection.execute(update(streams).values(phase="live", last_arrival=wall_clock.time))
    Removals(journal).request(["a"], actor="lead", reason="r")

    Removals(journal).step()
    assert RetentionJournal(journal).deleting() == ()
    wall_clock.time += 3601
    Removals(journal).step()
    assert RetentionJournal(journal).deleting() != ()


@pytest.mark.parametrize(("kind", "name"), [("stream", "a"), ("channel", "c")])
def test_a_hold_stops_deletion_on_request_and_by_age(
    journal: Journal, wall_clock: FakeClock, kind: str, name: str
) -> None:
    add_stream(journal, "a")
    holds, removals = Holds(journal), Removals(journal)
    holds.add(kind, name, reason="case", actor="lead")
    removals.request(["a"], actor="lead", reason="r")
    retention, old = RetentionJournal(journal), OldRecords(journal)

    assert removals.held(["a"]) == ["a"]
    assert removals.list_all()[0].is_held
    removals.step()
    retention.mark_segments([("a", 0)])
    retention.mark_evidence(before=wall_clock.time + 1)
    old.delete_records(before=wall_clock.time + 1)
    assert retention.deleting() == ()
    assert rows_of(journal, "a").keys() >= {"segments", "incidents", "evidence"}

    assert holds.lift(kind, name)
    assert not holds.lift(kind, name)
    retention.mark_segments([("a", 0)])
    assert retention.deleting() != ()


@pytest.mark.parametrize("held", ["first", "second"])
def test_a_hold_of_a_channel_keeps_the_streams_of_that_channel_alone(
    journal: Journal, held: str
) -> None:
    names = {"first": "a", "second": "b"}
    for channel, name in names.items():
        add_stream(journal, name, channel)
    Holds(journal).add("channel", held, reason="case", actor="lead")

    assert Removals(journal).held(["a", "b"]) == [names[held]]
    retention = RetentionJournal(journal)
    retention.mark_segments([("a", 0), ("b", 0)])
    (gone,) = {name for channel, name in names.items() if channel != held}
    assert [one.key for one in retention.deleting()] == [(gone, 0)]


def test_a_hold_of_another_stream_stops_nothing(journal: Journal) -> None:
    add_stream(journal, "a")
    Holds(journal).add("stream", "b", reason="case", actor="lead")
    Holds(journal).add("channel", "d", reason="case", actor="lead")
    RetentionJournal(journal).mark_segments([("a", 0)])

    assert RetentionJournal(journal).deleting() != ()


def test_old_decisions_go_and_the_latest_stays(journal: Journal, wall_clock: FakeClock) -> None:
    row = {"shard": 0, "kind": "made", "verdict": "violation", "note": "", "by": "human"}
    row |= {"reviewer": "r", "final": True, "state_before": "waiting", "revision": 1}
    with journal.write() as connection:
        for number in (1, 2, 3):
            one = {"number": number, "decision_id": f"d{number}", "item_id": "i"}
            connection.execute(insert(decisions), {**row, **one, "created_at": wall_clock.time})
    wall_clock.time += 100 * 86_400

    upkeep = Upkeep(journal, AuditLog(journal), Sessions(journal), decision_days=90, audit_days=900)
    upkeep.step()

    with journal.read() as connection:
        assert list(connection.execute(select(decisions.c.number)).scalars()) == [3]


def test_upkeep_removes_old_entries_of_the_audit_log(
    journal: Journal, wall_clock: FakeClock, tmp_path: Path
) -> None:
    log = AuditLog(journal, Checkpoints(tmp_path / "second"))
    for _ in range(3):
        log.append([AuditEntry(actor="u", action="view", subject="i")])
        wall_clock.time += 86_400
    upkeep = Upkeep(journal, log, Sessions(journal), decision_days=90, audit_days=1.5)

    upkeep.step()

    assert [one.number for one in log.entries()] == [3]


def test_entries_that_cannot_be_removed_are_an_error_of_each_step_until_they_can(
    journal: Journal, wall_clock: FakeClock, tmp_path: Path
) -> None:
    log = AuditLog(journal, Checkpoints(tmp_path / "second"))
    for _ in range(3):
        log.append([AuditEntry(actor="u", action="view", subject="i")])
        wall_clock.time += 86_400
    (tmp_path / "second").rename(tmp_path / "away")
    (tmp_path / "second").write_text("")
    upkeep = Upkeep(journal, log, Sessions(journal), decision_days=90, audit_days=1.5)
    for _ in range(2):
        with pytest.raises(TransientError, match="old audit entries stay"):
            upkeep.step()
        wall_clock.time += 5
    (tmp_path / "second").unlink()
    (tmp_path / "away").rename(tmp_path / "second")
    upkeep.step()

    assert [one.number for one in log.entries()] == [3]
