"""The command ``streamwarden replay``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from scanner.cli.options import Config, Json, wants_json
from scanner.cli.show import new_table, sanitize
from scanner.compose import compose
from scanner.errors import SetupError
from scanner.pipeline.replay import (
    IncidentChanges,
    fold,
    inputs_of_lines,
    inputs_of_record,
    pair_incidents,
)
from scanner.report.lines import incident_line, read_lines
from scanner.report.text import clock
from scanner.risk.incident import Incident
from scanner.settings.policies import compose_policies
from scanner.settings.sections import read_settings
from scanner.stream.inputs import StreamInput
from scanner.types import StreamId

__all__ = ["replay_command"]


def replay_command(
    scores: Annotated[
        Path,
        typer.Argument(
            help="Output of `scan --record` or `scan --json`; - for standard input.",
            show_default=False,
        ),
    ],
    policy: Annotated[
        Path | None, typer.Option("--policy", "-p", metavar="FILE", help="The new policy, in TOML.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Fold recorded scores again, and list incidents that another policy gains, loses or moves.

    Examples:
      streamwarden scan --json recordings/ > scores.jsonl
      streamwarden replay scores.jsonl --policy stricter.toml
    """
    settings = read_settings(config)
    recorded = _read_inputs(_rows(scores))
    program = compose(settings)
    before = after = fold(recorded, program.policies)
    if policy is not None:
        after = fold(recorded, compose_policies(read_settings(policy), program.manifests))
    changes = pair_incidents(before, after)
    if wants_json(as_json):
        _print_json_changes(changes, after)
        return
    _print_change_table(changes, after)


def _read_inputs(rows: list[str]) -> Mapping[StreamId, Sequence[StreamInput]]:
    """Return the recorded inputs, from a recording or from the lines of ``scan --json``."""
    first = next((row for row in rows if row.strip()), "")
    if '"event"' in first and '"v"' in first:
        return inputs_of_record(rows)
    return inputs_of_lines(read_lines(rows))


def _rows(scores: Path) -> list[str]:
    try:
        return (
            sys.stdin.readlines() if str(scores) == "-" else scores.read_text("utf-8").split("\n")
        )
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(
            f"{scores}: cannot be read ({error}); name a file that `scan --json` wrote"
        ) from error


def _print_json_changes(changes: IncidentChanges, after: tuple[Incident, ...]) -> None:
    rows: list[dict[str, Any]] = [
        {"change": "gained", **_row(incident)} for incident in changes.gained
    ]
    rows += [{"change": "lost", **_row(incident)} for incident in changes.lost]
    rows += [
        {"change": "moved", "before": _row(pair.before), "after": _row(pair.after)}
        for pair in changes.moved
    ]
    rows.append({"change": "none", "incidents": [_row(incident) for incident in after]})
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")


def _row(incident: Incident) -> dict[str, Any]:
    return {"type": "incident", **asdict(incident_line(incident.stream_id, incident))}


def _print_change_table(changes: IncidentChanges, after: tuple[Incident, ...]) -> None:
    table = new_table(
        f"{len(after)} incidents with this policy",
        "change",
        "path",
        "labels",
        "began",
        "known",
        "ended",
        "peak risk",
    )
    for incident in changes.gained:
        _add(table, "gained", incident)
    for incident in changes.lost:
        _add(table, "lost", incident)
    for pair in changes.moved:
        _add(table, "moved from", pair.before)
        _add(table, "to", pair.after)
    console = Console()
    console.print(
        table if table.row_count else f"{len(after)} incidents, none gained, lost or moved"
    )


def _add(table: Table, change: str, incident: Incident) -> None:
    line = incident_line(incident.stream_id, incident)
    table.add_row(
        change,
        sanitize(line.path),
        ", ".join(line.labels),
        clock(line.start),
        clock(line.opened),
        clock(line.end),
        f"{line.peak:.3f}",
    )
