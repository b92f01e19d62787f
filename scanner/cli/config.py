"""``streamwarden config``: check, show and reload the settings."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import BaseModel

from scanner.cli.messages import print_message
from scanner.cli.options import Config, Json, wants_json
from scanner.cli.terminal import new_table, open_console
from scanner.compose import compose, used_models
from scanner.errors import SetupError, TransientError
from scanner.settings.layers import SettingsLayers
from scanner.settings.policies import explain_policies
from scanner.settings.sections import Settings, read_layers, read_settings, settings_of
from scanner.store.database import Journal, lock_holder, open_journal
from scanner.store.writes import read_pids
from scanner.supervisor.reach import check_reach
from scanner.validation import SECRETS

__all__ = ["config_app"]

config_app = typer.Typer(
    help="Check, show and reload the settings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

RELOAD_SECONDS: Final = 120.0
"""Longest wait until all processes have the new settings."""
WAITED_FOR: Final = frozenset({"driver", "delivery"})
"""Processes whose restart is waited for; followed sources come and go."""
Location = tuple[str, ...]


@config_app.command("check")
def check_command(config: Config = None) -> None:
    """Check the settings with the models and policies that they name. Nothing is changed."""
    settings = read_settings(config)
    check_reach(settings.service.host, settings.service)
    program = compose(settings)
    models = ", ".join(f"{one.name} {one.version}" for one in program.manifests)
    print_message(f"{config or 'settings'}: valid; models {models}")


@config_app.command("show")
def show_command(
    origin: Annotated[
        bool, typer.Option("--origin", help="Tell where each value comes from.")
    ] = False,
    channel: Annotated[
        str | None,
        typer.Option(
            "--channel", metavar="NAME", help="Show the policies in force on a channel instead."
        ),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print every setting with its value, except secrets."""
    layers = read_layers(config)
    if channel is None:
        rows = [(key, value, _origin(layers, key)) for key, value in _leaves(layers)]
    else:
        rows = list(_channel_policies(layers, channel))
    if wants_json(as_json):
        for location, value, source in rows:
            row = {"type": "setting", "key": ".".join(location), "value": value, "origin": source}
            sys.stdout.write(json.dumps(row) + "\n")
        return
    table = new_table("Settings", "key", "value", *(["from"] if origin else []))
    for location, value, source in rows:
        table.add_row(".".join(location), json.dumps(value), *([source] if origin else []))
    open_console().print(table)


@config_app.command("reload")
def reload_command(config: Config = None) -> None:
    """Make the running service use the settings as they are now, after a check.

    Its processes restart one after the other: no connection is refused, and nothing that was
    acknowledged is lost. service.data, host, port and workers need a restart of the service.
    """
    check_command(config)
    data = read_settings(config).service.data
    pid = lock_holder(data)
    if pid is None:
        raise SetupError(f"{data}: no service uses this folder")
    if not _is_supervisor(pid):
        raise SetupError(f"{data}: process {pid} uses this folder, and is no service")
    with closing(open_journal(data)) as journal:
        before = {name: pid for name, pid in read_pids(journal).items() if name in WAITED_FOR}
        os.kill(pid, signal.SIGHUP)
        _wait_for_restart(journal, before)
    print_message("all processes have the new settings")


def _is_supervisor(pid: int) -> bool:
    """Return whether a process is that of ``streamwarden serve``: any other would be ended by the
    signal, such as a migration that holds the same lock."""
    try:
        return b"scanner.supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _wait_for_restart(journal: Journal, before: Mapping[str, int]) -> None:
    """Wait until each process is another one than ``before``."""
    deadline = time.monotonic() + RELOAD_SECONDS
    while any(read_pids(journal).get(name) == pid for name, pid in before.items()):
        if time.monotonic() > deadline:
            raise TransientError(
                "the service still has the earlier settings; its log says why it did not reload"
            )
        time.sleep(0.2)


def _origin(layers: SettingsLayers, location: Location) -> str:
    return layers.name_of(location) if layers.is_set(location) else "default"


def _channel_policies(layers: SettingsLayers, channel: str) -> Iterator[tuple[Location, Any, str]]:
    """Yield every value of the policies in force on a channel, and where it comes from."""
    settings = settings_of(layers)
    for one in explain_policies(settings, used_models(settings), channel=channel):
        origin = one.origin
        if not isinstance(origin, str):
            origin = f"{layers.name_of(origin)}: {'.'.join(origin)}"
        yield ("policy", one.label, one.key), one.value, origin


def _leaves(layers: SettingsLayers) -> Iterator[tuple[Location, Any]]:
    """Yield every setting with its value as JSON, in the order of the documentation."""
    settings = settings_of(layers)
    for name in Settings.model_fields:
        yield from _leaves_of((name,), getattr(settings, name))


def _leaves_of(location: Location, value: Any) -> Iterator[tuple[Location, Any]]:
    if isinstance(value, BaseModel):
        parts = {name: getattr(value, name) for name in type(value).model_fields}
    elif is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
    elif isinstance(value, tuple) and any(isinstance(one, BaseModel) for one in value):
        parts = {str(number): part for number, part in enumerate(value)}
    elif isinstance(value, Mapping) and value:
        parts = {str(name): part for name, part in value.items()}
    else:
        yield location, "(set)" if location[-1] in SECRETS else _plain(value)
        return
    for name, part in parts.items():
        yield from _leaves_of((*location, name), part)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | frozenset | set):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return str(value)
