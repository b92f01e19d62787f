"""The command ``streamwarden replay``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from scanner.cli.messages import count_of, print_message
from scanner.cli.options import Channel, Config, Json, wants_json
from scanner.cli.status import Status
from scanner.cli.terminal import OutputTable, new_table, open_console
from scanner.compose import compose
from scanner.errors import FormatError, SetupError
from scanner.pipeline.replay import (
    IncidentPair,
    RecordedStream,
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
from scanner.risk.policy import Policies
from scanner.settings.policies import compose_policies
from scanner.settings.sections import read_settings
from scanner.types import Label, StreamId

if TYPE_CHECKING:
    from scanner.store.database import Journal

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
    program = compose(read_settings(config), channel=channel)
    before = after = program.policies
    if policy is not None:
        changed = compose_policies(read_settings(policy), program.manifests)
        after = changed.of_channel(channel)
    with _open_recording(scores) as recording:
        changes = _fold_all(recording.streams, before, after)
    _print_changes(changes, as_json=wants_json(as_json))
    _print_incomplete(recording, changes)
    raise typer.Exit(Status.NOTHING if recording.cut is None else Status.FAILED)


def _fold_all(streams: Streams, before: Policies, after: Policies) -> _Changes:
    """Fold one stream after the other under two policies, and keep what they lead to."""
    changes = _Changes()
    for stream_id, stream in streams:
        earlier = later = fold({stream_id: stream}, before)
        if after is not before:
            later = fold({stream_id: stream}, after)
        changes.add(stream_id, stream, earlier, later)
    changes.gained.sort(key=lambda one: one.start)
    changes.lost.sort(key=lambda one: one.start)
    changes.moved.sort(key=lambda pair: pair.before.start)
    return changes


def _print_changes(changes: _Changes, *, as_json: bool) -> None:
    if not as_json:
        changes.print()
        return
    for row in changes.rows():
        sys.stdout.write(json.dumps(row) + "\n")


# Reading


Streams = Iterable[tuple[StreamId, RecordedStream]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    streams: Streams
    """To be read once; streams of a data folder are in memory one at a time."""
    cut: str | None
    """Why, and from which line on, the file could not be read; None if it was read whole."""


@contextmanager
def _open_recording(scores: Path) -> Iterator[_Recording]:
    """Open the recorded inputs: of a recording, of the lines of ``scan --json``, or of the data
    folder of a service, its journal and its files of scores."""
    if scores.is_dir():
        from scanner.store.database import open_journal

        with closing(open_journal(scores)) as journal:
            yield _Recording(streams=_streams_of_folder(journal, scores), cut=None)
        return
    rows = _rows(scores)
    first = next((row for row in rows if row.strip()), "")
    if '"event"' in first and '"v"' in first:
        records, cut = _parse(scores, rows, parse_record)
        yield _Recording(streams=inputs_of_record(records).items(), cut=cut)
        return
    lines, cut = _parse(scores, rows, loads)
    yield _Recording(streams=inputs_of_lines(lines).items(), cut=cut)


def _streams_of_folder(journal: Journal, data: Path) -> Streams:
    from scanner.archive.reader import read_stream
    from scanner.store.history import read_channels, recorded_streams

    channels = read_channels(journal)
    for name in map(StreamId, recorded_streams(journal)):
        events = ((name, name, event) for event in read_stream(journal, data, name))
        for stream_id, stream in inputs_of_record(events).items():
            yield stream_id, replace(stream, channel=channels.get(stream_id))


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


def _print_incomplete(recording: _Recording, changes: _Changes) -> None:
    if recording.cut is not None:
        print_message(f"read up to a line that is cut: {recording.cut}")
    for path in changes.incomplete:
        print_message(f"{path}: the recording has no end of it; replayed as far as it is")


# Writing


@dataclass(slots=True)
class _Changes:
    """Incidents that another policy changes, and all incidents that it gives."""

    paths: dict[StreamId, str] = field(default_factory=dict)
    incomplete: list[str] = field(default_factory=list)
    """Paths of streams of which the recording has no end."""
    gained: list[Incident] = field(default_factory=list)
    lost: list[Incident] = field(default_factory=list)
    moved: list[IncidentPair] = field(default_factory=list)
    stills: list[StillChange] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    """All incidents afterwards."""
    flagged: dict[StreamId, tuple[Label, ...]] = field(default_factory=dict)
    """Labels of each still afterwards."""

    def add(
        self, stream_id: StreamId, stream: RecordedStream, before: Replayed, after: Replayed
    ) -> None:
        """Add the results of one stream."""
        self.paths[stream_id] = stream.path
        if not stream.complete:
            self.incomplete.append(stream.path)
        pairs = pair_incidents(before.incidents, after.incidents)
        self.gained += pairs.gained
        self.lost += pairs.lost
        self.moved += [pair for pair in (*pairs.moved, *pairs.kept) if pair.differs]
        self.stills += compare_stills(before, after)
        self.incidents += after.incidents
        self.flagged |= after.stills

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the objects that are printed as JSON."""
        for incident in self.gained:
            yield {"change": "gained", **self._row(incident)}
        for incident in self.lost:
            yield {"change": "lost", **self._row(incident)}
        for pair in self.moved:
            yield {
                "change": "moved",
                "before": self._row(pair.before),
                "after": self._row(pair.after),
            }
        for still in self.stills:
            path, names = self.paths[still.stream_id], list(still.labels)
            yield {"change": still.change, "type": "still", "path": path, "labels": names}
        stills = [
            {"type": "still", "path": self.paths[stream_id], "labels": list(labels)}
            for stream_id, labels in self.flagged.items()
            if labels
        ]
        incidents = [self._row(incident) for incident in self.incidents]
        yield {"change": "none", "incidents": incidents, "stills": stills}

    def _row(self, incident: Incident) -> dict[str, Any]:
        line = incident_line(self.paths[incident.stream_id], incident)
        row: dict[str, Any] = json.loads(dumps(line))  # as `scan --json` writes it
        return row

    def print(self) -> None:
        """Print a table of the changes."""
        flagged = sum(bool(labels) for labels in self.flagged.values())
        title = f"{count_of(len(self.incidents), 'incident')} with this policy"
        if self.flagged:
            title += f", {flagged} of {count_of(len(self.flagged), 'still')} flagged"
        table = new_table(title, "change", "labels", "began", "known", "ended", "risk", "path")
        for incident in self.gained:
            self._add(table, "gained", incident)
        for incident in self.lost:
            self._add(table, "lost", incident)
        for pair in self.moved:
            self._add(table, "moved from", pair.before)
            self._add(table, "to", pair.after)
        for still in self.stills:
            path = self.paths[still.stream_id]
            table.add_row(still.change, ", ".join(still.labels), "", "", "", "", path)
        nothing = f"{title}; none gained, lost or moved"
        open_console().print(table if table.row_count else nothing)

    def _add(self, table: OutputTable, change: str, incident: Incident) -> None:
        line = incident_line(self.paths[incident.stream_id], incident)
        times = (clock(line.start), clock(line.opened), clock(line.end))
        labels = f"{', '.join(line.labels)} (severity {line.severity}{', shadow' * line.shadow})"
        table.add_row(change, labels, *times, f"{line.peak:.3f}", line.path)
