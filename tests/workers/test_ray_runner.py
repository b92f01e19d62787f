"""The same work on real Ray actors, with deaths of actors."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from scanner.errors import SetupError
from scanner.scoring.scorer import Scorer
from scanner.stream.events import SegmentFailed, SegmentScored
from scanner.stream.inputs import Runner, Turn
from tests.workers.pool_fakes import AWAY, by_stream, end, ended, run_locally, scripted
from workers.actors import Placement, PoolPlan, open_pool
from workers.batching import Batching

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


PoolOn = Callable[[Placement], Runner]
PLANS: dict[Placement, PoolPlan] = {
    "cpu": PoolPlan(workers=2),
    "gpu": PoolPlan(workers=2, placement="gpu", batching=Batching(size=8, wait=0.002)),
}


@pytest.fixture(scope="module")
def pool_on(ray_cluster: None) -> Iterator[PoolOn]:
    """Return a function that returns one pool for each placement, started at its first use."""
    with ExitStack() as pools:
        yield cache(lambda placement: pools.enter_context(open_pool(AWAY, PLANS[placement])))


@pytest.mark.parametrize("placement", ["cpu", "gpu"])
def test_actors_give_the_events_of_one_process(
    placement: Placement, pool_on: PoolOn, tmp_path: Path
) -> None:
    def turns(folder: str) -> list[Turn]:
        (tmp_path / folder).mkdir()
        marks = tmp_path / folder
        return ended(
            scripted(
                f"s{n % 5}",
                10 * n,
                windows=1 + n % 3,
                bright=n % 2 == 0,
                child_dies=[n % 4],
                damaged_at=n % 7,
                marks=marks,
            )
            for n in range(40)
        )

    progress = list(pool_on(placement).run(turns("actors")))

    assert by_stream(progress) == run_locally(turns("alone"))


@pytest.mark.parametrize("placement", ["cpu", "gpu"])
def test_a_killed_worker_costs_a_retry_and_changes_nothing(
    placement: Placement, pool_on: PoolOn, tmp_path: Path
) -> None:
    turns = ended(
        scripted(
            f"s{n % 4}",
            10 * n,
            windows=3,
            worker_dies=[n % 3] if n % 5 == 0 else [],
            marks=tmp_path,
        )
        for n in range(10)
    )
    calm = ended(scripted(f"s{n % 4}", 10 * n, windows=3) for n in range(10))

    progress = list(pool_on(placement).run(turns))

    assert len(list(tmp_path.iterdir())) == 2
    assert by_stream(progress) == run_locally(calm)


def test_a_segment_that_kills_every_worker_is_quarantined_and_its_stream_continues(
    pool_on: PoolOn, tmp_path: Path
) -> None:
    turns = [
        scripted("s", n, worker_dies=[0] if n == 1 else [], times=99, marks=tmp_path)
        for n in range(4)
    ]

    progress = list(pool_on("cpu").run([*turns, end()]))

    events = [event for one in progress for event in one.events]
    failed = [event for event in events if isinstance(event, SegmentFailed)]
    scored = [event for event in events if isinstance(event, SegmentScored)]
    assert [(one.key.sequence, one.quarantined) for one in failed] == [(1, True)]
    assert [one.segment.key.sequence for one in scored] == [0, 2, 3]
    assert progress[-1].state.ended


def test_a_killed_inference_actor_costs_a_retry_and_changes_nothing(
    pool_on: PoolOn, ray_pids: Callable[[str], list[int]]
) -> None:
    turns = ended(scripted(f"s{n}", windows=3) for n in range(30))
    results = pool_on("gpu").run(turns)

    progress = [next(results)]
    (inference,) = ray_pids("_RemoteInference")
    os.kill(inference, signal.SIGKILL)
    progress += results
    after = ray_pids("_RemoteInference")

    assert by_stream(progress) == run_locally(turns)
    assert inference not in after


def no_scorers() -> Sequence[Scorer]:
    raise SetupError("no such model: gun; there are none")


@pytest.mark.parametrize("placement", ["cpu", "gpu"])
def test_models_that_do_not_load_end_the_run_with_their_error(placement: Placement) -> None:
    parts = replace(AWAY, load_scorers=no_scorers)

    with (
        open_pool(parts, replace(PLANS[placement], workers=1)) as runner,
        pytest.raises(SetupError, match="no such model: gun; there are none"),
    ):
        list(runner.run([scripted()]))


def test_a_runner_runs_again_after_a_run_that_was_left_early(pool_on: PoolOn) -> None:
    left = pool_on("cpu").run(scripted(f"s{n}") for n in range(1000))
    next(left)
    left.close()  # type: ignore[attr-defined] # a generator

    progress = list(pool_on("cpu").run([scripted()]))

    assert by_stream(progress) == run_locally([scripted()])
