"""The runner on Ray, as the settings describe it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scanner.compose import Program, worker_parts
from scanner.stream.inputs import Runner
from workers.actors import PoolPlan, ray_runner

__all__ = ["on_ray"]


@contextmanager
def on_ray(program: Program, workers: int) -> Iterator[Runner]:
    """Open Ray on this machine, and a runner with this many workers.

    On a CPU every worker decodes and scores. With a GPU the workers decode, and one actor scores
    for all of them.

    Raises:
        SetupError: Ray does not start, or the models do not load.
    """
    on_gpu = program.settings.models.provider != "cpu"
    plan = PoolPlan(workers=workers, placement="gpu" if on_gpu else "cpu", gpus=int(on_gpu))
    with ray_runner(worker_parts(program), plan) as runner:
        yield runner
