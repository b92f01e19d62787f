"""The same work on real Ray actors, and what their deaths cost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from scanner.errors import QuarantinedError, SetupError
from scanner.runner import Failed, Finished, Job, LocalRunner, Outcome, Runner
from scanner.scoring.scorer import Scorer
from tests.workers.crew_fakes import AWAY, HERE, mean_scorers, scripted
from workers.actors import Placement, Plan, crew
from workers.batching import Batching
from workers.decode import Recipe

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


CrewOn = Callable[[Placement], Runner]
PLANS: dict[Placement, Plan] = {
    "cpu": Plan(workers=2),
    "gpu": Plan(workers=2, placement="gpu", batching=Batching(size=8, wait=0.002)),
}


@pytest.fixture(scope="module")
def crew_on(ray_cluster: None) -> Iterator[CrewOn]:
    """A crew for each placement, started when it is first asked for and used by all tests here."""
    with ExitStack() as crews:
        yield cache(lambda placement: crews.enter_context(crew(AWAY, PLANS[placement])))


def alone(jobs: list[Job]) -> list[str]:
    with HERE.worker(mean_scorers()) as worker:
        return by_stream(list(LocalRunner(worker).run(jobs)))


def by_stream(outcomes: list[Outcome]) -> list[str]:
    return [
        repr(outcome) for outcome in sorted(outcomes, key=lambda outcome: outcome.key.stream_id)
    ]


@pytest.mark.parametrize("placement", ["cpu", "gpu"])
def test_actors_say_what_one_process_says_to_the_bit(
    placement: Placement, crew_on: CrewOn, tmp_path: Path
) -> None:
    def jobs(folder: str) -> list[Job]:
        (tmp_path / folder).mkdir()
        marks = tmp_path / folder
        return [
            scripted(
                f"s{n % 5}",
                10 * n,
                windows=1 + n % 3,
                child_dies=[n % 4],
                damaged_at=n % 7,
                marks=marks,
            )
            for n in range(40)
        ]

    outcomes = list(crew_on(placement).run(jobs("actors")))

    assert by_stream(outcomes) == alone(jobs("alone"))


@pytest.mark.parametrize("placement", ["cpu", "gpu"])
def test_a_killed_worker_costs_a_retry_and_changes_nothing(
    placement: Placement, crew_on: CrewOn, tmp_path: Path
) -> None:
    jobs = [
        scripted(
            f"s{n % 4}",
            10 * n,
            windows=3,
            worker_dies=[n % 3] if n % 5 == 0 else [],
            marks=tmp_path,
        )
        for n in range(10)
    ]
    calm = [scripted(f"s{n % 4}", 10 * n, windows=3) for n in range(10)]

    outcomes = list(crew_on(placement).run(jobs))

    assert len(list(tmp_path.iterdir())) == 2
    assert by_stream(outcomes) == alone(calm)


def test_a_segment_that_kills_every_worker_is_set_aside_and_its_stream_goes_on(
    crew_on: CrewOn, tmp_path: Path
) -> None:
    jobs = [
        scripted("s", n, worker_dies=[0] if n == 1 else [], times=99, marks=tmp_path)
        for n in range(4)
    ]

    outcomes = list(crew_on("cpu").run(jobs))

    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert [(one.key.sequence, type(one.error)) for one in failed] == [(1, QuarantinedError)]
    assert [outcome.key.sequence for outcome in outcomes if isinstance(outcome, Finished)] == [
        0,
        1,
        2,
        3,
    ]


def test_a_killed_inference_actor_costs_a_retry_and_changes_nothing(
    crew_on: CrewOn, ray_pids: Callable[[str], list[int]]
) -> None:
    jobs = [scripted(f"s{n}", windows=3) for n in range(30)]
    outcomes = crew_on("gpu").run(jobs)

    said = [next(outcomes)]
    (inference,) = ray_pids("_Inference")
    os.kill(inference, signal.SIGKILL)
    said += outcomes
    after = ray_pids("_Inference")

    assert by_stream(said) == alone(jobs)
    assert inference not in after


def no_scorers() -> list[Scorer]:
    raise SetupError("no such model: gun; there are none")


@pytest.mark.parametrize("placement", ["cpu", "gpu"])
def test_models_that_do_not_load_end_the_run_with_their_own_words(placement: Placement) -> None:
    recipe = Recipe(scorers=no_scorers, worker=AWAY.worker)

    with (
        crew(recipe, replace(PLANS[placement], workers=1)) as runner,
        pytest.raises(SetupError, match="no such model: gun; there are none"),
    ):
        list(runner.run([scripted()]))


def test_a_runner_runs_again_after_a_run_that_was_left_early(crew_on: CrewOn) -> None:
    left = crew_on("cpu").run(scripted(f"s{n}") for n in range(1000))
    next(left)
    left.close()  # type: ignore[attr-defined]

    outcomes = list(crew_on("cpu").run([scripted()]))

    assert by_stream(outcomes) == alone([scripted()])
