"""A changed, missing or cut-off entry of the audit log is found."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text, update
from structlog.testing import capture_logs

from scanner.cli.app import run
from scanner.store.audit import FIRST_PREVIOUS, AuditEntry, AuditLog, entry_hash
from scanner.store.checkpoints import Checkpoints, audit_folder
from scanner.store.database import Journal, open_journal
from scanner.store.people_schema import audit
from scanner.store.verification import restores_of, verify_entries
from tests.store.conftest import FakeClock
from tests.store.tampering import CHANGES

ENTRIES = 60


def entry(**details: object) -> AuditEntry:
    return AuditEntry(actor="u", action="view", subject="i", details=details)


@pytest.fixture
def place(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "second")


@pytest.fixture
def log(journal: Journal, place: Checkpoints, wall_clock: FakeClock) -> AuditLog:
    """Return a log of some entries, with its checkpoints."""
    log = AuditLog(journal, place)
    for number in range(0, ENTRIES, 10):
        log.append([entry(piece=f"clip-{number + by}") for by in range(10)])
        wall_clock.time += 100
    return log


def faults(log: AuditLog, place: Checkpoints) -> set[str]:
    _, found = verify_entries(log.all_rows(), place.statements(), place.public_key())
    return {one.kind for one in found}


def test_a_log_that_no_one_touched_has_no_fault(log: AuditLog, place: Checkpoints) -> None:
    count, found = verify_entries(log.all_rows(), place.statements(), place.public_key())

    assert (count, found) == (ENTRIES, [])


@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_random_tampering_is_found(log: AuditLog, place: Checkpoints, count: int) -> None:
    rows = [dict(row) for row in log.all_rows()]
    statements, key = place.statements(), place.public_key()
    missed = []
    for seed in range(count):
        chance = random.Random(seed)
        change, changed = CHANGES[seed % len(CHANGES)], copy.deepcopy(rows)
        change(chance, changed)
        _, found = verify_entries(changed, statements, key)
        if changed != rows and not found:
            missed.append((seed, change.__name__))

    assert missed == []


def test_a_cut_tail_is_named_as_such(log: AuditLog, place: Checkpoints, journal: Journal) -> None:
    with journal.write() as connection:
        connection.execute(delete(audit).where(audit.c.number > ENTRIES - 1))

    assert faults(log, place) == {"cut_off"}


def test_a_log_that_was_computed_anew_is_found(
    log: AuditLog, place: Checkpoints, journal: Journal
) -> None:
    previous = FIRST_PREVIOUS
    rewritten: list[dict[str, Any]] = []
    for row in log.all_rows():
        new = {**row, "actor": "someone else", "previous": previous}
        previous = new["hash"] = entry_hash(new)
        rewritten.append(new)
    with journal.write() as connection:
        for new in rewritten:
            connection.execute(update(audit).where(audit.c.number == new["number"]).values(new))

    assert faults(log, place) == {"rewritten"}


def test_a_statement_that_was_changed_or_made_with_another_key_is_found(
    log: AuditLog, place: Checkpoints, tmp_path: Path
) -> None:
    head = place.folder / "head.json"
    honest = head.read_text()
    head.write_text(honest.replace(f'"number":{ENTRIES}', f'"number":{ENTRIES - 1}'))
    assert faults(log, place) == {"statement"}
    head.write_text("{")
    assert faults(log, place) == {"statement"}

    forger = Checkpoints(tmp_path / "forged")
    AuditLog(log._journal, forger).append([entry()])
    head.write_text((forger.folder / "head.json").read_text())
    assert faults(log, place) == {"statement"}


def test_a_second_place_that_was_emptied_is_found_by_a_copy(
    log: AuditLog, place: Checkpoints, journal: Journal, tmp_path: Path
) -> None:
    kept = place.statements()
    key = place.public_key()
    with journal.write() as connection:
        connection.execute(delete(audit).where(audit.c.number > 5))

    _, found = verify_entries(log.all_rows(), [], key)
    assert [one.kind for one in found] == ["statement"]
    _, found = verify_entries(log.all_rows(), kept, key)
    assert {one.kind for one in found} == {"cut_off"}


def test_entries_that_are_removed_because_of_their_age_leave_a_log_without_fault(
    log: AuditLog, place: Checkpoints, journal: Journal, wall_clock: FakeClock
) -> None:
    assert log.remove_before(wall_clock.time - 200) == ENTRIES - 20
    assert faults(log, place) == set()
    assert log.remove_before(wall_clock.time + 1) == 19
    assert faults(log, place) == set()
    log.append([entry()])
    assert log.entries()[0].number == ENTRIES + 1
    assert faults(log, place) == set()

    with journal.write() as connection:
        connection.execute(delete(audit).where(audit.c.number == ENTRIES))
    assert "missing" in faults(log, place)


def test_a_log_that_was_restored_from_a_backup_is_told_and_has_no_fault(
    log: AuditLog, place: Checkpoints, journal: Journal, wall_clock: FakeClock
) -> None:
    with journal.write() as connection:  # as the backup had it
        connection.execute(delete(audit).where(audit.c.number > 30))
    assert "cut_off" in faults(log, place)

    log.note_restore()
    assert faults(log, place) == set()
    wall_clock.time += 100
    log.append([entry(piece="after")])
    assert faults(log, place) == set()
    (told,) = restores_of(place.statements(), place.public_key())
    assert told["number"] == 30

    with journal.write() as connection:  # what is cut off after it is found as before
        connection.execute(delete(audit).where(audit.c.number > 29))
    assert "cut_off" in faults(log, place)


def test_the_key_is_for_its_owner_alone_and_an_older_head_replaces_none(
    log: AuditLog, place: Checkpoints
) -> None:
    assert (place.folder / "signing-key.pem").stat().st_mode & 0o777 == 0o600
    again = Checkpoints(place.folder)
    before = (place.folder / "head.json").read_text()
    again.keep(type(log_head := _head(log))(number=3, hash=log_head.hash, at=log_head.at))

    assert (place.folder / "head.json").read_text() == before


def _head(log: AuditLog) -> Any:
    from scanner.store.audit import read_head

    with log._journal.read() as connection:
        return read_head(connection)


def test_a_second_place_that_cannot_be_written_stops_no_one(
    journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    log = AuditLog(journal, Checkpoints(tmp_path / "file" / "below"))

    log.append([entry()])

    assert len(log.entries()) == 1


def test_statements_are_continued_by_themselves_once_the_second_place_can_be_written(
    journal: Journal, tmp_path: Path
) -> None:
    blocked = tmp_path / "second"
    blocked.write_text("")
    place = Checkpoints(blocked)
    log = AuditLog(journal, place)
    assert log.state_end()
    with capture_logs() as logs:
        for _ in range(3):
            log.append([entry()])
            assert not log.state_end()
        blocked.unlink()
        assert log.state_end()

    assert [one["log_level"] for one in logs] == ["error", "info"]
    count, faults = verify_entries(log.all_rows(), place.statements(), place.public_key())
    assert (count, faults) == (3, [])
    assert place.statements()[-1]["number"] == 3


def test_the_command_verifies_and_names_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    monkeypatch.setenv("STREAMWARDEN_SERVICE__DATA", str(data))
    run(["users", "add", "anna", "--json"])
    run(["users", "disable", "anna"])
    capsys.readouterr()

    assert run(["audit", "verify"]) == 0
    assert json.loads(capsys.readouterr().out) == {"type": "verified", "entries": 2, "faults": 0}
    assert run(["audit", "list", "--action", "user_disabled"]) == 0
    assert json.loads(capsys.readouterr().out)["number"] == 2
    journal = open_journal(data)
    with journal.write() as connection:
        connection.execute(text("UPDATE audit SET action = 'view' WHERE number = 1"))
    journal.close()
    assert run(["audit", "verify"]) == 1
    assert "entry 1 was changed" in capsys.readouterr().out
    copy_of_head = audit_folder(data, None) / "head.json"
    assert run(["audit", "verify", "--checkpoint", str(copy_of_head)]) == 1


def test_a_clock_that_was_behind_for_a_while_removes_no_young_entries(
    journal: Journal, place: Checkpoints, wall_clock: FakeClock
) -> None:
    log, today = AuditLog(journal, place), wall_clock.time
    log.append([entry(piece="old")])
    for wall_clock.time in (today + 500, 0.0, today + 600):
        log.append([entry()])

    assert log.remove_before(today + 400) == 1
    assert [one.number for one in log.entries()] == [4, 3, 2]
    assert faults(log, place) == set()


def test_a_statement_that_was_written_in_part_spoils_no_later_one(
    log: AuditLog, place: Checkpoints, wall_clock: FakeClock
) -> None:
    path = place.folder / "checkpoints.jsonl"
    path.write_bytes(path.read_bytes() + b'{"at":1000600.0,"ha')  # then the disk was full

    assert log.remove_before(wall_clock.time - 200) == ENTRIES - 20
    assert faults(log, place) == set()


def test_a_key_that_was_written_in_part_is_made_again(
    journal: Journal, place: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    log = AuditLog(journal, place)
    with monkeypatch.context() as full:
        full.setattr("scanner.store.checkpoints.os.fsync", fail)
        log.append([entry()])
        assert not log.state_end()

    assert log.state_end()
    assert faults(log, place) == set()
