"""``streamwarden deliveries``: webhooks that were given up or held."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from scanner.cli.options import Config, Json, wants_json
from scanner.cli.terminal import new_table, open_console, sanitize, wall
from scanner.cli.users import local_actor
from scanner.errors import SetupError
from scanner.settings.sections import read_settings
from scanner.settings.service import ServiceSettings
from scanner.store.audit import AuditEntry
from scanner.store.checkpoints import open_audit_log
from scanner.store.database import Journal, open_journal
from scanner.store.decision_effects import DeadDecision, DecisionEffects
from scanner.store.effects import DeadEffect, EffectJournal

__all__ = ["deliveries_app"]

deliveries_app = typer.Typer(
    help="Webhooks of the live service that were given up or held.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Data = Annotated[Path | None, typer.Option(help="Folder of the journal and of all media.")]
Sink = Annotated[str | None, typer.Option("--sink", help="Only those of this receiver.")]
Dead = DeadEffect | DeadDecision


@deliveries_app.command("list")
def list_command(
    sink: Sink = None,
    limit: Annotated[int, typer.Option(min=1, help="Most that are listed.")] = 100,
    config: Config = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List webhooks that were given up, or that a quota holds, of incidents and of decisions, the
    latest first, with the reason."""
    _, journal = _open(config, data)
    dead: list[Dead] = [
        *EffectJournal(journal).list_dead(sink=sink, limit=limit),
        *DecisionEffects(journal).list_dead(sink=sink, limit=limit),
    ]
    dead = sorted(dead, key=lambda one: -one.updated_at)[:limit]
    if wants_json(as_json):
        for one in dead:
            sys.stdout.write(json.dumps(_row(one)) + "\n")
        return
    if not dead:
        open_console(stderr=True).print("No webhook was given up or held.")
        return
    table = new_table(
        "Webhooks that were not sent",
        *("incident", "what", "receiver", "status", "attempts", "at", "error"),
    )
    for one in dead:
        error = sanitize(one.error or "")
        table.add_row(
            _item_of(one),
            _what(one),
            one.sink,
            one.status,
            str(one.attempts),
            wall(one.updated_at),
            error,
        )
    open_console().print(table)


@deliveries_app.command("retry")
def retry_command(
    incident: Annotated[
        str | None, typer.Argument(metavar="INCIDENT", help="Id of the incident, or of an item.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All incidents.")] = False,
    sink: Sink = None,
    config: Config = None,
    data: Data = None,
) -> None:
    """Send webhooks that were given up or held, with all their attempts; no quota holds them.

    A receiver may get an earlier revision after a later one; the revision tells. A decision that
    is not the latest of its item is not sent.
    """
    if (incident is None) != everything:
        raise SetupError("deliveries retry: wanted the id of an incident, or --all")
    settings, journal = _open(config, data)
    count = EffectJournal(journal).retry_dead(incident_id=incident, sink=sink)
    count += _retry_decisions(settings, journal, incident, sink)
    open_console(stderr=True).print(f"{count} to be sent again")


def _retry_decisions(
    settings: ServiceSettings, journal: Journal, incident: str | None, sink: str | None
) -> int:
    """Make decisions pending again, recorded in the audit log, as their items leave the queue."""
    log, actor = open_audit_log(journal, settings.data, settings.audit.folder), local_actor()

    def entries(items: list[str]) -> list[AuditEntry]:
        return [
            AuditEntry(actor=actor, action="delivery_retried", subject=item)
            for item in dict.fromkeys(items)
        ]

    retried = log.record(
        lambda: DecisionEffects(journal).retry_dead(
            tuple(settings.sinks), item_id=incident, sink=sink
        ),
        entries,
    )
    return len(retried)


def _open(config: Path | None, data: Path | None) -> tuple[ServiceSettings, Journal]:
    settings = read_settings(config).service
    if data is not None:
        settings = settings.model_copy(update={"data": data})
    return settings, open_journal(settings.data)


def _row(dead: Dead) -> dict[str, object]:
    facts: dict[str, object] = {"type": "delivery", "incident": _item_of(dead)}
    if isinstance(dead, DeadDecision):
        facts |= {"decision": dead.decision_id, "kind": dead.kind}
    else:
        facts |= {"revision": dead.revision, "kind": dead.kind}
    return {
        **facts,
        "sink": dead.sink,
        "status": dead.status,
        "attempts": dead.attempts,
        "error": dead.error,
        "updated_at": dead.updated_at,
    }


def _item_of(dead: Dead) -> str:
    return dead.item_id if isinstance(dead, DeadDecision) else dead.incident_id


def _what(dead: Dead) -> str:
    if isinstance(dead, DeadDecision):
        return f"decision {dead.decision_id} {dead.kind}"
    return f"revision {dead.revision}"
