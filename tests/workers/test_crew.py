from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from scanner.errors import QuarantinedError, SetupError
from scanner.runner import Failed, Finished, Job, LocalRunner, Outcome
from tests.workers.crew_fakes import HERE, FakeHand, mean_scorers, scripted
from workers.crew import CrewRunner, HandDiedError
from workers.dispatch import Bounds, News
from workers.leases import Work


def by_stream(outcomes: Sequence[Outcome]) -> list[str]:
    """To the bit, errors and all. The streams mix; within a stream order is kept."""
    return [
        repr(outcome) for outcome in sorted(outcomes, key=lambda outcome: outcome.key.stream_id)
    ]


def alone(jobs: Sequence[Job]) -> list[Outcome]:
    """What the single process says."""
    with HERE.worker(mean_scorers()) as worker:
        return list(LocalRunner(worker).run(jobs))


def crew_of(hands: int, **bounds: float) -> CrewRunner:
    return CrewRunner(
        [FakeHand(f"hand-{n}") for n in range(hands)], Bounds(workers=hands, **bounds)
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("hands", [1, 3])
def test_many_hands_say_what_one_process_says(hands: int, tmp_path: Path) -> None:
    jobs = [
        scripted(f"s{n % 5}", 10 * n, windows=1 + n % 3, damaged_at=n % 7, marks=tmp_path)
        for n in range(40)
    ]

    outcomes = list(crew_of(hands).run(jobs))

    assert by_stream(outcomes) == by_stream(alone(jobs))


def test_dead_workers_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "crew").mkdir()
    jobs = [
        scripted(
            f"s{n % 4}", 10 * n, windows=1 + n % 3, worker_dies=[n % 3], marks=tmp_path / "crew"
        )
        for n in range(20)
    ]
    calm = [scripted(f"s{n % 4}", 10 * n, windows=1 + n % 3) for n in range(20)]

    outcomes = list(crew_of(2, deaths_in_a_row=99).run(jobs))

    assert list((tmp_path / "crew").iterdir())
    assert by_stream(outcomes) == by_stream(alone(calm))


def test_a_segment_that_kills_its_worker_again_and_again_is_set_aside_and_its_stream_goes_on(
    tmp_path: Path,
) -> None:
    jobs = [
        scripted("s", n, worker_dies=[0] if n == 3 else [], times=99, marks=tmp_path)
        for n in range(8)
    ]

    outcomes = list(crew_of(2).run(jobs))

    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert [(one.key.sequence, type(one.error)) for one in failed] == [(3, QuarantinedError)]
    assert [outcome.key.sequence for outcome in outcomes if isinstance(outcome, Finished)] == [
        *range(8)
    ]


def test_jobs_are_pulled_only_as_there_is_room() -> None:
    pulled: list[int] = []

    def endless() -> Iterator[Job]:
        for number in count():
            pulled.append(number)
            yield scripted("s", number)

    runner = crew_of(2, lease_size=2, leases_ahead=1, outcomes_ready=1)
    outcomes = runner.run(endless())
    for _ in range(10):
        next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]

    assert len(pulled) < 40


def test_a_live_job_is_scored_before_the_next_one_comes() -> None:
    seen = threading.Event()

    def live() -> Iterator[Job]:
        yield scripted("s", 0)
        assert seen.wait(30)
        yield scripted("s", 1)

    outcomes = crew_of(2).run(live())
    first = [next(outcomes), next(outcomes)]
    seen.set()
    rest = list(outcomes)

    assert [outcome.key.sequence for outcome in [*first, *rest]] == [0, 0, 1, 1]


def test_what_the_jobs_raise_is_raised_by_the_run() -> None:
    def broken() -> Iterator[Job]:
        yield scripted("s", 0)
        raise SetupError("the playlist cannot be fetched")

    with pytest.raises(SetupError, match="the playlist cannot be fetched"):
        list(crew_of(1).run(broken()))


class UnableHand(FakeHand):
    """Cannot load its models."""

    def work(self, work: Sequence[Work]) -> Iterator[Sequence[News]]:
        raise SetupError("no such model: gun")


def test_a_worker_that_cannot_work_ends_the_run_with_its_reason() -> None:
    runner = CrewRunner([UnableHand("hand")], Bounds(workers=1))

    with pytest.raises(SetupError, match="no such model: gun"):
        list(runner.run([scripted()]))


class SilentHand(FakeHand):
    """Hangs in its first call until it is ended."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._ended = threading.Event()

    def work(self, work: Sequence[Work]) -> Iterator[Sequence[News]]:
        if not self._ended.is_set():
            assert self._ended.wait(30)
            raise HandDiedError("ended")
        yield from super().work(work)

    def end(self) -> None:
        self._ended.set()


def test_a_silent_worker_is_ended_and_its_work_done_by_another() -> None:
    runner = CrewRunner([SilentHand("hand")], Bounds(workers=1, patience=0.05))

    assert list(runner.run([scripted()])) == alone([scripted()])


def test_a_run_that_is_left_early_ends_its_busy_workers_and_threads() -> None:
    hand = SilentHand("silent")
    runner = CrewRunner([hand, FakeHand("quick")], Bounds(workers=2))
    outcomes = runner.run(scripted(f"s{n}", n) for n in range(100))

    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]

    assert not [
        thread.name for thread in threading.enumerate() if thread.name.startswith("streamwarden-")
    ]


class LingeringHand(FakeHand):
    """Has said everything, and takes a moment to return."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ended = threading.Event()

    def work(self, work: Sequence[Work]) -> Iterator[Sequence[News]]:
        yield from super().work(work)
        self.ended.wait(0.1)

    def end(self) -> None:
        self.ended.set()


def test_a_run_to_its_end_ends_no_worker() -> None:
    hand = LingeringHand("hand")

    list(CrewRunner([hand], Bounds(workers=1)).run([scripted()]))

    assert not hand.ended.is_set()


def test_no_jobs_need_no_worker() -> None:
    hand = FakeHand("idle")

    assert list(CrewRunner([hand], Bounds(workers=1)).run([])) == []
    assert hand.calls == []
