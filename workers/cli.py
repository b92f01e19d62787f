"""The console script: the command line, and the runner on Ray that ``scan --workers`` asks for."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn

from scanner.cli import run
from scanner.config import Settings
from scanner.runner import Runner, configured_scorers, open_worker
from workers.actors import Plan, ray_runner
from workers.decode import Recipe

__all__ = ["main", "on_ray"]


def main() -> None:
    """``streamwarden``. A stop from outside ends like Ctrl-C does: blocks are left, and nothing stays behind."""
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(run(runner_factory=on_ray))


def _leave(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


@contextmanager
def on_ray(settings: Settings, workers: int) -> Iterator[Runner]:
    """Where a CPU scores, every worker does all; where a GPU does, workers decode and one actor scores for all of them."""
    recipe = Recipe(scorers=partial(configured_scorers, settings), worker=partial(open_worker, settings))
    on_gpu = settings.models.provider != "cpu"
    plan = Plan(workers=workers, placement="gpu" if on_gpu else "cpu", gpus=int(on_gpu))
    with ray_runner(recipe, plan) as runner:
        yield runner


if __name__ == "__main__":
    main()
