"""The application that combines all commands."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from scanner.cli.bench import bench_app
from scanner.cli.deliveries import deliveries_app
from scanner.cli.doctor import doctor_command
from scanner.cli.evaluate import eval_command
from scanner.cli.interruption import Interruption
from scanner.cli.keys import keys_app
from scanner.cli.logs import set_up_logs
from scanner.cli.models import models_app
from scanner.cli.options import Context, RunnerFactory
from scanner.cli.replay import replay_command
from scanner.cli.scan import scan_command
from scanner.cli.serve import serve_command
from scanner.cli.status import Status
from scanner.cli.submit import submit_command
from scanner.cli.terminal import print_message
from scanner.errors import ScannerError, SetupError
from scanner.settings.sections import unknown_variables

__all__ = ["RunnerFactory", "run"]

HELP = """Scan live video for violent and illegal content.

Exit status: 0 nothing found, 1 some path failed, 2 wrong usage or set-up, 3 something flagged.
"""


def run(argv: Sequence[str] | None = None, *, runner_factory: RunnerFactory | None = None) -> int:
    """Run one command and return its exit status.

    An error that the user can fix is one line without a traceback. Signals end the command with
    the status of ``Interrupted``.
    """
    try:
        _escape_output()
        with Interruption() as interruption:
            _app()(
                args=None if argv is None else list(argv),
                obj=Context(runner_factory=runner_factory, interruption=interruption),
            )
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # as typer ends a command then
            return Status.PIPE_CLOSED
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except ScannerError as error:
        return _print_error(str(error))
    except BrokenPipeError:
        _discard_output()
        return Status.PIPE_CLOSED
    except OSError as error:
        _discard_output()
        subject = "standard output" if error.filename is None else str(error.filename)
        return _print_error(f"{subject}: {error.strerror or error}")
    return Status.NOTHING


def _escape_output() -> None:
    """Write characters that the output's encoding lacks as escapes, so that output never fails.

    Raises:
        SetupError: standard output is closed.
    """
    if sys.stdout is None:
        raise SetupError("standard output is closed; redirect it")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Redirect stdout to the null device, because flushing its buffer at exit would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(message: str) -> int:
    print_message(f"streamwarden: {message}")
    return Status.WRONG


def _app() -> typer.Typer:
    app = typer.Typer(
        name="streamwarden",
        help=HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common_options)
    app.command("scan")(scan_command)
    app.command("replay")(replay_command)
    app.command("eval")(eval_command)
    app.add_typer(models_app, name="models")
    app.add_typer(bench_app, name="bench")
    app.command("serve")(serve_command)
    app.command("submit")(submit_command)
    app.add_typer(keys_app, name="keys")
    app.add_typer(deliveries_app, name="deliveries")
    app.command("doctor")(doctor_command)
    return app


def _common_options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
    verbose: Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, help="Log information; twice: everything."),
    ] = 0,
) -> None:
    set_up_logs(verbose)
    for message in unknown_variables():
        print_message(f"streamwarden: {message}")


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"streamwarden {version('streamwarden')}\n")
        raise typer.Exit
