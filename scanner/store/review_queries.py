"""Queries of the review console: the queue, an item, decisions; documents of plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Row, Select, and_, exists, func, or_, select

from scanner.store.configured import latest_policies
from scanner.store.database import Journal
from scanner.store.review_documents import (
    decision_document,
    delivery_document,
    item_document,
    item_of_decision,
    mute_document,
    queue_totals,
)
from scanner.store.review_schema import (
    PENDING_STATES,
    decision_effects,
    decisions,
    mutes,
    reviews,
)
from scanner.store.review_versions import version_of_totals
from scanner.store.schema import segments, streams

__all__ = ["QueueFilter", "ReviewQueries", "Sight"]

MOST_EARLIER: Final = 20
"""Earlier items of a stream or channel that are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The items that somebody may see."""

    channels: frozenset[str] | None = None
    """None for all."""
    hidden_categories: frozenset[str] = frozenset()

    @property
    def condition(self) -> ColumnElement[bool]:
        """The condition on ``reviews``."""
        allowed = reviews.c.category.not_in(sorted(self.hidden_categories))
        if self.channels is None:
            return allowed
        return and_(allowed, reviews.c.channel.in_(sorted(self.channels)))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilter:
    """The items of the queue that are asked for; None asks for all."""

    states: tuple[str, ...] = PENDING_STATES
    """Of the table; ``claimed`` is the lease and asked for with ``is_claimed``."""
    is_claimed: bool | None = None
    category: str | None = None
    label: str | None = None
    stream_id: str | None = None
    channel: str | None = None
    kind: str | None = None
    assigned_to: str | None = None
    older_than: float | None = None
    """Least seconds since it was flagged."""
    search: str | None = None
    """Part of the name of the stream, the channel or a label, in any case."""

    def conditions(self, now: float) -> list[ColumnElement[bool]]:
        """Return the conditions on ``reviews`` besides the states."""
        columns = reviews.c
        found: list[ColumnElement[bool]] = []
        for column, value in (
            (columns.category, self.category),
            (columns.stream_id, self.stream_id),
            (columns.channel, self.channel),
            (columns.kind, self.kind),
            (columns.assigned_to, self.assigned_to),
        ):
            if value is not None:
                found.append(column == value)
        if self.label is not None:
            found.append(columns.labels.contains(json.dumps(self.label), autoescape=True))
        if self.is_claimed is not None:
            lease = columns.claimed_until > now
            found.append(lease if self.is_claimed else ~lease)
        if self.older_than is not None:
            found.append(columns.flagged_at <= now - self.older_than)
        if self.search:
            found.append(_matches(self.search))
        return found


class ReviewQueries:
    """Reads of the review console; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    # Queue

    def queue(
        self,
        wanted: QueueFilter,
        sight: Sight,
        *,
        after: tuple[float, float, str] | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Return items, the most urgent first: by severity, by risk, by waiting time.

        ``after`` is rank, waiting time and id of the item before the page.
        """
        now = self._journal.now()
        query = select(reviews).where(sight.condition, *wanted.conditions(now))
        if after is not None:
            query = query.where(_after(*after))
        rows: list[Row[Any]] = []
        with self._journal.read() as connection:
            for state in wanted.states:
                rows += connection.execute(_most_urgent(query, state, limit)).all()
        rows.sort(key=lambda row: (row.rank, row.waiting_since, row.item_id))
        return [item_document(row, now) for row in rows[:limit]]

    def counts(self, sight: Sight) -> dict[str, Any]:
        """Return pending items by state and by category, those that are claimed, and when the
        oldest was flagged."""
        totals, _ = self.totals(sight)
        return totals

    def totals(self, sight: Sight) -> tuple[dict[str, Any], str]:
        """Return what ``counts`` does, and the version of the queue at the same moment."""
        now, columns = self._journal.now(), reviews.c
        claimed = func.sum((columns.claimed_until > now).cast(Integer))
        query = (
            select(columns.state, columns.category, columns.severity)
            .add_columns(func.count().label("items"), func.min(columns.flagged_at).label("oldest"))
            .add_columns(claimed.label("claimed"), func.max(columns.updated_at).label("latest"))
            .where(columns.state.in_(PENDING_STATES), sight.condition)
            .group_by(columns.state, columns.category, columns.severity)
        )
        with self._journal.read() as connection:
            rows = connection.execute(query).all()
        return queue_totals(rows), version_of_totals(rows)

    def next_item(
        self,
        wanted: QueueFilter,
        sight: Sight,
        person: str,
        *,
        leads: bool = False,
        without: Sequence[str] = (),
    ) -> str | None:
        """Return the most urgent item that a person may decide now, or None: not claimed by
        somebody else, not assigned to somebody else, no second look at an own decision, and
        escalated only for one who ``leads``."""
        now, columns = self._journal.now(), reviews.c
        own = exists().where(
            decisions.c.item_id == columns.item_id,
            decisions.c.person == person,
            decisions.c.kind == "made",
            ~exists().where(_undo.c.undoes == decisions.c.number),
        )
        query = select(columns.item_id, columns.rank, columns.waiting_since).where(
            sight.condition,
            *wanted.conditions(now),
            columns.item_id.not_in(list(without)),
            (columns.claimed_until <= now) | (columns.claimed_by == person),
            columns.assigned_to.is_(None) | (columns.assigned_to == person),
            (columns.state != "second_look") | ~own,
        )
        rows: list[Row[Any]] = []
        states = [state for state in wanted.states if leads or state != "escalated"]
        with self._journal.read() as connection:
            for state in states:
                rows += connection.execute(_most_urgent(query, state, 1)).all()
        first = min(rows, key=lambda row: (row.rank, row.waiting_since, row.item_id), default=None)
        return None if first is None else str(first.item_id)

    # Items

    def item(self, item_id: str) -> dict[str, Any] | None:
        """Return an item with its decisions, mutes and deliveries, or None."""
        now = self._journal.now()
        with self._journal.read() as connection:
            row = connection.execute(
                select(reviews).where(reviews.c.item_id == item_id)
            ).one_or_none()
            if row is None:
                return None
            made = connection.execute(_with_undone(decisions.c.item_id == item_id)).all()
            sent = connection.execute(
                select(decision_effects)
                .where(decision_effects.c.item_id == item_id)
                .order_by(decision_effects.c.number, decision_effects.c.sink)
            ).all()
            muted = connection.execute(_mutes_of(row, now)).all()
        return {
            **item_document(row, now),
            "decisions": [decision_document(one) for one in made],
            "deliveries": [delivery_document(one) for one in sent],
            "mutes": [mute_document(one) for one in muted],
        }

    def earlier(self, item: Mapping[str, Any], sight: Sight) -> list[dict[str, Any]]:
        """Return other items of the stream and its channel, across reconnects, the latest first."""
        columns = reviews.c
        same = columns.stream_id == item["stream_id"]
        if item["channel"] is not None:
            same = or_(same, columns.channel == item["channel"])
        query = (
            select(reviews)
            .where(same, columns.item_id != item["item_id"], sight.condition)
            .order_by(columns.flagged_at.desc())
            .limit(MOST_EARLIER)
        )
        now = self._journal.now()
        with self._journal.read() as connection:
            rows = connection.execute(query).all()
        return [item_document(row, now) for row in rows]

    def picture(self, stream_id: str) -> str | None:
        """Return the name of the object of a picture; None once it is deleted."""
        columns = segments.c
        query = select(columns.object).where(columns.stream_id == stream_id)
        query = query.where(columns.sequence == 0, columns.stage == "stored")
        with self._journal.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def activity(self, sight: Sight, *, since: float) -> dict[str, int]:
        """Return what happened since a wall-clock time to what somebody may see: items flagged,
        decisions, segments that were scored, and streams that they are of."""
        flagged = select(func.count()).select_from(reviews)
        flagged = flagged.where(reviews.c.flagged_at >= since, sight.condition)
        decided = select(func.count()).select_from(decisions)
        decided = decided.join(reviews, reviews.c.item_id == decisions.c.item_id)
        decided = decided.where(
            decisions.c.created_at >= since, decisions.c.kind == "made", sight.condition
        )
        scored = select(func.count(), func.count(segments.c.stream_id.distinct()))
        scored = scored.where(segments.c.verdict_at >= since, segments.c.verdict == "scored")
        if sight.channels is not None:
            own = select(streams.c.stream_id).where(streams.c.channel.in_(sorted(sight.channels)))
            scored = scored.where(segments.c.stream_id.in_(own))
        with self._journal.read() as connection:
            counts = connection.execute(scored).one()
            return {
                "flagged": connection.execute(flagged).scalar_one(),
                "decided": connection.execute(decided).scalar_one(),
                "segments": counts[0],
                "streams": counts[1],
            }

    def reviewers(self, labels: Sequence[str], channel: str | None) -> int:
        """Return how many people have to come to the same verdict, by the policies in force on the
        channel."""
        with self._journal.read() as connection:
            policies = latest_policies(connection, channel)
        return max((policies.get(label, {}).get("reviewers", 1) for label in labels), default=1)

    # Decisions

    def decisions(self, sight: Sight, *, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """Return decisions and what was undone in the order of their commits, after a number."""
        query = (
            _with_undone(decisions.c.number > after)
            .join(reviews, reviews.c.item_id == decisions.c.item_id)
            .add_columns(reviews.c.stream_id, reviews.c.channel, reviews.c.label)
            .add_columns(reviews.c.labels, reviews.c.category, reviews.c.severity)
            .add_columns(reviews.c.kind.label("item_kind"), reviews.c.flagged_at)
            .where(sight.condition)
            .limit(limit)
        )
        with self._journal.read() as connection:
            rows = connection.execute(query).all()
        return [{**decision_document(row), "item": item_of_decision(row)} for row in rows]

    def latest_of(self, person: str) -> dict[str, Any] | None:
        """Return the latest decision of a person that is in force, which ``undo`` would end."""
        query = (
            _with_undone(
                and_(decisions.c.person == person, decisions.c.kind == "made"), latest_first=True
            )
            .where(_UNDONE.is_(None))
            .limit(1)
        )
        with self._journal.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else decision_document(row)


def _most_urgent(query: Select[Any], state: str, limit: int) -> Select[Any]:
    """Select the most urgent items of one state: read in the order of an index, which is of no use
    for several states at once."""
    columns = reviews.c
    query = query.where(columns.state == state)
    return query.order_by(columns.rank, columns.waiting_since, columns.item_id).limit(limit)


def _matches(text: str) -> ColumnElement[bool]:
    columns = reviews.c
    named = (columns.stream_id, columns.channel, columns.labels, columns.item_id)
    return or_(*(column.icontains(text, autoescape=True) for column in named))


def _after(rank: float, since: float, item_id: str) -> ColumnElement[bool]:
    columns = reviews.c
    later = and_(columns.waiting_since == since, columns.item_id > item_id)
    return or_(
        columns.rank > rank,
        and_(columns.rank == rank, or_(columns.waiting_since > since, later)),
    )


_undo = decisions.alias("undo")
_UNDONE = _undo.c.number


def _with_undone(which: ColumnElement[bool], *, latest_first: bool = False) -> Select[Any]:
    """Select decisions, each with the number of the row that undid it."""
    number = decisions.c.number
    return (
        select(decisions, _UNDONE.label("undone_by"))
        .outerjoin(_undo, _undo.c.undoes == number)
        .where(which)
        .order_by(number.desc() if latest_first else number)
    )


def _mutes_of(row: Any, now: float) -> Select[Any]:
    """Select the mutes in force for an item's stream and channel."""
    columns = mutes.c
    of_stream = and_(columns.scope == "stream", columns.subject == row.stream_id)
    of_channel = and_(columns.scope == "channel", columns.subject == row.channel)
    return select(mutes).where(or_(of_stream, of_channel), columns.until > now)
