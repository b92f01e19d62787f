from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from scanner.errors import SetupError
from scanner.stream.events import SegmentFailed, SegmentScored
from scanner.stream.inputs import Turn
from scanner.stream.state import StreamProgress
from tests.workers.pool_fakes import (
    FakeWorker,
    by_stream,
    end,
    ended,
    fold_quarantined,
    run_locally,
    scripted,
)
from workers.dispatch import Bounds, StreamWork
from workers.pool import PoolRunner, WorkerDiedError, WorkerHandle


def pool_of(*workers: WorkerHandle, **bounds: float) -> PoolRunner:
    return PoolRunner(workers, Bounds(workers=len(workers), **bounds), fold_quarantined)  # type: ignore[arg-type] # whole numbers are floats here


def fake_workers(number: int) -> list[FakeWorker]:
    return [FakeWorker(f"worker-{n}") for n in range(number)]


@pytest.mark.parametrize("workers", [1, 3])
def test_several_workers_give_the_events_of_one_process(workers: int, tmp_path: Path) -> None:
    turns = ended(
        scripted(
            f"s{n % 5}",
            10 * n,
            windows=1 + n % 3,
            bright=n % 2 == 0,
            damaged_at=n % 7,
            marks=tmp_path,
        )
        for n in range(40)
    )

    progress = pool_of(*fake_workers(workers)).run(turns)

    assert by_stream(progress) == run_locally(turns)


def test_dead_workers_change_nothing(tmp_path: Path) -> None:
    turns = ended(
        scripted(f"s{n % 4}", 10 * n, windows=1 + n % 3, worker_dies=[n % 3], marks=tmp_path)
        for n in range(20)
    )
    calm = ended(scripted(f"s{n % 4}", 10 * n, windows=1 + n % 3) for n in range(20))

    progress = pool_of(*fake_workers(2), deaths_in_a_row=99).run(turns)

    assert by_stream(progress) == run_locally(calm)
    assert list(tmp_path.iterdir())


def test_a_segment_that_kills_every_worker_is_quarantined_and_its_stream_continues(
    tmp_path: Path,
) -> None:
    turns = [
        scripted("s", n, worker_dies=[0] if n == 3 else [], times=99, marks=tmp_path)
        for n in range(8)
    ]

    progress = list(pool_of(*fake_workers(2)).run([*turns, end()]))

    events = [event for one in progress for event in one.events]
    failed = [event for event in events if isinstance(event, SegmentFailed)]
    scored = [event for event in events if isinstance(event, SegmentScored)]
    assert [(one.key.sequence, one.quarantined) for one in failed] == [(3, True)]
    assert [one.segment.key.sequence for one in scored] == [0, 1, 2, 4, 5, 6, 7]
    assert progress[-1].state.ended


def test_a_window_that_kills_every_worker_is_quarantined_and_those_before_it_are_scored(
    tmp_path: Path,
) -> None:
    film = scripted("s", 0, windows=4, worker_dies=[2], times=99, marks=tmp_path)

    progress = list(pool_of(*fake_workers(2)).run([film, end()]))

    events = [event for one in progress for event in one.events]
    scored = [event for event in events if isinstance(event, SegmentScored)]
    failed = [event for event in events if isinstance(event, SegmentFailed)]
    assert [one.segment.key.sequence for one in scored] == [0, 1]
    assert [(one.key.sequence, one.quarantined) for one in failed] == [(2, True)]


def test_turns_are_pulled_only_as_there_is_capacity() -> None:
    pulled: list[int] = []

    def endless() -> Iterator[Turn]:
        for number in count():
            pulled.append(number)
            yield scripted("s", number)

    progress = pool_of(*fake_workers(2), lease_size=2, leases_ahead=1, progress_ready=1).run(
        endless()
    )
    for _ in range(10):
        next(progress)
    progress.close()  # type: ignore[attr-defined] # a generator

    assert len(pulled) < 40


def test_a_live_turn_is_scored_before_the_next_one_comes() -> None:
    seen = threading.Event()

    def live() -> Iterator[Turn]:
        yield scripted("s", 0)
        assert seen.wait(30)
        yield scripted("s", 1)

    progress = pool_of(*fake_workers(2)).run(live())
    first = next(progress)
    seen.set()
    rest = list(progress)

    assert [one.state.turn for one in [first, *rest]] == [1, 2]


def test_an_error_of_the_turns_is_raised_by_the_run() -> None:
    def broken() -> Iterator[Turn]:
        yield scripted("s", 0)
        raise SetupError("the playlist cannot be fetched")

    with pytest.raises(SetupError, match="the playlist cannot be fetched"):
        list(pool_of(*fake_workers(1)).run(broken()))


class UnableWorker(FakeWorker):
    """Cannot load its models."""

    def work(self, work: Sequence[StreamWork]) -> Iterator[Sequence[StreamProgress]]:
        raise SetupError("no such model: gun")


def test_a_worker_that_cannot_work_ends_the_run_with_its_reason() -> None:
    with pytest.raises(SetupError, match="no such model: gun"):
        list(pool_of(UnableWorker("worker")).run([scripted()]))


class SilentWorker(FakeWorker):
    """Hangs in its first call until it is ended."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._ended = threading.Event()

    def work(self, work: Sequence[StreamWork]) -> Iterator[Sequence[StreamProgress]]:
        if not self._ended.is_set():
            assert self._ended.wait(30)
            raise WorkerDiedError("ended")
        yield from super().work(work)

    def end(self) -> None:
        self._ended.set()


def test_a_silent_worker_is_ended_and_its_work_done_again() -> None:
    progress = pool_of(SilentWorker("worker"), patience=0.05).run([scripted()])

    assert by_stream(progress) == run_locally([scripted()])


class LazyWorker(FakeWorker):
    """Returns from its first call with its work undone."""

    def work(self, work: Sequence[StreamWork]) -> Iterator[Sequence[StreamProgress]]:
        if not self.calls:
            self.calls.append(tuple(work))
            return
        yield from super().work(work)


def test_work_that_a_worker_left_undone_is_done_again() -> None:
    turns = ended(scripted(f"s{n % 2}", n) for n in range(4))

    assert by_stream(pool_of(LazyWorker("worker")).run(turns)) == run_locally(turns)


def test_a_run_that_is_left_early_ends_its_busy_workers_and_threads() -> None:
    progress = pool_of(SilentWorker("silent"), FakeWorker("quick")).run(
        scripted(f"s{n}", n) for n in range(100)
    )

    next(progress)
    progress.close()  # type: ignore[attr-defined] # a generator

    assert not [
        thread.name for thread in threading.enumerate() if thread.name.startswith("streamwarden-")
    ]


class StartingWorker(SilentWorker):
    """Starts just after it was ended for the first time."""

    ends = 0

    def end(self) -> None:
        self.ends += 1
        if self.ends > 1:
            super().end()


def test_a_worker_that_was_about_to_start_when_it_was_ended_is_ended_again() -> None:
    worker = StartingWorker("starting")
    progress = pool_of(worker, FakeWorker("quick")).run(scripted(f"s{n}", n) for n in range(100))

    next(progress)
    progress.close()  # type: ignore[attr-defined] # a generator

    assert worker.ends == 2
    assert not [
        thread.name for thread in threading.enumerate() if thread.name.startswith("streamwarden-")
    ]


class LingeringWorker(FakeWorker):
    """Takes a moment to return after its last report."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ended = threading.Event()

    def work(self, work: Sequence[StreamWork]) -> Iterator[Sequence[StreamProgress]]:
        yield from super().work(work)
        self.ended.wait(0.1)

    def end(self) -> None:
        self.ended.set()


def test_a_run_to_its_end_ends_no_worker() -> None:
    worker = LingeringWorker("worker")

    list(pool_of(worker).run([scripted()]))

    assert not worker.ended.is_set()


def test_no_turns_need_no_worker() -> None:
    worker = FakeWorker("idle")

    assert list(pool_of(worker).run([])) == []
    assert worker.calls == []
