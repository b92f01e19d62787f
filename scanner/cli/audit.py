"""The command ``streamwarden audit``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from scanner.cli.options import Config, Json, wants_json
from scanner.cli.status import Status
from scanner.cli.terminal import new_table, open_console, wall
from scanner.settings.sections import read_settings
from scanner.store.audit import AuditLog
from scanner.store.checkpoints import (
    Checkpoints,
    audit_folder,
    read_public_key,
    read_statements,
)
from scanner.store.database import open_journal
from scanner.store.verification import restores_of, verify_entries

__all__ = ["audit_app"]

audit_app = typer.Typer(
    help="The log of who saw and did what.", no_args_is_help=True, pretty_exceptions_enable=False
)


@audit_app.command("verify")
def verify_command(
    folder: Annotated[
        Path | None, typer.Option(help="The second place; default: that of the settings.")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="Copy of head.json or checkpoints.jsonl that was kept elsewhere."),
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="Copy of public-key.pem that was kept elsewhere.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Check every entry, the chain, and the signed statements about it. Exit status 1 if something
    was changed, removed or cut off."""
    settings = read_settings(config).service
    place = Checkpoints(folder or audit_folder(settings.data, settings.audit.folder))
    key = place.public_key() if public_key is None else read_public_key(public_key)
    statements = place.statements()
    for path in checkpoint or ():
        statements += read_statements(path)
    journal = open_journal(settings.data)
    count, faults = verify_entries(AuditLog(journal).all_rows(), statements, key)
    journal.close()
    restores = restores_of(statements, key)
    if wants_json(as_json):
        lines = [{"type": "fault", **asdict(one)} for one in faults]
        lines += [{"type": "restore", "number": one["number"], "at": one["at"]} for one in restores]
        lines.append({"type": "verified", "entries": count, "faults": len(faults)})
        sys.stdout.writelines(json.dumps(line) + "\n" for line in lines)
    else:
        for one in faults:
            sys.stdout.write(f"{one.message}\n")
        for each in restores:
            lost = f"what followed entry {each['number']} until {wall(each['at'])} is lost"
            sys.stdout.write(f"the journal was restored from a backup: {lost}\n")
        sys.stdout.write(f"{count} entries, {len(faults) or 'nothing'} wrong\n")
    if faults:
        raise typer.Exit(Status.FAILED)


@audit_app.command("list")
def list_command(
    actor: Annotated[str | None, typer.Option(help="Id of a user or key.")] = None,
    action: Annotated[str | None, typer.Option(help="view, decide, sign_in and so on.")] = None,
    subject: Annotated[str | None, typer.Option(help="Id of an incident, stream or user.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most entries.")] = 100,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List entries that fit, the latest first."""
    journal = open_journal(read_settings(config).service.data)
    found = AuditLog(journal).entries(actor=actor, action=action, subject=subject, limit=limit)
    journal.close()
    if wants_json(as_json):
        for one in found:
            sys.stdout.write(json.dumps({"type": "entry", **asdict(one)}) + "\n")
        return
    table = new_table("Audit log", "number", "at", "who", "action", "about", "details")
    for one in found:
        at = wall(one.at)
        details = json.dumps(one.details) if one.details else ""
        table.add_row(str(one.number), at, one.actor, one.action, one.subject, details)
    open_console().print(table)
