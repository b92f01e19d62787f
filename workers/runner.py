"""Runners as the settings describe them: on Ray, or in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from scanner.compose import Program, WorkerParts, worker_parts
from scanner.errors import SetupError
from scanner.stream.inputs import Runner
from scanner.stream.state import StreamProgress
from workers.actors import PoolPlan, fold_quarantined, ray_runner
from workers.decode import DecodeActor
from workers.dispatch import Bounds, StreamWork
from workers.pool import PoolRunner

__all__ = ["local_pool", "on_ray", "ray_pool"]


@contextmanager
def on_ray(program: Program, workers: int) -> Iterator[Runner]:
    """Open Ray on this machine, and a runner with this many workers.

    Raises:
        SetupError: Ray does not start, or the models do not load.
    """
    with ray_pool(program, worker_parts(program), workers) as runner:
        yield runner


@contextmanager
def ray_pool(program: Program, parts: WorkerParts, workers: int) -> Iterator[PoolRunner]:
    """Open Ray on this machine, and a pool with this many workers.

    On a CPU every worker decodes and scores. With a GPU the workers decode, and one actor scores
    for all of them.

    Raises:
        SetupError: Ray does not start, or the models do not load.
    """
    if find_spec("ray") is None:
        raise SetupError(
            f"Ray is not installed, and {workers} workers need it; install it with `pip install"
            " ray`, or work in one process with --workers 0"
        )
    on_gpu = program.settings.models.provider != "cpu"
    plan = PoolPlan(workers=workers, placement="gpu" if on_gpu else "cpu", gpus=int(on_gpu))
    with ray_runner(parts, plan) as runner:
        yield runner


@contextmanager
def local_pool(parts: WorkerParts) -> Iterator[PoolRunner]:
    """Open a pool with one worker, a thread of this process: nothing of Ray is used.

    Raises:
        SetupError: the models do not load.
    """
    actor = DecodeActor(parts)
    try:
        yield PoolRunner([_LocalWorker(actor)], Bounds(workers=1), fold_quarantined(parts))
    finally:
        actor.close()


class _LocalWorker:
    """A worker in this process; it cannot be ended while it works."""

    name = "local"

    def __init__(self, actor: DecodeActor) -> None:
        self._actor = actor

    def work(self, work: Sequence[StreamWork]) -> Iterator[Sequence[StreamProgress]]:
        return self._actor.work(work)

    def end(self) -> None:
        """Do nothing: its thread ends with the run."""
