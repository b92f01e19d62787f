"""The command ``streamwarden models remove``."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from scanner.cli.options import Config, Json, wants_json
from scanner.cli.terminal import open_console
from scanner.errors import SetupError
from scanner.model_import.folder import find_added
from scanner.settings.sections import ModelSettings, read_settings

__all__ = ["remove_command"]


def remove_command(
    name: Annotated[str, typer.Argument(help="The name of an added model.", show_default=False)],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove a model that was added: delete its folder. Shipped models stay; `models.names` leaves
    them out.

    Example:
      streamwarden models remove open-nsfw
    """
    folder = _added_folder(name, read_settings(config).models)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        where = error.filename or folder
        raise SetupError(f"{where}: cannot be removed: {error.strerror}") from error
    if wants_json(as_json):
        row = {"type": "removed", "name": name, "folder": str(folder)}
        sys.stdout.write(json.dumps(row) + "\n")
        return
    open_console().print(f"removed  {name} in {folder}")


def _added_folder(name: str, models: ModelSettings) -> Path:
    """Return the folder of an added model.

    Raises:
        SetupError: there is none; only what `models add` has written is ever removed.
    """
    parent = models.install_dir
    try:
        added = find_added(parent)
    except OSError as error:
        raise SetupError(f"{error.filename}: cannot be read: {error.strerror}") from error
    if name not in added:
        names = ", ".join(added) or "none"
        raise SetupError(f"no model {name} was added to {parent}; there are {names}")
    return added[name]
