"""Options that several commands share."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.cli.context import Context
from scanner.cli.messages import count_of, print_message
from scanner.compose import Program, RunnerFactory, local_runner
from scanner.errors import SetupError
from scanner.settings.sections import Settings, read_settings
from scanner.stream.inputs import Runner

__all__ = [
    "Channel",
    "Config",
    "Json",
    "RunnerFactory",
    "Workers",
    "open_runner",
    "seconds",
    "settings_with",
    "wants_json",
]

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Settings in TOML; see samples/."),
]
Channel = Annotated[
    str | None,
    typer.Option(
        "--channel", metavar="NAME", help="Use the policies that the settings have for a channel."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout, as when piped.")]

Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        "-w",
        min=0,
        help="Worker processes on Ray, which takes seconds to start; one path uses one. 0: none.",
    ),
]


def wants_json(requested: bool) -> bool:
    """Return whether to print JSON: if it was requested, or if stdout is no terminal."""
    return requested or not sys.stdout.isatty()


def open_runner(context: Context, program: Program, workers: int) -> AbstractContextManager[Runner]:
    """Open a runner in this process, or one with this many workers.

    Raises:
        SetupError: workers are requested, and the package ``workers`` is missing.
    """
    if workers == 0:
        return local_runner(program)
    if context.runner_factory is None:
        raise SetupError("--workers needs the package workers; start the program as `streamwarden`")
    return _open_workers(context.runner_factory, program, workers)


@contextmanager
def _open_workers(factory: RunnerFactory, program: Program, workers: int) -> Iterator[Runner]:
    """Open a runner with workers; say what it costs, and when it pays."""
    count, began = count_of(workers, "worker"), time.monotonic()
    print_message(f"starting Ray with {count}; this takes some seconds", style="dim")
    with factory(program, workers) as runner:
        taken = time.monotonic() - began
        print_message(
            f"Ray started in {taken:.1f} s. {_when_workers_pay(workers, taken)}", style="dim"
        )
        yield runner


def _when_workers_pay(workers: int, start_seconds: float) -> str:
    """Return a sentence on when the time that Ray takes to start is regained.

    >>> _when_workers_pay(2, 6.0)
    'A path is scanned by one worker, so 2 pay from 2 paths and about 12 s of work on.'
    """
    if workers == 1:
        return "One worker takes longer than no worker."
    seconds = start_seconds * workers / (workers - 1)
    return (
        f"A path is scanned by one worker, so {workers} pay from 2 paths and about"
        f" {seconds:.0f} s of work on."
    )


def seconds(text: str) -> Fraction:
    """Return the exact seconds of an option.

    >>> seconds("0.5")
    Fraction(1, 2)
    """
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        message = f"{text!r} is not a number of seconds, such as 2 or 0.5"
        raise typer.BadParameter(message) from error


def settings_with(config: Path | None, flags: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Return the settings of a file and the environment, overridden by flags that are not None.

    Raises:
        SetupError: a value is not valid for its setting.
    """
    overrides = {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in flags.items()
    }
    return read_settings(config, overrides)
