"""The plain actors made remote: the only module that calls actors of Ray.

``ray`` is imported inside functions, for the reason that ``cluster`` gives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from scanner.compose import WorkerParts
from scanner.errors import QuarantinedError, ScannerError, TransientError
from scanner.media.samples import Sample
from scanner.pipeline.worker import quarantine
from scanner.scoring.scorer import Scorer
from scanner.stream.inputs import SegmentTurn, Turn
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import HeldBytes, Scores, Segment, Source
from workers.batching import Batching
from workers.cluster import ClusterSettings, cluster
from workers.decode import DecodeActor
from workers.dispatch import Bounds, Quarantine, StreamWork
from workers.heartbeat import ClusterWatch
from workers.inference import InferenceActor, ScorerFacts, remote_scorers
from workers.pool import PoolRunner, WorkerDiedError

__all__ = ["Placement", "PoolPlan", "fold_quarantined", "open_pool", "ray_runner"]

Placement = Literal["cpu", "gpu"]
"""``cpu``: each actor decodes and scores. ``gpu``: decode actors send small arrays to one inference
actor."""

Handle = Any
"""Handle of a Ray actor, whose methods are known only at run time."""

REPORTS_AHEAD = 4
"""Reports that a worker may send before the first of them is read; then it pauses."""
SCORE_RETRIES = 2
"""Times that a batch is sent again if the inference actor died with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """Number and placement of the workers."""

    workers: int
    placement: Placement = "cpu"
    gpus: int = 0
    """GPUs of the inference actor; with 0 it scores on the CPU, which is for tests."""
    batching: Batching = field(default_factory=Batching)
    address: str | None = None
    """Address of an existing Ray cluster; None starts one on this machine."""


@contextmanager
def ray_runner(parts: WorkerParts, plan: PoolPlan) -> Iterator[PoolRunner]:
    """Open Ray, and a runner whose workers are Ray actors.

    Raises:
        SetupError: Ray does not start or the models do not load.
    """
    settings = ClusterSettings(cpus=plan.workers, gpus=plan.gpus, address=plan.address)
    with cluster(settings) as watch, open_pool(parts, plan, watch) as runner:
        yield runner


@contextmanager
def open_pool(
    parts: WorkerParts, plan: PoolPlan, watch: ClusterWatch | None = None
) -> Iterator[PoolRunner]:
    """Open a runner whose workers are Ray actors; this process must be connected to Ray. Runs end
    with an error when ``watch`` tells that Ray has failed."""
    inference = None if plan.placement == "cpu" else _start_inference(parts, plan)
    workers = [
        _RayWorker(f"decode-{number}", partial(_start_decode, parts, inference), watch)
        for number in range(plan.workers)
    ]

    try:
        bounds = Bounds(workers=plan.workers)
        yield PoolRunner(workers, bounds, fold_quarantined(parts), watch=watch)
    finally:
        for worker in workers:
            worker.end()
        if inference is not None and not _has_failed(watch):
            _kill(inference)


def fold_quarantined(parts: WorkerParts) -> Quarantine:
    """Return the function that folds a segment that ended its workers as failed."""

    def fold(state: StreamState, turn: SegmentTurn, error: QuarantinedError) -> StreamProgress:
        return quarantine(state, turn, error, parts.policies, generation=parts.generation)

    return fold


class _RayWorker:
    """A decode actor, started at its first work and again after a death."""

    def __init__(self, name: str, start: Callable[[], Handle], watch: ClusterWatch | None) -> None:
        self._name = name
        self._start = start
        self._watch = watch
        self._actor: Handle | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    def work(self, work: Sequence[StreamWork]) -> Iterator[Sequence[StreamProgress]]:
        import ray

        actor = self._running_actor()
        streaming = actor.work.options(
            num_returns="streaming", _generator_backpressure_num_objects=REPORTS_AHEAD
        )
        reports = streaming.remote([_with_absolute_paths(share) for share in work])
        try:
            for report in reports:
                yield ray.get(report)
        except ray.exceptions.RayTaskError as error:
            raise _cause_of(error) from error
        except (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError) as error:
            self.end()
            raise WorkerDiedError(f"{self._name} ended") from error

    def end(self) -> None:
        with self._lock:
            actor, self._actor = self._actor, None
        if actor is not None and not _has_failed(self._watch):
            _kill(actor)

    def _running_actor(self) -> Handle:
        with self._lock:
            if self._actor is None:
                self._actor = self._start()
            return self._actor


class _RemoteDecode:
    """A decode actor in its own process.

    The actor is built at the first call, because Ray does not return what a constructor raises.
    """

    def __init__(self, parts: WorkerParts, inference: Handle | None) -> None:
        self._parts = parts
        self._inference = inference
        self._actor: DecodeActor | None = None

    def work(self, work: Sequence[StreamWork]) -> Iterator[list[StreamProgress]]:
        if self._actor is None:
            remote = None if self._inference is None else self._remote_scorers
            self._actor = DecodeActor(self._parts, remote)
        yield from self._actor.work(work)

    def _remote_scorers(self) -> Sequence[Scorer]:
        """Return the scorers of the inference actor, once it has loaded them."""
        import ray

        inference: Any = self._inference
        facts: Sequence[ScorerFacts] = ray.get(inference.facts.remote())
        return remote_scorers(facts, partial(_score_remotely, inference))


def _score_remotely(inference: Handle, index: int, batch: Sequence[Sample]) -> list[Scores]:
    """Return the scores of the inference actor's scorer at ``index``."""
    import ray

    try:
        scores: list[Scores] = ray.get(inference.score.remote(index, batch))
    except ray.exceptions.RayTaskError:
        # It is an instance of its cause's class too, and must not be taken for a death below.
        raise
    except ray.exceptions.RayActorError as error:
        raise TransientError(f"the inference actor ended {SCORE_RETRIES + 1} times") from error
    return scores


class _RemoteInference:
    """An inference actor in its own process. Ray restarts it after a death, and it loads its models
    again."""

    def __init__(self, parts: WorkerParts, batching: Batching) -> None:
        self._parts = parts
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
                self._actor = InferenceActor(self._parts.load_scorers(), self._batching)
            return self._actor


def _with_absolute_paths(share: StreamWork) -> StreamWork:
    """Return the work with absolute paths, which are valid in another working directory."""
    return replace(share, turns=tuple(_absolute_turn(turn) for turn in share.turns))


def _absolute_turn(turn: Turn) -> Turn:
    if not isinstance(turn, SegmentTurn):
        return turn
    job = turn.job
    previous = tuple(_absolute_segment(segment) for segment in job.previous)
    absolute = replace(job, segment=_absolute_segment(job.segment), previous=previous)
    return replace(turn, job=absolute)


def _absolute_segment(segment: Segment) -> Segment:
    if isinstance(segment.source, HeldBytes) and not isinstance(segment.init, Path):
        return segment  # the same object, so that it travels once in a lease
    init = None if segment.init is None else _absolute(segment.init)
    return replace(segment, source=_absolute(segment.source), init=init)


def _absolute(source: Source) -> Source:
    return source.absolute() if isinstance(source, Path) else source


def _start_decode(parts: WorkerParts, inference: Handle | None) -> Handle:
    import ray

    return ray.remote(_RemoteDecode).options(num_cpus=1, max_restarts=0).remote(parts, inference)


def _start_inference(parts: WorkerParts, plan: PoolPlan) -> Handle:
    import ray

    remote = ray.remote(_RemoteInference).options(
        num_cpus=0,
        num_gpus=plan.gpus,
        max_restarts=-1,
        max_task_retries=SCORE_RETRIES,
        max_concurrency=plan.workers + 1,
    )
    return remote.remote(parts, plan.batching)


def _has_failed(watch: ClusterWatch | None) -> bool:
    """Return whether Ray has failed: then it answers no call any more, and its processes are ended
    without it."""
    return watch is not None and watch.failure is not None


def _kill(actor: Handle) -> None:
    import ray

    with suppress(Exception):  # the actor may have ended, and Ray too
        ray.kill(actor)


def _cause_of(error: Any) -> BaseException:
    """Return the exception that the code in the actor raised; a transient one as the death of the
    worker, so that the work is tried again."""
    cause: BaseException = error.cause
    if isinstance(cause, ScannerError) and cause.retryable:
        return WorkerDiedError(str(cause))
    return cause
