"""``streamwarden backup``, ``restore`` and ``migrate``: the data folder of the live service."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from scanner.cli.messages import print_message
from scanner.cli.options import Config, Json, wants_json
from scanner.errors import SetupError
from scanner.settings.sections import read_settings
from scanner.store.backup import BackupFacts, back_up, restore
from scanner.store.checkpoints import open_audit_log
from scanner.store.database import FILE_NAME, lock_folder, open_journal
from scanner.store.migrate import HEAD

__all__ = ["backup_command", "migrate_command", "restore_command"]

Data = Annotated[Path | None, typer.Option(help="Folder of the journal and of all media.")]


def backup_command(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder for the backup.")],
    config: Config = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Copy the data folder of the live service, which may run meanwhile.

    On the same file system media are linked, so that a backup takes hardly any space. One that was
    interrupted is continued.
    """
    _print(back_up(_data_folder(config, data), target), target, as_json=as_json)


def restore_command(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="Folder of a backup.")],
    config: Config = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make the data folder of the live service from a backup, once that was checked."""
    folder = _data_folder(config, data)
    facts = restore(backup, folder)
    with closing(open_journal(folder)) as journal:
        chosen = read_settings(config).service.audit.folder
        open_audit_log(journal, folder, chosen).note_restore()
    _print(facts, folder, as_json=as_json)


def migrate_command(config: Config = None, data: Data = None) -> None:
    """Upgrade the journal to this release while the service is stopped, as its start does too."""
    folder = _data_folder(config, data)
    if not (folder / FILE_NAME).exists():
        raise SetupError(f"{folder}: no {FILE_NAME}; `streamwarden serve` makes it at its start")
    with lock_folder(folder), closing(open_journal(folder, create=True)):
        print_message(f"{folder}: the journal has version {HEAD}")


def _data_folder(config: Path | None, data: Path | None) -> Path:
    return data or read_settings(config).service.data


def _print(facts: BackupFacts, folder: Path, *, as_json: bool) -> None:
    if wants_json(as_json):
        row = {"type": "backup", "folder": str(folder), **asdict(facts)}
        sys.stdout.write(json.dumps(row) + "\n")
        return
    print_message(f"{folder}: the journal and {facts.objects} files, {facts.bytes / 1e6:.1f} MB")
