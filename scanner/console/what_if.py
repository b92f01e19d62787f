"""What another policy would have done: recorded scores folded again, and the incidents compared
with what people decided. Runs as a process of its own, so that it slows no request down:

    python -m scanner.console.what_if --data FOLDER --since TIME < changes.toml
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from scanner.archive.reader import read_stream
from scanner.errors import InputError, ScannerError
from scanner.pipeline.replay import (
    IncidentChanges,
    RecordedStream,
    fold,
    inputs_of_record,
    pair_incidents,
)
from scanner.risk.incident import Incident
from scanner.risk.policy import Policies, Policy, matches_channel
from scanner.settings.policies import policies_of_rows
from scanner.store.configured import latest_policies
from scanner.store.database import Journal, open_journal
from scanner.store.replay_records import streams_since, verdicts_of
from scanner.store.review_queries import Sight
from scanner.types import Label, StreamId

__all__ = ["changed_policies", "compare_policies", "main"]

EVERYTHING: Final = Sight()
MOST_STREAMS: Final = 2000
"""Streams that are folded again, the newest ones."""
MOST_EXAMPLES: Final = 20
SECONDS_AN_ITEM: Final = 45.0
"""Time that a reviewer is assumed to need for an item."""
CHANGEABLE: Final = (
    "open",
    "close_margin",
    "close_after",
    "window",
    "dwell",
    "hold",
    "severity",
    "unseen_end",
    "shadow",
    "escalate_after",
    "recurrence",
    "recurrence_window",
    "cool_down",
    "escalate_steps",
)
"""Values of a policy that can be tried out."""
SECTIONS: Final = ("policy", "channels")
"""Sections of the changes, as in a settings file."""


def changed_policies(
    common: Policies, text: str, *, channel: str | None = None, of_channel: Policies | None = None
) -> Policies:
    """Return the policies of a channel with the changes of a TOML text, in the form of a settings
    file: ``[policy]`` changes what the channel has in ``common``, as ``of_channel`` differs from
    it by values of the channel's own, and the first of ``[[channels]]`` that matches changes those.

    Raises:
        InputError: it is not TOML, or names a section, a label or a value that there is not.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the policy is not TOML: {error}") from error
    if unknown := sorted(tables.keys() - set(SECTIONS)):
        raise InputError(f"{unknown[0]}: cannot be tried out; wanted {' or '.join(SECTIONS)}")
    policies = of_channel or common
    labels = dict(policies.labels)
    for name, values in _by_label(labels, tables.get("policy", {}), "policy"):
        own, shared = labels[name], common.labels.get(name, labels[name])
        inherited = {
            key: value
            for key, value in values.items()
            if getattr(own, key, None) == getattr(shared, key, None)
        }
        labels[name] = _changed(f"policy.{name}", own, inherited)
    matching = None
    for number, one in enumerate(_channel_tables(tables)):
        of_pattern = {**labels}
        where = f"channels.{number}.policy"
        for name, values in _by_label(labels, one.get("policy", {}), where):
            of_pattern[name] = _changed(f"{where}.{name}", labels[name], values)
        if matching is None and channel is not None and matches_channel(channel, one["match"]):
            matching = of_pattern
    return replace(policies, labels=labels if matching is None else matching)


def _channel_tables(tables: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = tables.get("channels", [])
    for number, one in enumerate(found if isinstance(found, list) else [None]):
        if not isinstance(one, dict) or not isinstance(one.get("match"), str):
            raise InputError(f"channels.{number}: wanted a table [[channels]] with match = NAME")
        if unknown := sorted(one.keys() - {"match", "policy"}):
            raise InputError(f"channels.{number}.{unknown[0]}: wanted match and policy")
    return list(found)


def _by_label(
    labels: Mapping[Label, Policy], tables: Any, where: str
) -> Iterator[tuple[Label, Mapping[str, Any]]]:
    for name, values in tables.items() if isinstance(tables, dict) else [("", None)]:
        if name not in labels or not isinstance(values, dict):
            known = ", ".join(sorted(labels))
            raise InputError(f"{where}.{name}: no such label; there are {known}")
        if unknown := sorted(values.keys() - set(CHANGEABLE)):
            raise InputError(
                f"{where}.{name}.{unknown[0]}: cannot be tried out; wanted {', '.join(CHANGEABLE)}"
            )
        yield Label(name), values


def _changed(where: str, policy: Policy, values: Mapping[str, Any]) -> Policy:
    exact = {one.name for one in fields(Policy) if isinstance(one.default, Fraction)}
    try:
        given: dict[str, Any] = {
            key: Fraction(str(value)) if key in exact else value for key, value in values.items()
        }
        return replace(policy, **given)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: {error}") from error


def compare_policies(
    journal: Journal, data: Path, text: str, *, since: float, sight: Sight = EVERYTHING
) -> dict[str, Any]:
    """Return the incidents that changed policies gain, lose and move on the streams since a
    wall-clock time, with what people decided about those that are lost: those that the person may
    see. Scores that left the journal come from the files in the folder ``data``.

    Raises:
        InputError: the changes are not valid.
    """
    in_force = cache(partial(_policies_on, journal))
    changed = cache(
        lambda channel: changed_policies(
            in_force(None), text, channel=channel, of_channel=in_force(channel)
        )
    )
    changed(None)  # so that an error is told without a stream
    changes: list[IncidentChanges] = []
    for stream_id, stream, channel in _recorded(journal, data, since):
        if sight.channels is not None and channel not in sight.channels:
            continue
        recorded = {stream_id: stream}
        policies = in_force(channel), changed(channel)
        before, after = (fold(recorded, one).incidents for one in policies)
        changes.append(pair_incidents(_seen(before, sight), _seen(after, sight)))
    return _document(changes, verdicts_of(journal))


def _policies_on(journal: Journal, channel: str | None) -> Policies:
    """Return the policies in force on a channel."""
    with journal.read() as connection:
        return policies_of_rows(latest_policies(connection, channel))


def _recorded(
    journal: Journal, data: Path, since: float
) -> Iterator[tuple[StreamId, RecordedStream, str | None]]:
    for name, channel in streams_since(journal, since, limit=MOST_STREAMS):
        events = ((name, StreamId(name), event) for event in read_stream(journal, data, name))
        for stream_id, stream in inputs_of_record(events).items():
            yield stream_id, stream, channel


def _seen(found: Iterable[Incident], sight: Sight) -> list[Incident]:
    hidden = sight.hidden_categories
    return [one for one in found if not one.shadow and one.category not in hidden]


def _document(changes: Sequence[IncidentChanges], verdicts: Mapping[str, str]) -> dict[str, Any]:
    gained = [one for change in changes for one in change.gained]
    lost = [one for change in changes for one in change.lost]
    pairs = [pair for change in changes for pair in (*change.moved, *change.kept)]
    delays = [float(pair.after.opened - pair.before.opened) for pair in pairs]
    decided = [verdicts.get(one.id, "undecided") for one in lost]
    return {
        "streams": len(changes),
        "before": len(lost) + len(pairs),
        "after": len(gained) + len(pairs),
        "gained": len(gained),
        "lost": len(lost),
        "lost_violations": decided.count("violation"),
        "lost_cleared": decided.count("no_violation"),
        "lost_undecided": decided.count("undecided"),
        "moved": sum(len(change.moved) for change in changes),
        "more_severe": sum(one.after.severity > one.before.severity for one in pairs),
        "less_severe": sum(one.after.severity < one.before.severity for one in pairs),
        "mean_delay": sum(delays) / len(delays) if delays else 0.0,
        "reviewer_hours": (len(gained) - len(lost)) * SECONDS_AN_ITEM / 3600.0,
        "examples": {
            "gained": [_example(one, None) for one in gained[:MOST_EXAMPLES]],
            "lost": [_example(one, verdicts.get(one.id)) for one in lost[:MOST_EXAMPLES]],
        },
    }


def _example(incident: Incident, verdict: str | None) -> dict[str, Any]:
    return {
        "id": incident.id,
        "stream_id": incident.stream_id,
        "labels": list(incident.labels),
        "start": round(float(incident.start), 3),
        "risk": incident.peak,
        "verdict": verdict,
    }


def main() -> int:
    """Print the comparison as JSON; or, with status 1, what is wrong with the changes."""
    parser = argparse.ArgumentParser(prog="python -m scanner.console.what_if")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--since", type=float, required=True)
    parser.add_argument("--channels", type=json.loads, help="JSON list; null for all")
    parser.add_argument("--hidden", type=json.loads, default=[], help="JSON list of categories")
    given = parser.parse_args()
    channels = None if given.channels is None else frozenset(given.channels)
    sight = Sight(channels=channels, hidden_categories=frozenset(given.hidden))
    os.nice(10)
    try:
        journal = open_journal(given.data)
        text = sys.stdin.read()
        result = compare_policies(journal, given.data, text, since=given.since, sight=sight)
    except ScannerError as error:
        sys.stdout.write(json.dumps({"error": str(error)}))
        return 1
    sys.stdout.write(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
