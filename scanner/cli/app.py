"""The application that combines all commands.

A start loads what it needs and no more: the help of the program loads no command, and a command
loads its own module. Modules that take long to import are imported where they are used.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scanner.cli.context import Context
from scanner.cli.interruption import Interruption
from scanner.cli.messages import print_message
from scanner.cli.status import Status
from scanner.errors import ScannerError, SetupError, TransientError

if TYPE_CHECKING:
    from scanner.bench.fleet import FleetPlan
    from scanner.bench.shape import ServiceShape
    from scanner.compose import RunnerFactory

__all__ = ["run"]

HELP = """Scan live video for violent and illegal content.

Exit status: 0 nothing found, 1 some path failed, 2 wrong usage or set-up, 3 something flagged.
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that is not loaded yet."""

    target: str
    """``module:attribute`` of its function or, with commands of its own, its Typer application."""
    summary: str
    """Its line in the help of the program; the first line of its own help."""


COMMANDS: Final[Mapping[str, Command]] = {
    "scan": Command("scanner.cli.scan:scan_command", "Scan video for incidents."),
    "replay": Command(
        "scanner.cli.replay:replay_command",
        "Fold recorded scores again, and list incidents that another policy gains, loses or moves.",
    ),
    "eval": Command(
        "scanner.cli.evaluate:eval_command",
        "Measure the models on labelled files: AUC, average precision, recall at 1, 2 and 5 % false"
        " positives, calibration.",
    ),
    "models": Command("scanner.cli.models:models_app", "List, check and add models."),
    "bench": Command(
        "scanner.cli.bench:bench_app",
        "Measure wall time and processor time of all processes on this machine.",
    ),
    "plan": Command(
        "scanner.cli.plan:plan_command",
        "Plan a service from measured costs: machines, GPUs, network, storage, cost, and what is"
        " scarce.",
    ),
    "serve": Command(
        "scanner.cli.serve:serve_command",
        "Run the live service until Ctrl-C: segments come in by HTTP, incidents go out.",
    ),
    "submit": Command(
        "scanner.cli.submit:submit_command",
        "Send files, folders of segments, or playlists to the service as streams.",
    ),
    "follow": Command(
        "scanner.cli.follow:follow_command",
        "Let the service follow a live playlist or a folder, or list what it follows.",
    ),
    "keys": Command("scanner.cli.keys:keys_app", "API keys of the live service."),
    "users": Command("scanner.cli.users:users_app", "People who use the review console."),
    "audit": Command("scanner.cli.audit:audit_app", "The log of who saw and did what."),
    "records": Command(
        "scanner.cli.records:records_app",
        "Deletion of streams on request, holds against it, and decided items as labelled rows.",
    ),
    "deliveries": Command(
        "scanner.cli.deliveries:deliveries_app",
        "Webhooks of the live service that were given up or held.",
    ),
    "config": Command("scanner.cli.config:config_app", "Check, show and reload the settings."),
    "backup": Command(
        "scanner.cli.data_folder:backup_command",
        "Copy the data folder of the live service, which may run meanwhile.",
    ),
    "restore": Command(
        "scanner.cli.data_folder:restore_command",
        "Make the data folder of the live service from a backup, once that was checked.",
    ),
    "migrate": Command(
        "scanner.cli.data_folder:migrate_command",
        "Upgrade the journal to this release while the service is stopped, as its start does too.",
    ),
    "doctor": Command(
        "scanner.cli.doctor:doctor_command", "Check this machine, and say how to fix what is wrong."
    ),
}
"""Commands by name. All of them together hold 60 MiB and take two seconds of processor time to
load."""
COMPLETION: Final = "_STREAMWARDEN_COMPLETE"
"""The variable with which a shell asks for completions: then all commands are loaded."""


def run(
    argv: Sequence[str] | None = None,
    *,
    runner_factory: RunnerFactory | None = None,
    simulator: Callable[[ServiceShape, FleetPlan], dict[str, Any]] | None = None,
) -> int:
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
                obj=Context(
                    runner_factory=runner_factory,
                    interruption=interruption,
                    simulator=simulator,
                ),
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
    """Return the application with the command that ``argv`` names.

    Without a command it has all of them: by their summaries if ``argv`` asks for help, which lists
    nothing else of them, and loaded otherwise.
    """
    app = typer.Typer(
        name="streamwarden",
        help=HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,  # importing rich takes as long as all the rest of the help
    )
    app.callback()(_common_options)
    named = next((argument for argument in argv if not argument.startswith("-")), "")
    if named in COMMANDS:
        _add_command(app, named)
        return app
    is_help = bool(argv) and COMPLETION not in os.environ
    for name, command in COMMANDS.items():
        if is_help:
            app.command(name, short_help=command.summary)(_do_nothing)
        else:
            _add_command(app, name)
    return app


def _add_command(app: typer.Typer, name: str) -> None:
    """Load the command and add it."""
    module, _, attribute = COMMANDS[name].target.partition(":")
    loaded: typer.Typer | Callable[..., None] = getattr(import_module(module), attribute)
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=name)
    else:
        app.command(name)(loaded)


def _do_nothing() -> None:
    """Stand for a command that is not loaded, because its summary is all that is shown."""


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
    from scanner.cli.logs import set_up_logs
    from scanner.settings.sections import unknown_variables

    set_up_logs(verbose)
    for message in unknown_variables():
        print_message(f"streamwarden: {message}")


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"streamwarden {version('streamwarden')}\n")
        raise typer.Exit
