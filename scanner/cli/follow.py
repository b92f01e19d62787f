"""The command ``streamwarden follow``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from scanner.cli.options import Config, Json, wants_json
from scanner.cli.terminal import new_table, open_console
from scanner.errors import SetupError
from scanner.settings.sections import read_settings
from scanner.store.database import open_journal
from scanner.store.sources import FollowedLocation, Sources

__all__ = ["channel_of", "follow_command"]

_GENERAL_NAMES = frozenset({"index", "master", "playlist", "chunklist", "live", "stream"})
_OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9._~@:+=-]+")


def follow_command(
    location: Annotated[
        str | None,
        typer.Argument(metavar="URL|FOLDER", help="What to follow; without it, list all."),
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="Lasting identity of the stream; by default from the name.")
    ] = None,
    remove: Annotated[
        str | None, typer.Option("--remove", metavar="ID", help="Follow a source no more.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let the service follow a live playlist or a folder, or list what it follows.

    The service starts a process for each source, and starts it again when it fails.
    """
    sources = Sources(open_journal(read_settings(config).service.data))
    if remove is not None:
        if not sources.remove(remove):
            raise SetupError(f"source {remove}: there is none; `streamwarden follow` lists them")
        return
    if location is not None:
        where = location if "://" in location else str(Path(location).absolute())
        _write([sources.add(where, channel=channel or channel_of(where), addresses="any")], as_json)
        return
    _write([*sources.list_lasting()], as_json)


def channel_of(where: str) -> str:
    """Return the channel of a source that none is given for.

    >>> channel_of("https://example.com/studio/index.m3u8?token=1"), channel_of("/media/cam 1")
    ('studio', 'cam_1')
    """
    path = Path(where.partition("?")[0].rstrip("/"))
    name = path.parent.name if path.stem in _GENERAL_NAMES else path.stem
    return _OTHER_CHARACTERS.sub("_", name).lstrip(".") or "_"


def _write(found: list[FollowedLocation], as_json: bool) -> None:
    if wants_json(as_json):
        for one in found:
            facts = {"source_id": one.source_id, "channel": one.channel, "state": one.state}
            shown = {"url": one.shown_location, "detail": one.detail}
            sys.stdout.write(json.dumps({"type": "source", **facts, **shown}) + "\n")
        return
    table = new_table("id", "channel", "state", "source", "")
    for one in found:
        table.add_row(one.source_id, one.channel, one.state, one.shown_location, one.detail or "")
    open_console().print(table)
