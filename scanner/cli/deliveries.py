"""``streamwarden deliveries``: webhooks that were given up."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from scanner.cli.options import Config, Json, wants_json
from scanner.cli.terminal import new_table, open_console, sanitize
from scanner.errors import SetupError
from scanner.settings.sections import read_settings
from scanner.store.database import open_journal
from scanner.store.effects import DeadEffect, EffectJournal

__all__ = ["deliveries_app"]

deliveries_app = typer.Typer(
    help="Webhooks of the live service that were given up.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Data = Annotated[Path | None, typer.Option(help="Folder of the journal and of all media.")]
Sink = Annotated[str | None, typer.Option("--sink", help="Only those of this receiver.")]


@deliveries_app.command("list")
def list_command(
    sink: Sink = None,
    limit: Annotated[int, typer.Option(min=1, help="Most that are listed.")] = 100,
    config: Config = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List webhooks that were given up, the latest first, with the reason."""
    dead = _open_effects(config, data).list_dead(sink=sink, limit=limit)
    if wants_json(as_json):
        for one in dead:
            sys.stdout.write(json.dumps(_row(one)) + "\n")
        return
    if not dead:
        open_console(stderr=True).print("No webhook was given up.")
        return
    table = new_table(
        "Webhooks that were given up", "incident", "revision", "receiver", "attempts", "at", "error"
    )
    for one in dead:
        at = datetime.fromtimestamp(one.updated_at, UTC).strftime("%Y-%m-%d %H:%M")
        error = sanitize(one.error or "")
        table.add_row(one.incident_id, str(one.revision), one.sink, str(one.attempts), at, error)
    open_console().print(table)


@deliveries_app.command("retry")
def retry_command(
    incident: Annotated[
        str | None, typer.Argument(metavar="INCIDENT", help="Id of the incident.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All incidents.")] = False,
    sink: Sink = None,
    config: Config = None,
    data: Data = None,
) -> None:
    """Send webhooks that were given up once more, with all their attempts.

    A receiver may get an earlier revision after a later one; the revision tells.
    """
    if (incident is None) != everything:
        raise SetupError("deliveries retry: wanted the id of an incident, or --all")
    count = _open_effects(config, data).retry_dead(incident_id=incident, sink=sink)
    open_console(stderr=True).print(f"{count} to be sent again")


def _open_effects(config: Path | None, data: Path | None) -> EffectJournal:
    folder = read_settings(config).service.data if data is None else data
    return EffectJournal(open_journal(folder))


def _row(dead: DeadEffect) -> dict[str, object]:
    return {
        "type": "delivery",
        "incident": dead.incident_id,
        "revision": dead.revision,
        "kind": dead.kind,
        "sink": dead.sink,
        "attempts": dead.attempts,
        "error": dead.error,
        "updated_at": dead.updated_at,
    }
