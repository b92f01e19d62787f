"""The command ``streamwarden keys``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from scanner.cli.options import Config, Json, wants_json
from scanner.cli.terminal import new_table, open_console, wall
from scanner.settings.sections import read_settings
from scanner.store.database import open_journal
from scanner.store.keys import ApiKey, ApiKeys

__all__ = ["keys_app"]

keys_app = typer.Typer(
    help="API keys of the live service.", no_args_is_help=True, pretty_exceptions_enable=False
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the key.")]


@keys_app.command("add")
def add_command(
    name: Name,
    verbs: Annotated[
        str, typer.Option("--verbs", help="What it allows: ingest, read, decide; with commas.")
    ] = "ingest,read",
    channels: Annotated[
        str | None,
        typer.Option("--channels", help="Channels it is limited to, with commas; default: all."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a key and print its secret, which is shown only now.

    The first key ends access without a key.
    """
    keys = _open_keys(config, create=True)
    secret = keys.add(
        name, verbs=_split(verbs), channels=None if channels is None else _split(channels)
    )
    if wants_json(as_json):
        sys.stdout.write(json.dumps({"type": "key", "name": name, "secret": secret}) + "\n")
        return
    open_console(stderr=True).print("The secret is shown only now:", style="dim")
    sys.stdout.write(secret + "\n")


@keys_app.command("list")
def list_command(config: Config = None, as_json: Json = False) -> None:
    """List all keys, without their secrets."""
    keys = _open_keys(config).list_all()
    if wants_json(as_json):
        for key in keys:
            sys.stdout.write(json.dumps(_row(key)) + "\n")
        return
    table = new_table("API keys", "name", "id", "verbs", "channels", "made", "revoked")
    for key in keys:
        channels = "all" if key.channels is None else ", ".join(sorted(key.channels))
        table.add_row(
            key.name,
            key.key_id,
            ", ".join(sorted(key.verbs)),
            channels,
            wall(key.created_at),
            "" if key.revoked_at is None else wall(key.revoked_at),
        )
    open_console().print(table)


@keys_app.command("revoke")
def revoke_command(name: Name, config: Config = None) -> None:
    """Make a key invalid, by its name or id. The service notices within a second."""
    _open_keys(config).revoke(name)


def _open_keys(config: Config, *, create: bool = False) -> ApiKeys:
    return ApiKeys(open_journal(read_settings(config).service.data, create=create))


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _row(key: ApiKey) -> dict[str, object]:
    return {
        "type": "key",
        "id": key.key_id,
        "name": key.name,
        "verbs": sorted(key.verbs),
        "channels": None if key.channels is None else sorted(key.channels),
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
