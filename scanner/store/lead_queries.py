"""Figures of the review console for a lead: what was decided, how soon, and how often rightly."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, exists, func, select

from scanner.store.database import Journal
from scanner.store.review_queries import Sight
from scanner.store.review_schema import PENDING_STATES, decisions, reviews
from scanner.store.schema import (
    configurations,
    incident_revisions,
    incidents,
    segments,
    streams,
)

__all__ = ["LeadQueries"]

MOST_STREAMS: Final = 5000
"""Streams whose summaries are read, the newest ones."""
MOST_DECISIONS: Final = 100_000
LEAST_SCORE: Final = 0.01
"""Score below which nothing is a near miss."""


class LeadQueries:
    """Reads of one journal about the work of reviewers; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def verdicts(self, sight: Sight, *, since: float) -> list[dict[str, Any]]:
        """Return the final verdicts that were made since a wall-clock time and not undone, oldest
        first; the latest of each item is ``in_force``. ``policies`` is the generation of the
        configuration, None for a picture; ``policy`` is a text that is the same for the same policy
        of the label and the same models."""
        with self._journal.read() as connection:
            rows = connection.execute(_verdicts(sight, since)).all()
            policies = _policies(connection, {row.generation for row in rows})
        return [
            {
                "item_id": row.item_id,
                "kind": row.item_kind,
                "verdict": row.verdict,
                "by": row.by,
                "person": row.person,
                "at": row.created_at,
                "in_force": not row.is_superseded,
                "seconds": max(0.0, row.created_at - row.flagged_at),
                "label": row.label,
                "severity": row.severity,
                "policies": row.generation,
                "policy": policies(row.generation, row.label),
            }
            for row in rows
        ]

    def seen(self, sight: Sight, *, since: float) -> dict[str, float]:
        """Return the hours of streams of some channels that were scored since a wall-clock time,
        and the share of those streams that was seen."""
        length = func.sum(segments.c.span_end - segments.c.span_start)
        scored = select(length).where(
            segments.c.verdict == "scored", segments.c.verdict_at >= since
        )
        if sight.channels is not None:
            own = select(streams.c.stream_id).where(streams.c.channel.in_(sorted(sight.channels)))
            scored = scored.where(segments.c.stream_id.in_(own))
        with self._journal.read() as connection:
            seconds = connection.execute(scored).scalar_one() or 0.0
        total = seen = 0.0
        for summary in self._summaries(sight, since):
            total += summary.get("seconds") or 0.0
            seen += (summary.get("seconds") or 0.0) * (summary.get("coverage") or 0.0)
        return {"hours": seconds / 3600.0, "coverage": seen / total if total else 1.0}

    def waiting_severe(self, sight: Sight, *, severity: int = 3) -> dict[str, Any]:
        """Return how many items of a severity wait for a decision, and since when the oldest."""
        columns = reviews.c
        query = select(func.count(), func.min(columns.waiting_since)).where(
            columns.state.in_(PENDING_STATES), columns.severity >= severity, sight.condition
        )
        with self._journal.read() as connection:
            count, oldest = connection.execute(query).one()
        return {"count": count, "oldest_at": oldest}

    def near_misses(
        self, sight: Sight, *, since: float, limit: int = 50, without: Collection[str] = ()
    ) -> list[dict[str, Any]]:
        """Return streams with the highest scores of labels that opened no incident there, and
        pictures with those of labels that they were not flagged for; ``without`` some labels."""
        columns = streams.c
        has_incident = exists().where(incidents.c.stream_id == columns.stream_id)
        opened = has_incident | exists().where(reviews.c.stream_id == columns.stream_id)
        query = (
            select(columns.stream_id, columns.channel, columns.created_at, columns.summary)
            .add_columns(opened.label("opened"))
            .where(columns.created_at >= since, columns.summary.is_not(None))
            .order_by(columns.created_at.desc())
            .limit(MOST_STREAMS)
        )
        if sight.channels is not None:
            query = query.where(columns.channel.in_(sorted(sight.channels)))
        with self._journal.read() as connection:
            rows = connection.execute(query).all()
            labels = _labels_by_stream(connection, [row.stream_id for row in rows if row.opened])
        found = [
            one
            for row in rows
            for one in _misses(row, labels.get(row.stream_id, set()).union(without))
        ]
        return sorted(found, key=lambda one: -one["score"])[:limit]

    def _summaries(self, sight: Sight, since: float) -> Iterator[dict[str, Any]]:
        query = (
            select(streams.c.summary)
            .where(streams.c.folded_at >= since, streams.c.kind == "live")
            .order_by(streams.c.created_at.desc())
            .limit(MOST_STREAMS)
        )
        if sight.channels is not None:
            query = query.where(streams.c.channel.in_(sorted(sight.channels)))
        with self._journal.read() as connection:
            texts = connection.execute(query).scalars().all()
        yield from (json.loads(text) for text in texts if text)


def _verdicts(sight: Sight, since: float) -> Select[Any]:
    undo, later = decisions.alias("undo"), decisions.alias("later")
    columns = decisions.c
    is_superseded = exists().where(
        later.c.item_id == columns.item_id,
        later.c.number > columns.number,
        (later.c.kind == "made") & later.c.final,
        ~exists().where(undo.c.undoes == later.c.number),
    )
    revision = (incident_revisions.c.incident_id == columns.item_id) & (
        incident_revisions.c.revision == columns.revision
    )
    return (
        select(decisions, reviews.c.flagged_at, reviews.c.label, reviews.c.severity)
        .add_columns(incident_revisions.c.generation, reviews.c.kind.label("item_kind"))
        .add_columns(is_superseded.label("is_superseded"))
        .join(reviews, reviews.c.item_id == columns.item_id)
        .outerjoin(incident_revisions, revision)
        .where(columns.kind == "made", columns.final, columns.created_at >= since)
        .where(~exists().where(undo.c.undoes == columns.number), sight.condition)
        .order_by(columns.number)
        .limit(MOST_DECISIONS)
    )


def _policies(
    connection: Connection, generations: set[int | None]
) -> Callable[[int | None, str], str]:
    """Return a function from generation and label to a text that names the policy and models."""
    query = select(configurations.c.generation, configurations.c.body)
    rows = connection.execute(query.where(configurations.c.generation.in_(generations - {None})))
    bodies = {row.generation: json.loads(row.body) for row in rows}

    def policy(generation: int | None, label: str) -> str:
        body = bodies.get(generation)
        if body is None:
            return "" if generation is None else f"generation {generation}"
        facts = [body.get("models"), body.get("labels", {}).get(label)]
        return json.dumps(facts, sort_keys=True)

    return policy


def _labels_by_stream(connection: Any, names: Sequence[str]) -> dict[str, set[str]]:
    """Return the labels of all incidents and flagged pictures of some streams."""
    found: dict[str, set[str]] = {}
    for first in range(0, len(names), 500):
        some = names[first : first + 500]
        of = incidents.c.stream_id
        for row in connection.execute(select(of, incidents.c.body).where(of.in_(some))):
            found.setdefault(row.stream_id, set()).update(json.loads(row.body)["labels"])
        of = reviews.c.stream_id
        for row in connection.execute(select(of, reviews.c.labels).where(of.in_(some))):
            found.setdefault(row.stream_id, set()).update(json.loads(row.labels))
    return found


def _misses(row: Any, opened: set[str]) -> Iterator[dict[str, Any]]:
    for label, score in json.loads(row.summary).get("peaks", {}).items():
        if label not in opened and score >= LEAST_SCORE:
            yield {
                "stream_id": row.stream_id,
                "channel": row.channel,
                "created_at": row.created_at,
                "label": label,
                "score": score,
            }
