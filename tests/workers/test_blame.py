"""Deaths of workers: who is to blame, and that chance quarantines nothing."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import pytest

from scanner.errors import QuarantinedError
from scanner.stream.inputs import Job, SegmentTurn
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import Segment, SegmentKey, StreamId
from workers.blame import LONE_DEATHS, MOST_DEATHS, Outcomes, chance, is_to_blame
from workers.dispatch import Bounds, Dispatch, Lease

NOTHING = Outcomes()
CALM = Outcomes(survived=20_000, died=0)


def test_one_death_blames_no_job() -> None:
    assert not is_to_blame(1, CALM, CALM, is_lone=False)


def test_two_deaths_alone_blame_a_job_while_all_others_live() -> None:
    assert is_to_blame(2, Outcomes(survived=8), CALM, is_lone=False)


def test_deaths_while_others_die_too_need_more_evidence() -> None:
    others = Outcomes(survived=400, died=20)

    found = next(n for n in range(1, 99) if is_to_blame(n, others, CALM, is_lone=False))

    assert chance(found, others) < 1e-8 <= chance(found - 1, others)
    assert 5 < found < 10


def test_a_job_that_cannot_be_compared_with_others_is_blamed_after_a_few_deaths() -> None:
    assert not is_to_blame(LONE_DEATHS - 1, NOTHING, NOTHING, is_lone=True)
    assert is_to_blame(LONE_DEATHS, NOTHING, NOTHING, is_lone=True)


def test_a_lone_job_is_compared_with_the_run_before_it() -> None:
    stormy = Outcomes(survived=500, died=250)

    assert not is_to_blame(LONE_DEATHS, NOTHING, stormy, is_lone=True)
    assert is_to_blame(MOST_DEATHS, NOTHING, stormy, is_lone=True)


@dataclass
class SimulatedRun:
    """Jobs over workers that die at random, and at every attempt of a poisoned job."""

    jobs: int
    workers: int
    rate: float
    """Probability that a worker dies with one job."""
    poisoned: Collection[int] = ()
    seed: int = 0
    deaths: Counter[str] = field(default_factory=Counter)
    quarantined: list[str] = field(default_factory=list)
    scored: list[str] = field(default_factory=list)

    def run(self) -> None:
        chances = random.Random(self.seed)
        dispatch = Dispatch(Bounds(workers=self.workers), self._quarantine)
        turns = [_job(f"s{number % 40}", number) for number in range(self.jobs)]
        offered, busy = 0, dict[int, tuple[Lease, list[SegmentTurn]]]()
        states: dict[StreamId, StreamState] = {}
        while offered < self.jobs or not dispatch.is_idle():
            while offered < self.jobs and dispatch.admits(turns[offered]):
                dispatch.offer(turns[offered])
                offered += 1
            for worker in range(self.workers):
                if worker not in busy and (lease := dispatch.take(str(worker), now=0)):
                    work = [turn for share in lease.work for turn in share.turns]
                    busy[worker] = (lease, [one for one in work if isinstance(one, SegmentTurn)])
                    states |= {share.state.stream_id: share.state for share in lease.work}
            worker = chances.choice(list(busy))
            lease, left = busy[worker]
            turn = left[0]
            if self._dies(turn, chances):
                self.deaths[turn.job.name] += 1
                del busy[worker]
                dispatch.lose(lease, "killed")
            else:
                progress = _progress(states[turn.stream_id])
                states[turn.stream_id] = progress.state
                self.scored.append(left.pop(0).job.name)
                dispatch.receive(lease, [progress])
                if not left:
                    del busy[worker]
            list(dispatch.take_ready())

    def _dies(self, turn: SegmentTurn, chances: random.Random) -> bool:
        return turn.job.segment.key.sequence in self.poisoned or chances.random() < self.rate

    def _quarantine(
        self, state: StreamState, turn: SegmentTurn, error: QuarantinedError
    ) -> StreamProgress:
        self.quarantined.append(turn.job.name)
        return _progress(state)


def _job(stream: str, sequence: int) -> SegmentTurn:
    key = SegmentKey(stream_id=StreamId(stream), sequence=sequence)
    segment = Segment(key=key, source=b"x")
    return SegmentTurn(job=Job(segment=segment, name=f"{stream}-{sequence}", windowed=False))


def _progress(state: StreamState) -> StreamProgress:
    return StreamProgress(state=replace(state, turn=state.turn + 1), events=())


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("workers.dispatch").setLevel(logging.ERROR)


@pytest.mark.parametrize("jobs", [20_000, pytest.param(145_400, marks=pytest.mark.slow)])
def test_workers_that_die_at_random_lose_no_job_and_quarantine_none(jobs: int) -> None:
    run = SimulatedRun(jobs=jobs, workers=4, rate=0.05)

    run.run()

    assert run.quarantined == []
    assert len(run.scored) == len(set(run.scored)) == jobs
    assert sum(run.deaths.values()) > jobs / 20


@pytest.mark.parametrize("workers", [1, 16])
@pytest.mark.parametrize("rate", [0.002, 0.2])
def test_no_rate_of_random_deaths_quarantines_a_job(workers: int, rate: float) -> None:
    run = SimulatedRun(jobs=2_000, workers=workers, rate=rate, seed=workers)

    run.run()

    assert run.quarantined == []
    assert len(set(run.scored)) == 2_000


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(("rate", "most"), [(0.0, 8), (0.05, 14)])
def test_a_poisoned_job_is_found_quickly_and_no_other_with_it(
    workers: int, rate: float, most: int
) -> None:
    run = SimulatedRun(jobs=3_000, workers=workers, rate=rate, poisoned={3, 1700, 2999})

    run.run()

    assert sorted(run.quarantined) == ["s20-1700", "s3-3", "s39-2999"]
    assert len(run.scored) == 2_997
    assert max(run.deaths[name] for name in run.quarantined) <= most


def test_jobs_that_are_all_poisoned_are_all_found() -> None:
    run = SimulatedRun(jobs=8, workers=2, rate=0, poisoned=range(8))

    run.run()

    assert len(run.quarantined) == 8
