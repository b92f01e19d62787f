"""The plain actors made remote: the one place where work meets Ray.

See ``cluster`` for why ray is imported inside.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from scanner.errors import ScannerError, TransientError
from scanner.media.samples import Sample
from scanner.runner import Job, Runner
from scanner.scoring.scorer import Scorer
from scanner.types import Scores, Source
from workers.batching import Batching
from workers.cluster import ClusterSettings, cluster
from workers.crew import CrewRunner, HandDiedError
from workers.decode import DecodeActor, Recipe
from workers.dispatch import Bounds, News
from workers.inference import InferenceActor, ScorerFacts, remote_scorers
from workers.leases import Work

__all__ = ["Placement", "Plan", "crew", "ray_runner"]

Placement = Literal["cpu", "gpu"]
"""``cpu``: decode and score in one actor, nothing travels.

``gpu``: decode actors send small arrays to one inference actor.
"""

Handle = Any
"""Of a Ray actor: Ray knows its methods only as it runs."""

NEWS_AHEAD = 4
"""Messages that a worker may be ahead of us; then it pauses."""
SCORE_RETRIES = 2
"""A batch that was with an inference actor when it died is sent again so often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many workers there are, and where."""

    workers: int
    placement: Placement = "cpu"
    gpus: int = 0
    """For the inference actor; 0 lets it score on the CPU, which is for tests."""
    batching: Batching = field(default_factory=Batching)
    address: str | None = None
    """An existing Ray cluster; None starts one here."""


@contextmanager
def ray_runner(recipe: Recipe, plan: Plan) -> Iterator[Runner]:
    """A runner whose workers are Ray actors, and the Ray that they need, until the block ends.

    Raises:
        SetupError: Ray does not start or the models do not load.
    """
    with (
        cluster(ClusterSettings(cpus=plan.workers, gpus=plan.gpus, address=plan.address)),
        crew(recipe, plan) as runner,
    ):
        yield runner


@contextmanager
def crew(recipe: Recipe, plan: Plan) -> Iterator[Runner]:
    """The same where this process is connected to Ray already."""
    inference = None if plan.placement == "cpu" else _start_inference(recipe, plan)
    hands = [
        _RayHand(f"decode-{number}", partial(_start_decode, recipe, inference))
        for number in range(plan.workers)
    ]
    try:
        yield CrewRunner(hands, Bounds(workers=plan.workers))
    finally:
        for hand in hands:
            hand.end()
        if inference is not None:
            _kill(inference)


class _RayHand:
    """A decode actor, made when there is work and made anew when it died."""

    def __init__(self, name: str, start: Callable[[], Handle]) -> None:
        self._name = name
        self._start = start
        self._actor: Handle | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    def work(self, work: Sequence[Work]) -> Iterator[Sequence[News]]:
        import ray

        actor = self._living()
        streaming = actor.work.options(
            num_returns="streaming", _generator_backpressure_num_objects=NEWS_AHEAD
        )
        said = streaming.remote([replace(piece, job=_anywhere(piece.job)) for piece in work])
        try:
            for news in said:
                yield ray.get(news)
        except ray.exceptions.RayTaskError as why:
            raise _as_raised(why) from why
        except (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError) as why:
            self.end()
            raise HandDiedError(f"{self._name} ended") from why

    def end(self) -> None:
        with self._lock:
            actor, self._actor = self._actor, None
        if actor is not None:
            _kill(actor)

    def _living(self) -> Handle:
        with self._lock:
            if self._actor is None:
                self._actor = self._start()
            return self._actor


class _Decode:
    """A decode actor on its own machine.

    Opened by the first work, because what a constructor raises does not travel.
    """

    def __init__(self, recipe: Recipe, inference: Handle | None) -> None:
        self._recipe = recipe
        self._inference = inference
        self._actor: DecodeActor | None = None

    def work(self, work: Sequence[Work]) -> Iterator[list[News]]:
        if self._actor is None:
            self._actor = DecodeActor(self._recipe, self._scorers())
        yield from self._actor.work(work)

    def _scorers(self) -> Sequence[Scorer] | None:
        """Those of the inference actor; None where there is none, and ours are to be loaded here."""
        import ray

        if self._inference is None:
            return None
        facts: Sequence[ScorerFacts] = ray.get(self._inference.facts.remote())
        return remote_scorers(facts, partial(_ask, self._inference))


def _ask(inference: Handle, index: int, batch: Sequence[Sample]) -> list[Scores]:
    """What the scorer at ``index`` says, far away."""
    import ray

    try:
        answer: list[Scores] = ray.get(inference.score.remote(index, batch))
    except (
        ray.exceptions.RayTaskError
    ):  # Ray gives it its cause's class too: it must not pass for a death below
        raise
    except ray.exceptions.RayActorError as why:
        raise TransientError(f"the inference actor ended {SCORE_RETRIES + 1} times") from why
    return answer


class _Inference:
    """An inference actor on its own machine; Ray makes it again after a death, and it loads its
    models again."""

    def __init__(self, recipe: Recipe, batching: Batching) -> None:
        self._recipe = recipe
        self._batching = batching
        self._lock = threading.Lock()
        self._actor: InferenceActor | None = None

    def facts(self) -> tuple[ScorerFacts, ...]:
        return self._open().facts()

    def score(self, index: int, batch: Sequence[Sample]) -> list[Scores]:
        return self._open().score(index, batch)

    def _open(self) -> InferenceActor:
        with self._lock:
            if self._actor is None:
                self._actor = InferenceActor(self._recipe.scorers(), self._batching)
            return self._actor


def _anywhere(job: Job) -> Job:
    """With paths that mean the same in another folder."""
    source, init = job.segment.source, job.segment.init
    absolute = replace(
        job.segment, source=_absolute(source), init=None if init is None else _absolute(init)
    )
    return replace(job, segment=absolute)


def _absolute(source: Source) -> Source:
    return source if isinstance(source, bytes) else source.absolute()


def _start_decode(recipe: Recipe, inference: Handle | None) -> Handle:
    import ray

    return ray.remote(_Decode).options(num_cpus=1, max_restarts=0).remote(recipe, inference)


def _start_inference(recipe: Recipe, plan: Plan) -> Handle:
    import ray

    remote = ray.remote(_Inference).options(
        num_cpus=0,
        num_gpus=plan.gpus,
        max_restarts=-1,
        max_task_retries=SCORE_RETRIES,
        max_concurrency=plan.workers + 1,
    )
    return remote.remote(recipe, plan.batching)


def _kill(actor: Handle) -> None:
    import ray

    with suppress(Exception):  # it may be gone, and Ray with it
        ray.kill(actor)


def _as_raised(why: Any) -> BaseException:
    """What the code in the actor raised; what passes with time becomes a worker's death, and is
    tried again."""
    cause: BaseException = why.cause
    if isinstance(cause, ScannerError) and cause.retryable:
        return HandDiedError(str(cause))
    return cause
