"""Decided items as labelled rows, in Parquet or CSV by the end of the file's name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from scanner.archive.rows import ColumnType
from scanner.errors import SetupError
from scanner.private import write_file
from scanner.rational import load_fraction
from scanner.settings.policies import policies_of_rows
from scanner.store.configured import policies_on_channel
from scanner.store.decided import DecidedItem
from scanner.types import Label

__all__ = ["LABELLED_COLUMNS", "is_labelled", "labelled_row", "read_labelled", "write_labelled"]

LabelledValues = dict[str, Any]

LABELLED_COLUMNS: Final[dict[str, ColumnType]] = {
    "item_id": "text",
    "kind": "text",
    "stream_id": "text",
    "channel": "text",
    "label": "text",
    "labels": "text",
    "category": "text",
    "severity": "whole",
    "start_seconds": "real",
    "opened_seconds": "real",
    "end_seconds": "real",
    "risk": "real",
    "threshold": "real",
    "models": "text",
    "policy": "text",
    "generation": "whole",
    "flagged_at": "time",
    "verdict": "text",
    "reason": "text",
    "by": "text",
    "decided_at": "time",
}
"""Type of each column of a file of labelled rows."""


def labelled_row(
    item: DecidedItem, configurations: Mapping[int, Mapping[str, Any]]
) -> LabelledValues:
    """Return the values of an item's row; times of the stream are rounded to seconds as floats."""
    configuration = configurations.get(item.generation, {})
    policy = policies_on_channel(configuration, item.channel).get(item.label)
    incident: Mapping[str, Any] = item.incident or {}
    return {
        "item_id": item.item_id,
        "kind": item.kind,
        "stream_id": item.stream_id,
        "channel": item.channel,
        "label": item.label,
        "labels": " ".join(item.labels),
        "category": item.category,
        "severity": item.severity,
        "start_seconds": _seconds(incident.get("start")),
        "opened_seconds": _seconds(incident.get("opened")),
        "end_seconds": _seconds(incident.get("end")),
        "risk": item.risk,
        "threshold": None if policy is None else _threshold(item, policy),
        "models": " ".join(configuration.get("models", ())),
        "policy": "" if policy is None else _digest(policy),
        "generation": item.generation,
        "flagged_at": round(item.flagged_at * 1e6),
        "verdict": item.verdict,
        "reason": item.reason,
        "by": item.by,
        "decided_at": round(item.decided_at * 1e6),
    }


def write_labelled(path: Path, rows: Sequence[LabelledValues]) -> None:
    """Write rows to a file that only its owner may read.

    Raises:
        SetupError: the name ends neither with .parquet nor with .csv, or it cannot be written.
    """
    try:
        if path.suffix == ".parquet":
            from scanner.archive.files import write_rows

            write_rows(path, LABELLED_COLUMNS, rows)
        elif path.suffix == ".csv":
            write_file(path, _csv_of(rows).encode("utf-8"))
        else:
            raise SetupError(f"{path}: name a file that ends with .parquet or .csv")
    except OSError as error:
        raise SetupError(f"{path}: cannot be written: {error.strerror}") from error


def is_labelled(path: Path) -> bool:
    """Return whether a file has labelled rows, by its name or its first line."""
    if path.suffix == ".parquet":
        return True
    with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
        return file.readline().startswith("item_id,")
    return False


def read_labelled(path: Path) -> list[LabelledValues]:
    """Return the rows that ``write_labelled`` wrote, with times as microseconds.

    Raises:
        SetupError: it cannot be read, or has no such rows.
    """
    try:
        if path.suffix == ".parquet":
            from scanner.archive.files import read_rows

            return read_rows(path, LABELLED_COLUMNS)
        with path.open(newline="", encoding="utf-8") as file:
            return list(_rows_of_csv(csv.DictReader(file)))
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        message = f"{path}: has no rows of `streamwarden records export`: {error}"
        raise SetupError(message) from error


def _csv_of(rows: Sequence[LabelledValues]) -> str:
    """Return rows as CSV: times as ISO 8601, floats in the shortest exact form."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*LABELLED_COLUMNS], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        times = {name: _iso(row[name]) for name, kind in LABELLED_COLUMNS.items() if kind == "time"}
        writer.writerow({**row, **times})
    return text.getvalue()


def _rows_of_csv(table: csv.DictReader[str]) -> Iterator[LabelledValues]:
    for row in table:
        yield {name: _parse(row[name], kind) for name, kind in LABELLED_COLUMNS.items()}


def _parse(text: str, kind: ColumnType) -> Any:
    if kind == "text":
        return text or None
    if not text:
        return None
    if kind == "time":
        return round(datetime.fromisoformat(text).timestamp() * 1e6)
    return int(text) if kind == "whole" else float(text)


def _iso(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="microseconds")


def _threshold(item: DecidedItem, values: Mapping[str, Any]) -> float | None:
    """Return the risk at which the policy opens an incident of the label, or flags a picture; None
    if this release does not know the policy's method."""
    with suppress(KeyError, TypeError, ValueError):
        policy = policies_of_rows({item.label: values}).labels[Label(item.label)]
        return policy.still if item.kind == "image" else policy.risk(policy.open)
    return None


def _seconds(pair: Sequence[int] | None) -> float | None:
    return None if pair is None else float(load_fraction(pair))


def _digest(values: Mapping[str, Any]) -> str:
    return sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:12]
