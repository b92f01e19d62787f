"""A stream is deleted on request, but for what holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, update

from scanner.delivery.upkeep import Upkeep
from scanner.errors import TransientError
from scanner.store.audit import AuditEntry, AuditLog
from scanner.store.checkpoints import Checkpoints
from scanner.store.database import Journal
from scanner.store.holds import Holds
from scanner.store.intake import Intake, NewStream
from scanner.store.old_records import OldRecords
from scanner.store.operation_queries import OperationQueries
from scanner.store.removals import Removals
from scanner.store.retention import RetentionJournal
from scanner.store.review_schema import decisions
from scanner.store.schema import evidence, metadata, published, segments, shard_of, streams
from scanner.store.sessions import Sessions
from scanner.store.stream_changes import stream_changes
from scanner.store.writes import raise_alarm
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


def remove_all(journal: Journal, *names: str) -> None:
    removals = Removals(journal)
    removals.request(names, actor="lead", reason="r")
    removals.step()
    finish_evidence(journal)
    unlink(journal)
    assert removals.step() is True


def test_events_of_other_streams_stay_whatever_the_deleted_one_is_called(journal: Journal) -> None:
    add_stream(journal, "fire", "sports")
    other = {"stream_id": "b", "channel": "fire", "label": "fire"}
    publish_event(journal, 1, "incident.opened", other)
    publish_event(journal, 2, "incident.opened", {"stream_id": "fire", "channel": "sports"})
    publish_event(journal, 3, "decision.made", {"item": {"stream_id": "fire"}})
    publish_event(journal, 4, "alarm.begun", {"kind": "stream.blind", "subject": "fire"})
    publish_event(journal, 5, "alarm.begun", {"kind": "sink.failing", "subject": "fire"})
    publish_event(journal, 6, "incident.opened", {"stream_id": "b"})

    remove_all(journal, "fire")

    with journal.read() as connection:
        assert list(connection.execute(select(published.c.number)).scalars()) == [1, 5, 6]


def test_the_latest_event_and_decision_keep_their_numbers_and_nothing_else(
    journal: Journal,
) -> None:
    add_stream(journal, "a")
    add_decisions(journal, 1)
    with journal.write() as connection:
        connection.execute(update(decisions).values(item_id="1a", note="of a", person="ann"))
    publish_event(journal, 7, "incident.opened", {"stream_id": "a", "channel": "c"})

    remove_all(journal, "a")

    assert rows_of(journal, "a") == {"audit": 1, "removals": 1}
    (event,) = OperationQueries(journal).events_after(0, limit=10)
    assert (event.number, event.kind, event.body) == (7, "gap", {"missing_before": 8})
    assert decision_numbers(journal) == [1]
    with journal.read() as connection:
        (kept,) = connection.execute(select(decisions)).all()
    assert (kept.item_id, kept.note, kept.reviewer, kept.person) == ("", "", "", None)


def test_what_a_stream_did_and_its_alarm_are_deleted_with_it(journal: Journal) -> None:
    add_stream(journal, "a")
    change = {"stream_id": "a", "shard": 0, "state": "live", "at": 1.0, "published": True}
    with journal.write() as connection:
        connection.execute(insert(stream_changes), change)
        raise_alarm(connection, "stream.blind", "a", {}, shard=0, now=1.0)

    remove_all(journal, "a")

    assert rows_of(journal, "a") == {"audit": 1, "removals": 1}


def test_a_hold_that_comes_while_deletions_are_in_hand_stops_those_that_follow(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_stream(journal, "a")
    removals, read = Removals(journal), journal.read
    removals.request(["a"], actor="lead", reason="r")

    @contextmanager
    def read_before_hold() -> Iterator[Connection]:
        with read() as connection:
            yield connection
        Holds(journal).add("stream", "a", reason="case", actor="lead")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "read", read_before_hold)
        removals.step()

    assert rows_of(journal, "a")["segments"] == 1
    with journal.read() as connection:
        assert connection.execute(select(segments.c.stage)).scalar_one() == "stored"


def test_a_hold_keeps_media_that_are_marked_and_not_yet_unlinked(journal: Journal) -> None:
    add_stream(journal, "a")
    removals, retention = Removals(journal), RetentionJournal(journal)
    removals.request(["a"], actor="lead", reason="r")
    removals.step()
    with journal.write() as connection:
        connection.execute(update(evidence).values(result='{"bytes": 1}', object="clip"))
    assert {one.table for one in retention.deleting()} == {"segments", "evidence"}

    Holds(journal).add("channel", "c", reason="case", actor="lead")
    assert retention.deleting() == ()
    Holds(journal).lift("channel", "c")
    assert {one.table for one in retention.deleting()} == {"segments", "evidence"}


def test_no_age_counts_for_deletion_after_the_wall_clock_jumped(
    journal: Journal, wall_clock: FakeClock, tmp_path: Path
) -> None:
    """The stream is live and the decision young, whatever the clock says."""
    add_stream(journal, "a")
    add_decisions(journal, 1, 2)
    with journal.write() as connection:
        connection.execute(update(streams).values(phase="live", last_arrival=wall_clock.time))
    Removals(journal).request(["a"], actor="lead", reason="r")
    log, steady = AuditLog(journal, Checkpoints(tmp_path / "second")), FakeClock()
    for _ in range(2):
        log.append([AuditEntry(actor="u", action="view", subject="i")])
    sessions = Sessions(journal)
    upkeep = Upkeep(journal, log, sessions, decision_days=9, audit_days=9, monotonic=steady)

    wall_clock.time += 400 * 86_400
    upkeep.step()
    assert RetentionJournal(journal).deleting() == ()
    assert (decision_numbers(journal), len(list(log.entries()))) == ([1, 2], 2)

    wall_clock.time, steady.time = wall_clock.time + 601, steady.time + 601
    upkeep.step()
    assert RetentionJournal(journal).deleting() != ()
    assert (decision_numbers(journal), len(list(log.entries()))) == ([2], 1)


def finish_evidence(journal: Journal) -> None:
    """Mark evidence as unlinked, as the delivery process does."""
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


def add_decisions(journal: Journal, *numbers: int) -> None:
    row = {"shard": 0, "kind": "made", "verdict": "violation", "note": "", "by": "human"}
    row |= {"reviewer": "r", "final": True, "state_before": "waiting", "revision": 1}
    with journal.write() as connection:
        for number in numbers:
            one = {"number": number, "decision_id": f"d{number}", "item_id": "i"}
            connection.execute(insert(decisions), {**row, **one, "created_at": journal.now()})


def decision_numbers(journal: Journal) -> list[int]:
    with journal.read() as connection:
        query = select(decisions.c.number).order_by(decisions.c.number)
        return list(connection.execute(query).scalars())


def test_old_decisions_go_and_the_latest_stays(journal: Journal, wall_clock: FakeClock) -> None:
    add_decisions(journal, 1, 2, 3)
    wall_clock.time += 100 * 86_400

    upkeep = Upkeep(journal, AuditLog(journal), Sessions(journal), decision_days=90, audit_days=900)
    upkeep.step()

    assert decision_numbers(journal) == [3]


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
