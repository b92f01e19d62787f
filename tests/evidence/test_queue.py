"""Cutting and drawing beside the scan: nothing waits for it, and it ends in its time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import pytest

from scanner.errors import DamagedError, SetupError
from scanner.evidence import queue as queue_module
from scanner.evidence.index import SourceSpan
from scanner.evidence.queue import EvidenceQueue, EvidenceTask
from scanner.sandbox.sandbox import Sandbox
from scanner.sandbox.watch import SourceBudget
from scanner.sandbox.working_memory import MOST_BESIDE, MOST_TOGETHER, WorkingMemory
from scanner.settings.sections import EvidenceSettings
from scanner.types import StreamId
from tests.evidence.build import span

PATIENCE_SECONDS = 30.0


class Notes:
    """What happened to the tasks of a test."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failed: dict[str, str] = {}

    def task(
        self,
        name: str,
        *,
        stream: str = "s",
        incident: str = "i",
        run: Callable[[SourceBudget], None] | None = None,
        data: bytes | None = None,
    ) -> EvidenceTask:
        def run_it(_: Sandbox, budget: SourceBudget) -> None:
            if run is not None:
                run(budget)
            self.done.append(name)

        def fail(reason: str | Exception) -> None:
            self.failed[name] = str(reason)

        return EvidenceTask(
            stream_id=StreamId(stream),
            incident_id=incident,
            sources=() if data is None else (source_of(data),),
            run=run_it,
            fail=fail,
        )


def source_of(data: bytes) -> SourceSpan:
    return SourceSpan(
        source=data, init=None, span=span(0, 4), first_pts=0, shift=Fraction(0), jumps=0
    )


@contextmanager
def no_sandbox() -> Iterator[Any]:
    yield None


class Gate:
    """A task that waits until the test opens it, or its budget is spent."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, budget: SourceBudget) -> None:
        self.reached.set()
        while not self.opened.wait(0.01):
            budget.check("gate")

    def wait_until_reached(self) -> None:
        assert self.reached.wait(PATIENCE_SECONDS)


def test_nothing_waits_for_a_task() -> None:
    notes, gate = Notes(), Gate()

    with EvidenceQueue(EvidenceSettings(), no_sandbox) as queue:
        queue.submit(notes.task("slow", run=gate))
        gate.wait_until_reached()
        queue.submit(notes.task("next"))
        assert notes.done == []

        gate.opened.set()
        queue.finish()

    assert notes.done == ["slow", "next"]


def test_what_is_not_done_in_time_after_the_scan_fails_with_the_setting_as_its_reason() -> None:
    notes, gate = Notes(), Gate()
    settings = EvidenceSettings(finish_seconds=0.05)

    with EvidenceQueue(settings, no_sandbox) as queue:
        queue.submit(notes.task("endless", run=gate))
        gate.wait_until_reached()
        queue.submit(notes.task("waiting"))
        queue.finish()
        queue.submit(notes.task("late"))

    assert notes.done == []
    assert list(notes.failed) == ["waiting", "endless", "late"]
    assert set(notes.failed.values()) == {
        "not made within 0.05 s after the scan (evidence.finish_seconds)"
    }


def test_a_scan_that_is_broken_off_ends_the_task_that_runs() -> None:
    notes, gate = Notes(), Gate()

    with EvidenceQueue(EvidenceSettings(), no_sandbox) as queue:
        queue.submit(notes.task("endless", run=gate))
        gate.wait_until_reached()

    assert notes.failed == {"endless": "the scan was ended"}


class Clock:
    """Time that passes only while a task runs."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def take(self, seconds: float) -> Callable[[SourceBudget], None]:
        def run(_: SourceBudget) -> None:
            self.seconds += seconds

        return run


def run_all(settings: EvidenceSettings, clock: Clock, *tasks: EvidenceTask) -> None:
    """Run tasks that are all there before the first one is taken."""
    gate = Gate()
    with EvidenceQueue(settings, no_sandbox, now=clock.now) as queue:
        queue.submit(Notes().task("first", stream="first", run=gate))
        gate.wait_until_reached()
        for task in tasks:
            queue.submit(task)
        gate.opened.set()
        queue.finish()


def test_an_incident_takes_no_more_than_its_time() -> None:
    notes, clock = Notes(), Clock()
    tasks = [notes.task(f"clip {n}", run=clock.take(40)) for n in range(4)]
    other = notes.task("other", incident="j", run=clock.take(40))

    run_all(EvidenceSettings(incident_seconds=100, stream_seconds=500), clock, *tasks, other)

    assert notes.done == ["clip 0", "clip 1", "clip 2", "other"]
    assert notes.failed == {
        "clip 3": "the time for cutting is used up (evidence.incident_seconds 100)"
    }


def test_a_stream_takes_no_more_than_its_time_and_no_other_streams() -> None:
    notes, clock = Notes(), Clock()
    tasks = [notes.task(f"clip {n}", incident=f"i{n}", run=clock.take(40)) for n in range(4)]
    other = notes.task("other", stream="t", run=clock.take(40))

    run_all(EvidenceSettings(stream_seconds=70), clock, *tasks, other)

    assert notes.done == ["clip 0", "other", "clip 1"]
    assert notes.failed == dict.fromkeys(
        ("clip 2", "clip 3"), "the time for cutting is used up (evidence.stream_seconds 70)"
    )


def test_the_stream_that_took_least_time_is_next() -> None:
    notes, clock = Notes(), Clock()
    greedy = [notes.task(f"greedy {n}", run=clock.take(10)) for n in range(3)]
    modest = [notes.task(f"modest {n}", stream="t", run=clock.take(4)) for n in range(3)]

    run_all(EvidenceSettings(), clock, *greedy, *modest)

    assert notes.done == [
        *("greedy 0", "modest 0", "modest 1", "modest 2"),
        *("greedy 1", "greedy 2"),
    ]


def test_an_error_of_a_task_ends_no_other() -> None:
    notes = Notes()

    def break_off(_: SourceBudget) -> None:
        raise DamagedError("a.ts: damaged")

    with EvidenceQueue(EvidenceSettings(), no_sandbox) as queue:
        queue.submit(notes.task("broken", run=break_off))
        queue.submit(notes.task("good"))
        queue.finish()

    assert (notes.done, notes.failed) == (["good"], {"broken": "a.ts: damaged"})


def test_a_sandbox_that_does_not_start_lets_everything_fail() -> None:
    notes = Notes()

    def broken() -> Any:
        raise SetupError("no sandbox here")

    with EvidenceQueue(EvidenceSettings(), broken) as queue:
        queue.submit(notes.task("clip"))
        queue.finish()

    assert notes.failed == {"clip": "evidence cannot be made: no sandbox here"}


def test_the_number_of_tasks_that_wait_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MOST_WAITING", 2)
    notes, gate = Notes(), Gate()

    with EvidenceQueue(EvidenceSettings(), no_sandbox) as queue:
        queue.submit(notes.task("first", run=gate))
        gate.wait_until_reached()
        queue.submit(notes.task("second"))
        queue.submit(notes.task("third"))
        gate.opened.set()
        queue.finish()

    assert notes.done == ["first", "second"]
    assert notes.failed == {"third": "cutting is behind: 2 clips and sheets wait already"}


def test_a_task_that_waits_can_be_dropped_for_its_memory() -> None:
    notes, gate = Notes(), Gate()

    with EvidenceQueue(EvidenceSettings(), no_sandbox) as queue:
        queue.submit(notes.task("first", run=gate, data=b"1"))
        gate.wait_until_reached()
        queue.submit(notes.task("second", data=b"22"))
        held = sorted(map(bytes, queue.pending_parts()))
        dropped = [queue.drop_one("no memory") for _ in range(2)]
        gate.opened.set()
        queue.finish()

    assert held == [b"1", b"22"]
    assert dropped == [True, False]
    assert (notes.done, notes.failed) == (["first"], {"second": "no memory"})


class Children:
    """Children at work whose memory a test sets."""

    def __init__(self) -> None:
        self.bytes = {1: 0, 2: 0}
        self.memory = WorkingMemory(self.bytes.__getitem__)


def test_a_task_gives_way_to_a_scan_that_needs_much_memory_and_is_done_again() -> None:
    notes, children = Notes(), Children()
    begun, grown, ended = threading.Event(), threading.Event(), threading.Event()
    tries: list[str] = []

    def cut(budget: SourceBudget) -> None:
        tries.append("cut")
        if len(tries) > 1:
            return
        with children.memory.working(2, before=0):
            begun.set()
            assert grown.wait(PATIENCE_SECONDS)
            try:
                budget.check("a")
            finally:
                ended.set()

    with (
        children.memory.working(1, before=0),
        EvidenceQueue(EvidenceSettings(), no_sandbox, memory=children.memory) as queue,
    ):
        queue.submit(notes.task("a", run=cut))
        assert begun.wait(PATIENCE_SECONDS)
        children.bytes[1] = MOST_TOGETHER + 1
        grown.set()
        queue.submit(notes.task("b", stream="other"))
        assert ended.wait(PATIENCE_SECONDS)
        waiting = dict(notes.failed), list(notes.done)
        children.bytes[1] = 0
        queue.finish()

    assert waiting == ({}, [])
    assert (sorted(notes.done), notes.failed, tries) == (["a", "b"], {}, ["cut", "cut"])


def test_a_task_that_waits_for_memory_fails_when_its_time_is_over() -> None:
    notes, children = Notes(), Children()
    children.bytes[1] = MOST_BESIDE + 1

    with (
        children.memory.working(1, before=0),
        EvidenceQueue(
            EvidenceSettings(finish_seconds=0.1), no_sandbox, memory=children.memory
        ) as queue,
    ):
        queue.submit(notes.task("a"))
        queue.finish()

    assert "not made within 0.1 s" in notes.failed["a"]
    assert notes.done == []


def test_one_child_alone_may_take_what_it_needs() -> None:
    children = Children()
    children.bytes |= {1: 10 * MOST_TOGETHER, 2: 1}

    with children.memory.working(1, before=0):
        alone = children.memory.is_crowded
        with children.memory.working(2, before=0):
            together = children.memory.is_crowded
        room = children.memory.has_room

    assert (alone, together, room, children.memory.has_room) == (False, True, False, True)


def test_a_child_that_takes_much_memory_waits_until_others_have_given_way() -> None:
    children, given = Children(), threading.Event()

    def give_way() -> None:
        with children.memory.working(2, before=0, gives_way=True):
            given.set()
            while not children.memory.is_crowded:
                continue

    with children.memory.working(1, before=0):
        other = threading.Thread(target=give_way)
        other.start()
        assert given.wait(PATIENCE_SECONDS)
        children.memory.claim(1)
        other.join()
        room = children.memory.has_room

    assert (room, children.memory.has_room) == (False, True)


def test_a_child_that_does_not_give_way_is_waited_for_only_for_a_while() -> None:
    memory = WorkingMemory(lambda pid: 0, claim_seconds=0.01)

    with memory.working(1, before=0), memory.working(2, before=0, gives_way=True):
        memory.claim(1)

        assert memory.is_crowded


def test_a_task_that_gives_way_takes_no_memory_from_others() -> None:
    memory = WorkingMemory(lambda pid: 0)

    with memory.working(1, before=0), memory.working(2, before=0, gives_way=True):
        memory.claim(2)

        assert not memory.is_crowded
