"""The driver waits with a full journal, and ends when it cannot go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

import workers.feed as feed_module
from scanner.errors import TransientError
from scanner.liveness import LoopPulse
from scanner.store.database import JournalFullError
from scanner.store.outcomes import StreamResult
from scanner.store.turns import Assignment, TurnJournal
from scanner.stream.state import StreamProgress
from tests.workers.journal_runs import RULES, JournalWorld
from tests.workers.pool_fakes import POLICIES, fold_quarantined, scripted
from tests.workers.test_driver import bright, locally
from workers.commit import TurnCommitter
from workers.delays import Delays
from workers.dispatch import Bounds, StreamWork
from workers.driver import drive
from workers.feed import JournalFeed
from workers.pool import PoolRunner, WorkerDiedError


@pytest.fixture
def world(tmp_path: Path) -> Iterator[JournalWorld]:
    world = JournalWorld(tmp_path / "data")
    yield world
    world.close()


class FullJournal(TurnJournal):
    """A journal whose disk is full for the first writes."""

    def __init__(self, world: JournalWorld, *, full: int) -> None:
        super().__init__(world.journal)
        self.left = {"assign": full, "commit": full}

    def _check(self, write: str) -> None:
        if self.left[write]:
            self.left[write] -= 1
            raise JournalFullError("journal: database or disk is full")

    def assign(self, assignments: Sequence[Assignment]) -> None:
        self._check("assign")
        super().assign(assignments)

    def commit(self, results: Sequence[StreamResult]) -> tuple[str, ...]:
        self._check("commit")
        return super().commit(results)


def test_a_stall_is_logged_once_although_it_cannot_be_recorded_at_first(
    world: JournalWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "workers")
    monkeypatch.setattr(feed_module, "FULL_SECONDS", 0.01)
    monkeypatch.setattr(feed_module, "STALL_POLL_SECONDS", 0.01)
    world.put(bright(2))
    world.drive()
    world.clock.time += 60.0
    full = FullJournal(world, full=3)
    full.left["commit"] = 0
    world.drive(turns=full, until=lambda: '"StreamStalled"' in "".join(world.events()))
    logged = [one.getMessage() for one in caplog.records]
    assert logged.count("stream stalled") == 1
    assert logged.count("leasing pauses") == 3


def test_on_a_full_database_leasing_pauses_and_results_wait(
    world: JournalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "FULL_SECONDS", 0.01)
    turns = bright(6)
    world.put(turns)
    world.end("s", 5)
    full = FullJournal(world, full=3)
    world.drive(turns=full)
    assert full.left == {"assign": 0, "commit": 0}
    assert world.events() == locally(turns)


def test_a_driver_whose_results_wait_shows_that_its_loop_turns(
    world: JournalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "FULL_SECONDS", 0.01)

    class Counting(LoopPulse):
        beats = 0

        def beat(self) -> None:
            self.beats += 1

    class NotingJournal(FullJournal):
        def _check(self, write: str) -> None:
            if write == "commit" and self.left[write]:
                noted.append(pulse.beats)
            super()._check(write)

    noted: list[int] = []
    pulse = Counting()
    world.put(bright(1))
    world.drive(turns=NotingJournal(world, full=3), pulse=pulse)
    assert noted == [noted[0], noted[0] + 1, noted[0] + 2]


def test_an_error_of_the_disk_ends_the_driver_at_once(world: JournalWorld) -> None:
    """A second flush would report success without having written anything."""
    commits: list[int] = []

    class BrokenDisk(TurnJournal):
        def commit(self, results: Sequence[StreamResult]) -> tuple[str, ...]:
            commits.append(len(results))
            raise OperationalError("COMMIT", None, Exception("disk I/O error"))

    world.put([scripted(sequence=0)])
    with pytest.raises(OperationalError):
        world.drive(turns=BrokenDisk(world.journal))
    assert len(commits) == 1
    world.drive()
    assert world.verdicts() == {0: "scored"}


class StuckWorker:
    """A worker that takes work and never reports anything."""

    name = "stuck"

    def __init__(self) -> None:
        self.ended = threading.Event()

    def work(self, work: Sequence[StreamWork]) -> Iterator[Sequence[StreamProgress]]:
        yield from ()
        self.ended.wait(60)
        raise WorkerDiedError("ended")

    def end(self) -> None:
        self.ended.set()


def test_a_driver_whose_leased_work_shows_no_progress_ends(world: JournalWorld) -> None:
    world.put([scripted(sequence=0)])
    turns = TurnJournal(world.journal)
    turns.take_over()
    feed = JournalFeed(turns, world.objects, RULES, stall_seconds=30.0, now=world.clock)
    committer = TurnCommitter(turns, feed, POLICIES, Delays(now=world.clock))
    pool = PoolRunner([StuckWorker()], Bounds(workers=1), fold_quarantined)

    with pytest.raises(TransientError, match="no progress of any worker"):
        drive(pool, feed, committer, stuck_seconds=0.05)
    feed.stop()
    world.drive()
    assert world.verdicts() == {0: "scored"}


def test_a_driver_without_leased_work_does_not_end(world: JournalWorld) -> None:
    turns = TurnJournal(world.journal)
    turns.take_over()
    feed = JournalFeed(turns, world.objects, RULES, stall_seconds=30.0, now=world.clock)
    committer = TurnCommitter(turns, feed, POLICIES, Delays(now=world.clock))
    pool = PoolRunner([StuckWorker()], Bounds(workers=1), fold_quarantined)
    looks = iter(range(5))

    class Stopping(LoopPulse):
        def beat(self) -> None:
            if next(looks, None) is None:
                feed.stop()

    drive(pool, feed, committer, Stopping(), stuck_seconds=0.01)


def test_a_loop_that_does_not_turn_gives_no_liveness() -> None:
    now = iter((0.0, 59.0, 60.0, 61.0, 62.0))
    pulse = LoopPulse(monotonic=lambda: next(now))
    before = [pulse.is_fresh, pulse.is_fresh]
    pulse.beat()
    assert [*before, pulse.is_fresh] == [True, False, True]
