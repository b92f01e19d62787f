"""The application that combines all commands."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Final

import typer

from scanner.cli.interruption import Interruption
from scanner.cli.logs import set_up_logs
from scanner.cli.options import Context, RunnerFactory
from scanner.cli.status import Status
from scanner.cli.terminal import print_message
from scanner.errors import ScannerError, SetupError, TransientError
from scanner.settings.sections import unknown_variables

__all__ = ["RunnerFactory", "run"]

HELP = """Scan live video for violent and illegal content.

Exit status: 0 nothing found, 1 some path failed, 2 wrong usage or set-up, 3 something flagged.
"""


COMMANDS: Final[Mapping[str, str]] = {
    "scan": "scanner.cli.scan:scan_command",
    "replay": "scanner.cli.replay:replay_command",
    "eval": "scanner.cli.evaluate:eval_command",
    "models": "scanner.cli.models:models_app",
    "bench": "scanner.cli.bench:bench_app",
    "serve": "scanner.cli.serve:serve_command",
    "submit": "scanner.cli.submit:submit_command",
    "keys": "scanner.cli.keys:keys_app",
    "deliveries": "scanner.cli.deliveries:deliveries_app",
    "backup": "scanner.cli.data_folder:backup_command",
    "restore": "scanner.cli.data_folder:restore_command",
    "migrate": "scanner.cli.data_folder:migrate_command",
    "doctor": "scanner.cli.doctor:doctor_command",
}
"""Commands by name, as ``module:function``. One command loads its own module only: all of them
together hold 60 MiB and take half a second of processor time."""


def run(argv: Sequence[str] | None = None, *, runner_factory: RunnerFactory | None = None) -> int:
    """Run one command and return its exit status.

    An error that the user can fix is one line without a traceback. Signals end the command with
    the status of ``Interrupted``.
    """
    try:
        _escape_output()
        with Interruption() as interruption:
            args = sys.argv[1:] if argv is None else list(argv)
            _app(args)(
                args=args,
                obj=Context(runner_factory=runner_factory, interruption=interruption),
            )
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # as typer ends a command then
            return Status.PIPE_CLOSED
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except ScannerError as error:
        status = _print_error(str(error))
        return Status.FAILED if isinstance(error, TransientError) else status
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


def _app(argv: Sequence[str] = ()) -> typer.Typer:
    """Return the application with the command that ``argv`` names, or with all of them."""
    app = typer.Typer(
        name="streamwarden",
        help=HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common_options)
    named = next((argument for argument in argv if not argument.startswith("-")), "")
    for name in [named] if named in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
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
