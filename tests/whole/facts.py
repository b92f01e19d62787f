"""What the journal of a service says, read by a checker that shares no code with the service."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite

__all__ = [
    "Facts",
    "finished_streams",
    "heartbeat_generation",
    "heartbeats",
    "latest_verdict",
    "read_facts",
]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the journal says, read with plain SQL."""

    verdicts: dict[tuple[str, int], str | None]
    turns: dict[str, list[int]]
    folded: dict[str, tuple[int, int, str]]
    """Turns that are folded and placed, and the phase, of each stream."""
    events: dict[tuple[str, int], list[Any]]
    revisions: dict[tuple[str, int], tuple[str, Any]]
    evidence: list[tuple[str, str, str, str | None]]
    objects: set[str]
    counted: dict[str, float]
    """Segments by verdict, as the counters say."""

    def accounts(self) -> dict[tuple[str, int], list[str]]:
        """Return how each segment is in the events of turns: scored, failed, shed, lost or late."""
        found: dict[tuple[str, int], list[str]] = {}
        for event in (one for listed in self.events.values() for one in listed):
            if (kind := _ACCOUNTS.get(event["event"])) is not None:
                inner = [event.get(name, {}) for name in ("segment", "scored", "failed")]
                (key,) = [tuple(one["key"]) for one in (event, *inner) if "key" in one]
                found.setdefault(key, []).append(event.get("reason", kind))
        return found

    def scored_twice(self) -> list[tuple[str, int]]:
        """Return the segments that are in the events of more than one turn."""
        seen: dict[tuple[str, int], int] = {}
        for listed in self.events.values():
            for event in listed:
                if event["event"] == "SegmentScored":
                    key = tuple(event["segment"]["key"])
                    seen[key] = seen.get(key, 0) + 1  # type: ignore[index]
        return [key for key, count in seen.items() if count > 1]

    def broken_logs(self) -> list[str]:
        """Return the streams whose turns are not 0, 1, 2 ... up to what the stream says."""
        return [
            stream
            for stream, (folded, _, _) in self.folded.items()
            if self.turns.get(stream, []) != list(range(folded))
        ]


_COUNTED = "SELECT label, sum(value) FROM counters WHERE name = 'segments' GROUP BY label"
_ACCOUNTS = {
    "SegmentScored": "scored",
    "SegmentFailed": "failed",
    "SegmentUnavailable": "lost",
    "SegmentLate": "late",
}


def _stored_objects(folder: Path) -> set[str]:
    """Return the names of all files; ``os.walk`` passes over folders that vanish meanwhile."""
    return {
        Path(parent, name).relative_to(folder).as_posix()
        for parent, _, names in os.walk(folder)
        for name in names
    }


def read_facts(data: Path) -> Facts:
    """Read a journal; the service may run."""
    connection = sqlite.connect(f"file:{data / 'journal.sqlite3'}?mode=ro", uri=True, timeout=30)

    def rows(query: str) -> Iterable[Any]:
        return connection.execute(query).fetchall()

    try:
        turns: dict[str, list[int]] = {}
        events: dict[tuple[str, int], list[Any]] = {}
        for stream, turn, packed in rows(
            "SELECT stream_id, turn, events FROM turn_records ORDER BY stream_id, turn"
        ):
            turns.setdefault(stream, []).append(turn)
            events[stream, turn] = json.loads(zlib.decompress(packed))["events"]
        verdicts = rows("SELECT stream_id, sequence, verdict FROM segments")
        return Facts(
            verdicts={(stream, sequence): verdict for stream, sequence, verdict in verdicts},
            turns=turns,
            folded={
                stream: (turn, assigned, phase)
                for stream, turn, assigned, phase in rows(
                    "SELECT stream_id, turn, assigned, phase FROM streams"
                )
            },
            events=events,
            revisions={
                (incident, revision): (kind, json.loads(body))
                for incident, revision, kind, body in rows(
                    "SELECT incident_id, revision, kind, body FROM incident_revisions"
                )
            },
            evidence=list(rows("SELECT incident_id, piece, status, object FROM evidence")),
            objects=_stored_objects(data / "objects"),
            counted=dict(rows(_COUNTED)),
        )
    finally:
        connection.close()


def heartbeats(data: Path) -> set[str]:
    """Return the parts of a service that have ever recorded that they are well."""
    connection = sqlite.connect(f"file:{data / 'journal.sqlite3'}?mode=ro", uri=True, timeout=30)
    try:
        return {name for (name,) in connection.execute("SELECT process FROM heartbeats")}
    finally:
        connection.close()


def heartbeat_generation(data: Path, process: str) -> int:
    """Return the generation that a part named in its latest heartbeat; 0 if there is none."""
    connection = sqlite.connect(f"file:{data / 'journal.sqlite3'}?mode=ro", uri=True, timeout=30)
    try:
        query = "SELECT body FROM heartbeats WHERE process = ?"
        found = connection.execute(query, (process,)).fetchone()
        return 0 if found is None else int(json.loads(found[0])["generation"])
    finally:
        connection.close()


def latest_verdict(data: Path) -> float:
    """Return when a segment got its verdict last, in seconds since the epoch; 0 if none has one."""
    connection = sqlite.connect(f"file:{data / 'journal.sqlite3'}?mode=ro", uri=True, timeout=30)
    try:
        (at,) = connection.execute("SELECT max(verdict_at) FROM segments").fetchone()
        return float(at or 0.0)
    finally:
        connection.close()


def finished_streams(data: Path) -> set[str]:
    """Return the streams that are finished."""
    connection = sqlite.connect(f"file:{data / 'journal.sqlite3'}?mode=ro", uri=True, timeout=30)
    try:
        return {
            name
            for (name,) in connection.execute(
                "SELECT stream_id FROM streams WHERE phase = 'finished'"
            )
        }
    finally:
        connection.close()
