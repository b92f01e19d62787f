"""The console script: the command line, and the runner on Ray that ``scan --workers`` asks for."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from scanner.cli.app import run
from workers.runner import on_ray

__all__ = ["main"]


def main() -> None:
    """``streamwarden``.

    A stop from outside ends like Ctrl-C does: blocks are left, and nothing stays behind.
    """
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(run(runner_factory=on_ray))


def _leave(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
