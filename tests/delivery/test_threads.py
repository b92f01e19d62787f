"""Threads of the delivery process: they wake, postpone, stop together and hide no failure."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from scanner.delivery.threads import RepeatedWork, Step, WorkProgress, WorkThreads
from scanner.errors import TransientError


def work(step: Step, *, pause: float = 60.0) -> RepeatedWork:
    return RepeatedWork(open_step=lambda _: step, pause=pause)


def never() -> bool:
    return False


def test_a_change_ends_the_pause_of_a_thread_that_had_nothing_to_do() -> None:
    asked = threading.Semaphore(0)
    changes = iter([True])

    def step() -> bool:
        asked.release()
        return False

    def changed() -> bool:
        if asked.acquire(blocking=False):
            counts.append(1)
        if len(counts) == 2:
            threads.stop()
        return len(counts) == 1 and next(changes, False)

    counts: list[int] = []
    threads = WorkThreads({"one": work(step)}, process="test")
    threads.run(beat=never, changed=changed)
    assert len(counts) == 2


def test_a_thread_that_fails_ends_all_and_what_they_opened_is_closed() -> None:
    closed = threading.Event()

    def open_step(stack: ExitStack) -> Step:
        stack.callback(closed.set)
        return never

    def fail() -> bool:
        raise OSError("the disk is gone")

    works = {"well": RepeatedWork(open_step=open_step, pause=60.0), "ill": work(fail)}
    with capture_logs() as logs, pytest.raises(OSError, match="the disk is gone"):
        WorkThreads(works, process="test").run(beat=never, changed=never)
    assert closed.is_set()
    assert [line["event"] for line in logs] == ["thread failed"]


def test_a_heartbeat_that_fails_ends_all_threads() -> None:
    def fail() -> bool:
        raise ValueError("no heartbeat")

    with pytest.raises(ValueError, match="no heartbeat"):
        WorkThreads({"one": work(never)}, process="test").run(beat=fail, changed=never)


def test_an_error_that_passes_only_postpones_the_work() -> None:
    tries: list[int] = []

    def step() -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise TransientError("the journal is full")
        threads.stop()
        return False

    threads = WorkThreads({"one": work(step, pause=0.0)}, process="test")
    with capture_logs() as logs:
        threads.run(beat=never, changed=never)
    assert len(tries) == 2
    assert [line["event"] for line in logs] == ["work postponed"]


def test_progress_tells_since_when_a_work_fails_and_its_error() -> None:
    now = [0.0]
    found: list[WorkProgress] = []

    def step() -> bool:
        now[0] += 5.0
        if len(found) == 2:
            return False
        raise TransientError("the disk is full")

    def changed() -> bool:
        found.append(threads.progress()["one"])
        if found[-1].error is None and found[0].error is not None:
            threads.stop()
        return True

    threads = WorkThreads({"one": work(step)}, process="test", monotonic=lambda: now[0])
    with capture_logs():
        threads.run(beat=never, changed=changed)
    failing = [one for one in found if one.error is not None]
    assert {one.error for one in failing} == {"the disk is full"}
    assert [one.seconds for one in failing] == sorted(one.seconds for one in failing)
    assert found[-1] == WorkProgress(seconds=0.0)


def test_work_in_hand_is_finished_before_the_threads_end() -> None:
    finished = threading.Event()

    def step() -> bool:
        threads.stop()
        finished.set()
        return True

    threads = WorkThreads({"one": work(step)}, process="test")
    threads.run(beat=never, changed=never)
    threads.stop()
    assert finished.is_set()
