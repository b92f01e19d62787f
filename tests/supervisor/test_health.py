"""A process that shows no sign of life is found; what cannot be read says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from scanner.store.database import Journal, JournalBusyError, open_journal
from scanner.store.writes import beat
from scanner.supervisor import health as module
from scanner.supervisor.health import HealthCheck

NOBODY = ("127.0.0.1", 9)
"""An address at which nothing answers."""


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path, create=True)


def send_heartbeat(journal: Journal, process: str) -> None:
    with journal.write() as connection:
        beat(connection, process, 1, {}, now=journal.now())


def test_a_process_whose_heartbeat_stops_is_silent_after_30_seconds(
    journal: Journal, tmp_path: Path
) -> None:
    health = HealthCheck(tmp_path, NOBODY)
    health.began("driver", 0.0)
    send_heartbeat(journal, "driver")
    assert health.silent_processes(10.0) == ()
    assert health.silent_processes(40.0) == ()
    assert health.silent_processes(45.0) == ("driver",)


def test_a_process_that_starts_has_90_seconds(journal: Journal, tmp_path: Path) -> None:
    health = HealthCheck(tmp_path, NOBODY)
    health.began("driver", 0.0)
    assert health.silent_processes(90.0) == ()
    assert health.silent_processes(96.0) == ("driver",)


def test_a_web_process_that_does_not_answer_is_silent(journal: Journal, tmp_path: Path) -> None:
    health = HealthCheck(tmp_path, NOBODY)
    health.began("web", 0.0)
    assert health.silent_processes(96.0) == ("web",)


def test_while_heartbeats_cannot_be_read_nobody_is_silent(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Journal) -> dict[str, float]:
        raise JournalBusyError("journal: database is locked")

    health = HealthCheck(tmp_path, NOBODY)
    health.began("driver", 0.0)
    send_heartbeat(journal, "driver")
    health.silent_processes(10.0)
    monkeypatch.setattr(module, "read_heartbeats", fail)
    assert health.silent_processes(100.0) == ()
    monkeypatch.undo()
    assert health.silent_processes(131.0) == ("driver",)
