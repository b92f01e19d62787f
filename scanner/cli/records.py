"""The command ``streamwarden records``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.archive.labelled import labelled_row, write_labelled
from scanner.cli.messages import count_of
from scanner.cli.options import Config, Json, wants_json
from scanner.cli.terminal import new_table, open_console
from scanner.cli.users import local_actor
from scanner.errors import SetupError
from scanner.settings.sections import read_settings
from scanner.store.audit import AuditEntry
from scanner.store.checkpoints import open_audit_log
from scanner.store.database import Journal, open_journal
from scanner.store.decided import decided_items, read_configurations
from scanner.store.holds import Holds
from scanner.store.removals import Removals

__all__ = ["records_app"]

records_app = typer.Typer(
    help="Deletion of streams on request, holds against it, and decided items as labelled rows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class RecordKind(StrEnum):
    """What is deleted or held."""

    STREAM = "stream"
    CHANNEL = "channel"


Kind = Annotated[RecordKind, typer.Argument(help="A stream, or all streams of a channel.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the stream or channel.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]


@records_app.command("remove")
def remove_command(kind: Kind, name: Name, reason: Reason, config: Config = None) -> None:
    """Delete a stream, or all streams that a channel has now: the service does it once they have
    ended."""
    journal = _open(config)
    removals = Removals(journal)
    names = removals.streams_of(name) if kind is RecordKind.CHANNEL else [name]
    if not names or removals.channel_of(names[0]) is None:
        raise SetupError(f"{kind} {name}: is not known")
    if held := removals.held(names):
        raise SetupError(f"stream {held[0]}: is on hold; `streamwarden records lift` ends it")
    _record(
        (journal, config),
        lambda: removals.request(names, actor=local_actor(), reason=reason),
        "removal_requested",
        *names,
        reason=reason,
    )
    sys.stdout.write(f"{count_of(len(names), 'stream')} to be deleted, each once it has ended\n")


@records_app.command("hold")
def hold_command(kind: Kind, name: Name, reason: Reason, config: Config = None) -> None:
    """Hold a stream or channel against deletion, by age and on request."""
    journal = _open(config)
    _record(
        (journal, config),
        lambda: Holds(journal).add(kind.value, name, reason=reason, actor=local_actor()),
        "hold",
        name,
        kind=kind.value,
        reason=reason,
    )


@records_app.command("lift")
def lift_command(kind: Kind, name: Name, config: Config = None) -> None:
    """Lift a hold."""
    journal = _open(config)

    def lift() -> None:
        if not Holds(journal).lift(kind.value, name):
            raise SetupError(f"{kind} {name}: is not on hold; `streamwarden records list`")

    _record((journal, config), lift, "hold_lifted", name, kind=kind.value)


@records_app.command("list")
def list_command(config: Config = None, as_json: Json = False) -> None:
    """List holds and requested deletions."""
    journal = _open(config)
    holds, removals = Holds(journal).list_all(), Removals(journal).list_all()
    if wants_json(as_json):
        lines = [{"type": "hold", **asdict(one)} for one in holds]
        lines += [{"type": "removal", **asdict(one)} for one in removals]
        sys.stdout.writelines(json.dumps(line) + "\n" for line in lines)
        return
    table = new_table("Records", "what", "name", "state", "by", "reason")
    for hold in holds:
        table.add_row(hold.kind, hold.name, "on hold", hold.actor, hold.reason)
    for one in removals:
        waits = "stopped by a hold" if one.is_held else "waits for its end"
        state = waits if one.removed_at is None else "deleted"
        table.add_row("stream", one.stream_id, state, one.actor, one.reason)
    open_console().print(table)


@records_app.command("export")
def export_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write, .parquet or .csv.")],
    config: Config = None,
) -> None:
    """Write each decided incident and picture as a labelled row; `streamwarden eval` reads them.

    No row names a person. The export is an entry of the audit log.
    """
    journal = _open(config)
    configurations = read_configurations(journal)
    rows = [labelled_row(item, configurations) for item in decided_items(journal)]
    details = {"rows": len(rows)}
    _record((journal, config), lambda: None, "decisions_exported", str(file), **details)
    write_labelled(file, rows)
    sys.stdout.write(f"{file}: {count_of(len(rows), 'decided item')}\n")


def _open(config: Path | None) -> Journal:
    return open_journal(read_settings(config).service.data)


def _record(
    of: tuple[Journal, Path | None],
    change: Callable[[], None],
    action: str,
    *subjects: str,
    **details: Any,
) -> None:
    """Run a change of the journal, and record it in the same commit."""
    journal, config = of
    settings, actor = read_settings(config).service, local_actor()
    entries = [
        AuditEntry(actor=actor, action=action, subject=subject, details=details)
        for subject in subjects
    ]
    open_audit_log(journal, settings.data, settings.audit.folder).record(change, lambda _: entries)
