"""The console script: the command line, with the runner on Ray for ``scan --workers``."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanner.bench.fleet import FleetPlan
    from scanner.bench.shape import ServiceShape
    from scanner.compose import Program
    from scanner.stream.inputs import Runner

__all__ = ["main"]


def main() -> None:
    """Run the command line with workers on Ray."""
    # Until the command handles it, Ctrl-C ends the program without a traceback
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # NumPy would start a thread for each core when it is imported, in worker processes too
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from scanner.cli.app import run

    sys.exit(run(runner_factory=_open_on_ray, simulator=_simulate))


def _simulate(shape: ServiceShape, plan: FleetPlan) -> dict[str, Any]:
    from workers.plan_check import check_plan

    return check_plan(shape, plan)


def _open_on_ray(program: Program, workers: int) -> AbstractContextManager[Runner]:
    """Open a runner on Ray; its modules are loaded only then."""
    from workers.runner import on_ray

    return on_ray(program, workers)


if __name__ == "__main__":
    main()
