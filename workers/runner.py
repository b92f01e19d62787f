"""The runner that the settings ask for, on Ray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from scanner.runner import Runner, configured_scorers, open_worker
from scanner.settings.sections import Settings
from workers.actors import Plan, ray_runner
from workers.decode import Recipe

__all__ = ["on_ray"]


@contextmanager
def on_ray(settings: Settings, workers: int) -> Iterator[Runner]:
    """A runner of so many workers, and the Ray on this machine that they need, until the block
    ends.

    Where a CPU scores, every worker does all; where a GPU does, workers decode and one actor scores
    for all of them.

    Raises:
        SetupError: Ray does not start, or the models do not load.
    """
    recipe = Recipe(
        scorers=partial(configured_scorers, settings), worker=partial(open_worker, settings)
    )
    on_gpu = settings.models.provider != "cpu"
    plan = Plan(workers=workers, placement="gpu" if on_gpu else "cpu", gpus=int(on_gpu))
    with ray_runner(recipe, plan) as runner:
        yield runner
