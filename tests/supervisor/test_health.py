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


def test_a_process_that_was_not_well_in_time_has_twice_the_time_at_its_next_start(
    journal: Journal, tmp_path: Path
) -> None:
    health = HealthCheck(tmp_path, NOBODY)
    health.began("driver", 0.0)
    assert health.silent_processes(96.0) == ("driver",)
    health.began("driver", 100.0)
    assert health.silent_processes(275.0) == ()
    assert health.silent_processes(285.0) == ("driver",)
    for _ in range(4):
        health.began("driver", 9000.0)
        health.began("driver", 1000.0)
    assert health.silent_processes(1000.0 + 715.0) == ()
    assert health.silent_processes(1000.0 + 725.0) == ("driver",)


def test_a_process_that_was_well_has_the_usual_time_at_its_next_start(
    journal: Journal, tmp_path: Path
) -> None:
    health = HealthCheck(tmp_path, NOBODY)
    health.began("driver", 0.0)
    health.began("driver", 100.0)
    send_heartbeat(journal, "driver")
    assert health.silent_processes(110.0) == ()
    health.began("driver", 200.0)
    assert health.silent_processes(285.0) == ()
    assert health.silent_processes(296.0) == ("driver",)


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
