"""The audit log is a chain of hashes, durable before an action is answered."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from scanner.store.audit import (
    FIRST_PREVIOUS,
    AuditEntry,
    AuditLog,
    append_entries,
    entry_hash,
)
from scanner.store.database import Journal
from scanner.store.people import Role
from scanner.store.users import Users


def entry(action: str = "view", **details: object) -> AuditEntry:
    return AuditEntry(actor="u1", action=action, subject="i1", details=details)


def test_each_entry_states_the_hash_of_the_one_before(journal: Journal) -> None:
    log = AuditLog(journal)
    log.append([entry("view"), entry("play", piece="clip-1")])
    log.append([entry("decide", decision="violation", note="\u00e4 <b>")])

    latest = log.entries()
    assert [one.number for one in latest] == [3, 2, 1]
    assert [one.previous for one in latest] == [latest[1].hash, latest[2].hash, FIRST_PREVIOUS]
    assert latest[0].details == {"decision": "violation", "note": "\u00e4 <b>"}
    assert all(entry_hash(row) == row["hash"] for row in log.all_rows())


def test_entries_are_found_by_who_what_and_about_whom(journal: Journal) -> None:
    log = AuditLog(journal)
    log.append([entry("view"), entry("play"), AuditEntry(actor="u2", action="view", subject="i2")])

    assert [one.number for one in log.entries(actor="u1")] == [2, 1]
    assert [one.number for one in log.entries(action="view")] == [3, 1]
    assert [one.number for one in log.entries(subject="i2")] == [3]
    assert [one.number for one in log.entries(before=3, limit=1)] == [2]


def test_an_entry_of_a_transaction_that_fails_is_not_there(journal: Journal) -> None:
    def fail() -> None:
        with journal.write() as connection:
            append_entries(connection, [entry()], now=1.0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert AuditLog(journal).entries() == []


def test_a_change_and_its_entry_are_there_together_or_not_at_all(journal: Journal) -> None:
    log, users = AuditLog(journal), Users(journal)

    def fail_after_a_change() -> None:
        users.add("ann", role=Role.VIEWER)
        users.add("bob", role=Role.VIEWER)
        raise RuntimeError

    def fail(_: object) -> list[AuditEntry]:
        raise RuntimeError

    for change, entries in (
        (fail_after_a_change, lambda _: [entry()]),
        (lambda: users.add("ann", role=Role.VIEWER), fail),
    ):
        with pytest.raises(RuntimeError):
            log.record(change, entries)
    assert (users.list_all(), log.entries()) == ([], [])

    added = log.record(lambda: users.add("ann", role=Role.VIEWER), lambda _: [entry("user_added")])

    assert users.list_all() == [added]
    assert [one.action for one in log.entries()] == ["user_added"]


def test_within_a_change_its_own_writes_are_seen_and_by_nobody_else(journal: Journal) -> None:
    users = Users(journal)
    with ThreadPoolExecutor(1) as other, journal.transaction():
        users.add("ann", role=Role.VIEWER)
        assert len(users.list_all()) == 1
        assert other.submit(users.list_all).result() == []

    assert len(users.list_all()) == 1


def test_several_threads_make_one_chain(journal: Journal) -> None:
    log = AuditLog(journal)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: log.append([entry(), entry()]), range(10)))

    rows = list(log.all_rows())
    assert [row["number"] for row in rows] == list(range(1, 21))
    assert all(row["previous"] == before["hash"] for before, row in itertools.pairwise(rows))


def test_an_entry_is_small_and_says_who_and_what() -> None:
    with pytest.raises(ValueError, match="limit"):
        entry(note="x" * 20_000)
    with pytest.raises(ValueError, match="actor"):
        AuditEntry(actor="", action="view", subject="")
