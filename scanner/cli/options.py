"""Options that several commands share, and what the commands are given."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.compose import Program, RunnerFactory, local_runner
from scanner.errors import SetupError
from scanner.settings.sections import Settings, read_settings
from scanner.stream.inputs import Runner

__all__ = [
    "Config",
    "Context",
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
Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout, as when piped.")]

Workers = Annotated[
    int, typer.Option("--workers", "-w", min=0, help="Worker processes on Ray; 0: none.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the commands get from who put the program together."""

    runner_factory: RunnerFactory | None = None


def wants_json(asked: bool) -> bool:
    """JSON where it was asked for, and where no terminal reads."""
    return asked or not sys.stdout.isatty()


def open_runner(context: Context, program: Program, workers: int) -> AbstractContextManager[Runner]:
    """Open a runner in this process, or one with so many workers.

    Raises:
        SetupError: workers are asked for where none can be had.
    """
    if workers == 0:
        return local_runner(program)
    if context.runner_factory is None:
        raise SetupError("--workers needs the package workers; start the program as `streamwarden`")
    return context.runner_factory(program, workers)


def seconds(text: str) -> Fraction:
    """Exact seconds from an option.

    >>> seconds("0.5")
    Fraction(1, 2)
    """
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as why:
        raise typer.BadParameter(f"{text!r} is not a number of seconds, such as 2 or 0.5") from why


def settings_with(config: Path | None, flags: Mapping[str, Mapping[str, Any]]) -> Settings:
    """The settings of a file and the environment, with flags over them; a flag that was not given
    is None.

    Raises:
        SetupError: a value that no setting can have.
    """
    given = {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in flags.items()
    }
    return read_settings(config, given)
