"""The console script: the command line, with the runner on Ray for ``scan --workers``."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line with workers on Ray."""
    # Until the command handles it, Ctrl-C ends the program without a traceback
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from scanner.cli.app import run
    from workers.runner import on_ray

    sys.exit(run(runner_factory=on_ray))


if __name__ == "__main__":
    main()
