"""The console script: the command line, with the runner on Ray for ``scan --workers``."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from scanner.cli.app import run
from workers.runner import on_ray

__all__ = ["main"]


def main() -> None:
    """Run ``streamwarden``.

    SIGTERM raises ``SystemExit``, so that all ``with`` blocks are left and child processes end.
    """
    signal.signal(signal.SIGTERM, _exit_on_signal)
    sys.exit(run(runner_factory=on_ray))


def _exit_on_signal(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
