"""The command ``streamwarden replay``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from scanner.cli.messages import count_of, print_message
from scanner.cli.options import Channel, Config, Json, wants_json
from scanner.cli.status import Status
from scanner.cli.terminal import OutputTable, new_table, open_console
from scanner.compose import compose
from scanner.errors import FormatError, SetupError
from scanner.pipeline.replay import (
    IncidentChanges,
    Recorded,
    Replayed,
    StillChange,
    compare_stills,
    fold,
    inputs_of_lines,
    inputs_of_record,
    pair_incidents,
)
from scanner.records.recording import parse_record
from scanner.report.line_text import dumps, loads
from scanner.report.lines import incident_line
from scanner.report.text import clock
from scanner.risk.incident import Incident
from scanner.settings.policies import compose_policies
from scanner.settings.sections import read_settings

__all__ = ["replay_command"]

Parsed = TypeVar("Parsed")


def replay_command(
    scores: Annotated[
        Path,
        typer.Argument(
            help="Output of `scan --record` or `scan --json`, - for standard input, or the data"
            " folder of a service.",
            show_default=False,
        ),
    ],
    policy: Annotated[
        Path | None, typer.Option("--policy", "-p", metavar="FILE", help="The new policy, in TOML.")
    ] = None,
    channel: Channel = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Fold recorded scores again, and list incidents that another policy gains, loses or moves.

    Examples:
      streamwarden scan --json recordings/ > scores.jsonl
      streamwarden replay scores.jsonl --policy stricter.toml
    """
    recording = _read_recording(scores)
    program = compose(read_settings(config), channel=channel)
    before = after = fold(recording.streams, program.policies)
    if policy is not None:
        changed = compose_policies(read_settings(policy), program.manifests)
        after = fold(recording.streams, changed.of_channel(channel))
    changes = _Changes(
        streams=recording.streams,
        incidents=pair_incidents(before.incidents, after.incidents),
        stills=compare_stills(before, after),
        after=after,
    )
    _print_changes(changes, as_json=wants_json(as_json))
    _print_incomplete(recording)
    raise typer.Exit(Status.NOTHING if recording.cut is None else Status.FAILED)


def _print_changes(changes: _Changes, *, as_json: bool) -> None:
    if not as_json:
        changes.print()
        return
    for row in changes.rows():
        sys.stdout.write(json.dumps(row) + "\n")


# Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    streams: Recorded
    cut: str | None
    """Why, and from which line on, the file could not be read; None if it was read whole."""


def _read_recording(scores: Path) -> _Recording:
    """Return the recorded inputs: from a recording, the lines of ``scan --json``, or the data
    folder of a service: its journal and its files of scores."""
    if scores.is_dir():
        return _read_journal(scores)
    rows = _rows(scores)
    first = next((row for row in rows if row.strip()), "")
    if '"event"' in first and '"v"' in first:
        records, cut = _parse(scores, rows, parse_record)
        return _Recording(streams=inputs_of_record(records), cut=cut)
    lines, cut = _parse(scores, rows, loads)
    return _Recording(streams=inputs_of_lines(lines), cut=cut)


def _read_journal(data: Path) -> _Recording:
    from scanner.archive.reader import read_recorded
    from scanner.store.database import open_journal
    from scanner.store.history import read_channels

    journal = open_journal(data)
    try:
        found = read_recorded(journal, data)
        records = ((stream_id, stream_id, event) for stream_id, event in found)
        channels = read_channels(journal)
        streams = {
            name: replace(stream, channel=channels.get(name))
            for name, stream in inputs_of_record(records).items()
        }
        return _Recording(streams=streams, cut=None)
    finally:
        journal.close()


def _rows(scores: Path) -> list[str]:
    try:
        if str(scores) == "-":
            return sys.stdin.readlines()
        return scores.read_text("utf-8", errors="replace").split("\n")
    except OSError as error:
        raise SetupError(
            f"{scores}: cannot be read: {error.strerror}; name a file that `scan --record` or"
            " `scan --json` wrote"
        ) from error


def _parse(
    scores: Path, rows: list[str], parse: Callable[[str], Parsed]
) -> tuple[list[Parsed], str | None]:
    """Return what the rows hold up to the first one that is cut, and a message about that one.

    Raises:
        FormatError: the first row is no recording, or a row is of another version.
    """
    parsed: list[Parsed] = []
    for number, row in enumerate(rows, 1):
        if not row.strip():
            continue
        try:
            parsed.append(parse(row))
        except FormatError as error:
            message = f"{scores}:{number}: {error}"
            if not parsed or error.kind == "version":
                raise FormatError(message, kind=error.kind) from error
            return parsed, message
    return parsed, None


def _print_incomplete(recording: _Recording) -> None:
    if recording.cut is not None:
        print_message(f"read up to a line that is cut: {recording.cut}")
    for stream in recording.streams.values():
        if not stream.complete:
            print_message(
                f"{stream.path}: the recording has no end of it; replayed as far as it is"
            )


# Writing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """Incidents that another policy changes, and all incidents that it gives."""

    streams: Recorded
    incidents: IncidentChanges
    stills: tuple[StillChange, ...]
    after: Replayed

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the objects that are printed as JSON."""
        for incident in self.incidents.gained:
            yield {"change": "gained", **self._row(incident)}
        for incident in self.incidents.lost:
            yield {"change": "lost", **self._row(incident)}
        for pair in self.incidents.moved:
            yield {
                "change": "moved",
                "before": self._row(pair.before),
                "after": self._row(pair.after),
            }
        for still in self.stills:
            path, names = self.streams[still.stream_id].path, list(still.labels)
            yield {"change": still.change, "type": "still", "path": path, "labels": names}
        stills = [
            {"type": "still", "path": self.streams[stream_id].path, "labels": list(labels)}
            for stream_id, labels in self.after.stills.items()
            if labels
        ]
        incidents = [self._row(incident) for incident in self.after.incidents]
        yield {"change": "none", "incidents": incidents, "stills": stills}

    def _row(self, incident: Incident) -> dict[str, Any]:
        line = incident_line(self.streams[incident.stream_id].path, incident)
        row: dict[str, Any] = json.loads(dumps(line))  # as `scan --json` writes it
        return row

    def print(self) -> None:
        """Print a table of the changes."""
        flagged = sum(bool(labels) for labels in self.after.stills.values())
        title = f"{count_of(len(self.after.incidents), 'incident')} with this policy"
        if self.after.stills:
            title += f", {flagged} of {count_of(len(self.after.stills), 'still')} flagged"
        table = new_table(title, "change", "labels", "began", "known", "ended", "risk", "path")
        for incident in self.incidents.gained:
            self._add(table, "gained", incident)
        for incident in self.incidents.lost:
            self._add(table, "lost", incident)
        for pair in self.incidents.moved:
            self._add(table, "moved from", pair.before)
            self._add(table, "to", pair.after)
        for still in self.stills:
            path = self.streams[still.stream_id].path
            table.add_row(still.change, ", ".join(still.labels), "", "", "", "", path)
        nothing = f"{title}; none gained, lost or moved"
        open_console().print(table if table.row_count else nothing)

    def _add(self, table: OutputTable, change: str, incident: Incident) -> None:
        line = incident_line(self.streams[incident.stream_id].path, incident)
        times = (clock(line.start), clock(line.opened), clock(line.end))
        labels = ", ".join(line.labels) + (" (shadow)" if line.shadow else "")
        table.add_row(change, labels, *times, f"{line.peak:.3f}", line.path)
