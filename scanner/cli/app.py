"""The commands, put together."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import typer
from rich.console import Console

from scanner.cli.options import Context
from scanner.cli.replay import replay_command
from scanner.cli.scan import scan_command
from scanner.config import Settings
from scanner.errors import ScannerError
from scanner.runner import Runner

__all__ = ["RunnerFactory", "run"]

RunnerFactory = Callable[[Settings, int], AbstractContextManager[Runner]]
"""A runner of so many workers; ``workers`` supplies the one on Ray."""

INTERRUPTED = 130


def run(argv: Sequence[str] | None = None, *, runner_factory: RunnerFactory | None = None) -> int:
    """One command; its exit status. What the user can mend is told in one line, without a traceback."""
    app = _app()
    try:
        status = app(args=None if argv is None else list(argv), standalone_mode=False, obj=Context(runner_factory=runner_factory))
    except typer.Exit as why:
        return int(why.exit_code)
    except ScannerError as why:
        Console(stderr=True, highlight=False).print(f"streamwarden: {why}", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as why:
        return _usage(why)
    return status if isinstance(status, int) else 0


def _app() -> typer.Typer:
    app = typer.Typer(
        name="streamwarden",
        help="Scan live video for violent and illegal content.\n\nExit status: 0 nothing found, 1 some path failed, 2 wrong usage, 3 something flagged.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command("scan")(scan_command)
    app.command("replay")(replay_command)
    return app


def _usage(why: Exception) -> int:
    """Typer's own complaints, as it shows them; anything else is a fault of ours and is raised."""
    show = getattr(why, "show", None)
    if show is None:
        raise why
    show()
    return int(getattr(why, "exit_code", 2))
