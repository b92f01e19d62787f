"""The end of Ray is told at once, and ends a run."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Iterator

import pytest

from scanner.errors import TransientError
from scanner.stream.inputs import Turn
from tests.workers.pool_fakes import FakeWorker, fold_quarantined, scripted
from workers.dispatch import Bounds
from workers.heartbeat import ClusterWatch
from workers.pool import PoolRunner

PATIENCE_SECONDS = 30.0


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def failure_of(watch: ClusterWatch) -> TransientError:
    told = queue.SimpleQueue[TransientError]()
    watch.add_callback(told.put)
    return told.get(timeout=PATIENCE_SECONDS)


def test_a_process_that_ends_is_told(process: subprocess.Popen[bytes]) -> None:
    with ClusterWatch({process.pid: "gcs_server"}, lambda: None) as watch:
        process.kill()

        failure = failure_of(watch)

        assert "its process gcs_server ended" in str(failure)
        assert watch.failure is failure
        assert failure_of(watch) is failure


def test_a_cluster_that_does_not_answer_any_more_is_told() -> None:
    released = threading.Event()

    with ClusterWatch({}, released.wait, beat_seconds=0.01, answer_seconds=0.05) as watch:
        assert "does not answer for 0.05 s" in str(failure_of(watch))

    released.set()


def test_a_cluster_that_answers_is_asked_again() -> None:
    asked = threading.Semaphore(0)

    def ask() -> None:
        asked.release()
        raise ConnectionError

    with ClusterWatch({}, ask, beat_seconds=0.01, answer_seconds=60) as watch:
        for _ in range(3):
            assert asked.acquire(timeout=PATIENCE_SECONDS)

        assert watch.failure is None


def test_nobody_is_told_after_the_callback_was_removed(
    process: subprocess.Popen[bytes],
) -> None:
    told: list[TransientError] = []

    with ClusterWatch({process.pid: "raylet"}, lambda: None) as watch:
        watch.add_callback(told.append)
        watch.remove_callback(told.append)
        process.kill()
        failure_of(watch)

    assert told == []


def test_a_run_yields_what_is_ready_and_then_the_failure(
    process: subprocess.Popen[bytes],
) -> None:
    over = threading.Event()

    def live() -> Iterator[Turn]:
        yield scripted("s", 0)
        over.wait(PATIENCE_SECONDS)

    with ClusterWatch({process.pid: "gcs_server"}, lambda: None) as watch:
        runner = PoolRunner(
            [FakeWorker("worker")], Bounds(workers=1), fold_quarantined, watch=watch
        )
        progress = runner.run(live())
        first = next(progress)
        process.kill()

        with pytest.raises(TransientError, match="Ray cannot continue: its process gcs_server"):
            next(progress)

    over.set()
    assert first.state.turn == 1


def test_a_watch_that_is_closed_leaves_no_thread(process: subprocess.Popen[bytes]) -> None:
    before = set(threading.enumerate())
    with ClusterWatch({process.pid: "raylet"}, lambda: None):
        assert set(threading.enumerate()) != before

    assert set(threading.enumerate()) <= before
