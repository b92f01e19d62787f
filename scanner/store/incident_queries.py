"""Queries about incidents: documents of plain values for the HTTP interface."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import and_, func, or_, select

from scanner.rational import load_optional
from scanner.store.database import Journal
from scanner.store.reasons import incident_reasons
from scanner.store.schema import effects, evidence, incident_revisions, incidents

__all__ = ["IncidentQueries", "severity_document"]

MOST_REVISIONS: Final = 500
"""Latest revisions of an incident that are listed."""


class IncidentQueries:
    """Reads of the incidents of one journal; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def incidents(
        self,
        *,
        stream_id: str | None = None,
        channel: str | None = None,
        label: str | None = None,
        detection: str | None = None,
        shadow: bool = False,
        channels: frozenset[str] | None = None,
        hidden_categories: frozenset[str] = frozenset(),
        before: tuple[float, str] | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Return incidents, those that opened last first; of ``channels`` only, if given, and of no
        hidden category."""
        columns = incidents.c
        query = select(incidents).where(columns.shadow == shadow)
        for column, value in (
            (columns.stream_id, stream_id),
            (columns.channel, channel),
            (columns.label, label),
            (columns.detection, detection),
        ):
            if value is not None:
                query = query.where(column == value)
        if channels is not None:
            query = query.where(columns.channel.in_(sorted(channels)))
        if hidden_categories:
            query = query.where(columns.category.not_in(sorted(hidden_categories)))
        if before is not None:
            at, name = before
            earlier = and_(columns.opened_at == at, columns.incident_id > name)
            query = query.where(or_(columns.opened_at < at, earlier))
        query = query.order_by(columns.opened_at.desc(), columns.incident_id).limit(limit)
        with self._journal.read() as connection:
            rows = connection.execute(query).all()
        return [_incident_document(row) for row in rows]

    def incident(self, incident_id: str) -> dict[str, Any] | None:
        """Return an incident with its reasons, revisions, evidence and deliveries, or None."""
        with self._journal.read() as connection:
            row = connection.execute(
                select(incidents).where(incidents.c.incident_id == incident_id)
            ).one_or_none()
            if row is None:
                return None
            revisions = connection.execute(
                select(incident_revisions)
                .where(incident_revisions.c.incident_id == incident_id)
                .order_by(incident_revisions.c.revision.desc())
                .limit(MOST_REVISIONS)
            ).all()
            pieces = connection.execute(
                select(evidence)
                .where(evidence.c.incident_id == incident_id)
                .order_by(evidence.c.piece)
            ).all()
            sent = connection.execute(
                select(effects)
                .where(effects.c.incident_id == incident_id)
                .order_by(effects.c.revision.desc(), effects.c.sink)
                .limit(MOST_REVISIONS)
            ).all()
            why = incident_reasons(connection, incident_id)
        return {
            **_incident_document(row),
            "why": why,
            "revisions": [_revision_document(one) for one in reversed(revisions)],
            "evidence": [_evidence_document(one) for one in pieces],
            "deliveries": [_effect_document(one) for one in reversed(sent)],
        }

    def count_open(self, stream_ids: Sequence[str], *, without: Collection[str]) -> dict[str, int]:
        """Return the open incidents of each of some streams that has any, without some
        categories."""
        columns = incidents.c
        query = (
            select(columns.stream_id, func.count())
            .where(columns.stream_id.in_(list(stream_ids)), columns.detection == "open")
            .where(columns.category.not_in(sorted(without)))
            .group_by(columns.stream_id)
        )
        with self._journal.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def piece(self, incident_id: str, piece: str) -> dict[str, Any] | None:
        """Return a piece of evidence with the channel and category of its incident, or None."""
        query = (
            select(evidence, incidents.c.channel, incidents.c.category)
            .join(incidents, incidents.c.incident_id == evidence.c.incident_id)
            .where(evidence.c.incident_id == incident_id, evidence.c.piece == piece)
        )
        with self._journal.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        of = {"channel": row.channel, "category": row.category, "object": row.object}
        return {**_evidence_document(row), **of}


def _incident_document(row: Any) -> dict[str, Any]:
    body = json.loads(row.body)
    times = {name: body[name] for name in ("start", "opened", "end")}
    return {
        "id": row.incident_id,
        "revision": row.revision,
        "stream_id": row.stream_id,
        "channel": row.channel,
        "label": body["label"],
        "labels": body["labels"],
        "category": body["category"],
        **severity_document(body),
        "risk": body["peak"],
        **{name: _round_seconds(pair) for name, pair in times.items()},
        "exact": times,
        "reason": body["reason"],
        "detection": row.detection,
        "shadow": row.shadow,
        "opened_at": row.opened_at,
        "updated_at": row.updated_at,
    }


def severity_document(incident: Mapping[str, Any]) -> dict[str, Any]:
    """Return the severity of an incident, given as JSON, and what raised it."""
    steps = [{**one, "at": _round_seconds(one["at"])} for one in incident.get("escalation", ())]
    return {
        "severity": incident["severity"],
        "base_severity": incident.get("base_severity", incident["severity"]),
        "escalation": steps,
    }


def _revision_document(row: Any) -> dict[str, Any]:
    body = json.loads(row.body)
    return {
        "revision": row.revision,
        "kind": row.kind,
        "label": body["label"],
        "labels": body["labels"],
        "severity": body["severity"],
        "risk": body["peak"],
        "end": _round_seconds(body["end"]),
        "generation": row.generation,
        "created_at": row.created_at,
    }


def _evidence_document(row: Any) -> dict[str, Any]:
    return {
        "piece": row.piece,
        "status": row.status,
        "result": None if row.result is None else json.loads(row.result),
        "reason": row.reason,
        "updated_at": row.updated_at,
    }


def _effect_document(row: Any) -> dict[str, Any]:
    return {
        "sink": row.sink,
        "revision": row.revision,
        "status": row.status,
        "attempts": row.attempts,
        "next_at": row.next_at if row.status == "pending" else None,
        "error": row.error,
        "receipt": None if row.receipt is None else json.loads(row.receipt),
        "updated_at": row.updated_at,
    }


def _round_seconds(pair: list[int] | None) -> float | None:
    value = load_optional(pair)
    return None if value is None else round(float(value), 3)
