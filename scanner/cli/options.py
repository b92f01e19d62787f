"""Options that several commands share, and the context that all commands receive."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.cli.interruption import Interruption
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
    """The context that the program passes to its commands."""

    interruption: Interruption
    """Reports signals, and defers them."""
    runner_factory: RunnerFactory | None = None
    """Opens a runner for ``--workers``; None where the package ``workers`` is missing."""


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
    return context.runner_factory(program, workers)


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
