"""Writes of the review console: claims, assignments, decisions, what is undone, mutes.

    claim     a lease by compare-and-swap: two people never get one item
    decide    one commit of the decision, the item's state, the mute and what is due for receivers
    undo      a further row that ends a decision; nothing is changed or removed

A decision is durable when the call returns.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from sqlalchemy import Connection, Row, and_, case, func, insert, select, update

from scanner.errors import InputError
from scanner.store.database import Journal
from scanner.store.review_schema import PENDING_STATES, decision_effects, decisions, mutes, reviews
from scanner.store.schema import incidents

__all__ = [
    "VERDICTS",
    "MuteRequest",
    "NewDecision",
    "RecordedDecision",
    "ReviewJournal",
    "ReviewRefusedError",
    "Verdict",
]

Verdict = Literal["violation", "no_violation", "escalate", "another_look"]
VERDICTS: Final[tuple[str, ...]] = get_args(Verdict)
JUDGEMENTS: Final = ("violation", "no_violation")
"""Verdicts that say what an item is; the others pass it on."""
Refusal = Literal["not_found", "claimed", "decided", "same_reviewer", "lead_only", "too_late"]


class ReviewRefusedError(InputError):
    """An item is in a state that does not allow what was asked for."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason: Refusal = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteRequest:
    """A label whose incidents on a stream or channel are not to be queued for a while."""

    scope: Literal["stream", "channel"]
    seconds: float

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= 90 * 86400:
            raise ValueError(f"a mute lasts up to 90 days, got {self.seconds} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """A decision that is to be recorded."""

    verdict: Verdict
    reason: str | None = None
    """Label of the taxonomy that a violation violates."""
    note: str = ""
    person: str
    """Id of the user or key that decides."""
    reviewer: str
    """Opaque id of the same, which receivers get."""
    by: Literal["human", "machine"] = "human"
    mute: MuteRequest | None = None
    leads: bool = False
    """Whether escalated items may be decided."""
    needs_second: bool = False
    """Whether another person has to come to the same verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDecision:
    """A decision that is durable."""

    number: int
    decision_id: str
    item_id: str
    verdict: str
    state: str
    """State of the item after it."""
    final: bool
    repeated: bool = False
    """True if the same person had decided the same already, and nothing was written."""


class ReviewJournal:
    """The journal, as reviewers change it; safe to use from several threads."""

    def __init__(self, journal: Journal, *, sinks: Sequence[str] = ()) -> None:
        self._journal = journal
        self._sinks = tuple(sinks)

    # Claims

    def claim(self, item_id: str, person: str, *, seconds: float) -> bool:
        """Take or renew the lease of an item; return False if somebody else has it, or nothing
        waits for a decision."""
        now = self._journal.now()
        columns = reviews.c
        free = columns.claimed_by.is_(None) | (columns.claimed_by == person)
        with self._journal.write() as connection:
            swapped = connection.execute(
                update(reviews)
                .where(
                    columns.item_id == item_id,
                    columns.state.in_(PENDING_STATES),
                    free | (columns.claimed_until <= now),
                )
                .values(
                    claimed_by=person,
                    claimed_until=now + seconds,
                    updated_at=case((columns.claimed_by == person, columns.updated_at), else_=now),
                )
            )
        return bool(swapped.rowcount)

    def release(self, item_id: str, person: str) -> bool:
        """Give a lease back; return False if the person has none."""
        with self._journal.write() as connection:
            released = connection.execute(
                update(reviews)
                .where(reviews.c.item_id == item_id, reviews.c.claimed_by == person)
                .values(claimed_by=None, claimed_until=0.0, updated_at=self._journal.now())
            )
        return bool(released.rowcount)

    def assign(self, item_id: str, person: str | None, *, state: str | None = None) -> bool:
        """Give a pending item to a person, or to everybody, and move it to another state; a lease
        of somebody else ends. Return False if nothing waits for a decision."""
        values: dict[str, Any] = {"assigned_to": person, "claimed_by": None, "claimed_until": 0.0}
        values["updated_at"] = self._journal.now()
        if state is not None:
            values["state"] = state
        with self._journal.write() as connection:
            changed = connection.execute(
                update(reviews)
                .where(reviews.c.item_id == item_id, reviews.c.state.in_(PENDING_STATES))
                .values(**values)
            )
        return bool(changed.rowcount)

    # Decisions

    def decide(self, item_id: str, new: NewDecision) -> RecordedDecision:
        """Record a decision and what follows from it.

        Raises:
            ReviewRefusedError: the item does not allow it; nothing was written.
        """
        now = self._journal.now()
        with self._journal.write() as connection:
            item = _item(connection, item_id)
            earlier = _decisions_in_force(connection, item_id)
            if (repeated := _repeated(item, earlier, new)) is not None:
                return repeated
            _check(item, earlier, new, now)
            state, final = _state_after(item, earlier, new)
            mute_id = _write_mute(connection, item, new, now)
            facts = {"kind": "made", "final": final, "mute_id": mute_id, **_facts(new)}
            number = _append(connection, item, facts, now)
            if new.verdict == "violation":
                _end_mutes(connection, [one.mute_id for one in earlier if one.mute_id], now)
            _write_state(connection, item, state, new.verdict if final else None, now)
            if final:
                self._write_effects(connection, item, number.number, now)
        return RecordedDecision(
            number=number.number,
            decision_id=number.decision_id,
            item_id=item_id,
            verdict=new.verdict,
            state=state,
            final=final,
        )

    def undo(
        self,
        item_id: str,
        *,
        person: str,
        reviewer: str,
        within: float,
        leads: bool = False,
        decision: str | None = None,
    ) -> RecordedDecision:
        """End the latest decision of an item: a person's own within some seconds, or any for a
        lead. Its mute ends, and the item is in the state before it again. If ``decision`` names
        one, no other is ended.

        Raises:
            ReviewRefusedError: there is nothing to undo, or it is too late.
        """
        now = self._journal.now()
        with self._journal.write() as connection:
            item = _item(connection, item_id)
            earlier = _decisions_in_force(connection, item_id)
            latest = _undoable(item_id, earlier, person=person, since=now - within, leads=leads)
            if decision is not None and latest.decision_id != decision:
                raise ReviewRefusedError("too_late", f"item {item_id}: was decided again since")
            facts = {"reviewer": reviewer, "person": person, **_facts_of_undo(latest)}
            number = _append(connection, item, facts, now)
            if latest.mute_id is not None:
                _end_mutes(connection, [latest.mute_id], now)
            _write_state(connection, item, latest.state_before, None, now, returned="undone")
            if latest.final:
                self._write_effects(connection, item, number.number, now)
        return RecordedDecision(
            number=number.number,
            decision_id=number.decision_id,
            item_id=item_id,
            verdict=latest.verdict,
            state=latest.state_before,
            final=latest.final,
        )

    def _write_effects(
        self, connection: Connection, item: Row[Any], number: int, now: float
    ) -> None:
        row = {"number": number, "shard": item.shard, "item_id": item.item_id}
        row |= {"status": "pending", "attempts": 0, "next_at": now}
        row |= {"created_at": now, "updated_at": now}
        rows = [{**row, "sink": sink} for sink in self._sinks]
        if rows:
            connection.execute(insert(decision_effects), rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Appended:
    number: int
    decision_id: str


def _facts(new: NewDecision) -> dict[str, Any]:
    names = ("verdict", "reason", "note", "by", "reviewer", "person")
    return {name: getattr(new, name) for name in names}


def _facts_of_undo(latest: Row[Any]) -> dict[str, Any]:
    facts = {name: getattr(latest, name) for name in ("verdict", "reason", "by", "final")}
    return {**facts, "kind": "undone", "undoes": latest.number, "note": "", "mute_id": None}


def _item(connection: Connection, item_id: str) -> Row[Any]:
    row = connection.execute(select(reviews).where(reviews.c.item_id == item_id)).one_or_none()
    if row is None:
        raise ReviewRefusedError("not_found", f"item {item_id}: is not known")
    return row


def _decisions_in_force(connection: Connection, item_id: str) -> list[Row[Any]]:
    """Return the decisions of an item that were not undone, in order."""
    rows = connection.execute(
        select(decisions).where(decisions.c.item_id == item_id).order_by(decisions.c.number)
    ).all()
    undone = {row.undoes for row in rows}
    return [row for row in rows if row.kind == "made" and row.number not in undone]


def _repeated(
    item: Row[Any], earlier: Sequence[Row[Any]], new: NewDecision
) -> RecordedDecision | None:
    """Return the latest decision if it is the same: a key that was pressed twice, or a request that
    was sent again. An item that waits came back since."""
    latest = earlier[-1] if earlier else None
    if latest is None or item.state == "waiting":
        return None
    same = (latest.person, latest.verdict, latest.reason) == (new.person, new.verdict, new.reason)
    if not same:
        return None
    return RecordedDecision(
        number=latest.number,
        decision_id=latest.decision_id,
        item_id=item.item_id,
        verdict=latest.verdict,
        state=item.state,
        final=latest.final,
        repeated=True,
    )


def _check(item: Row[Any], earlier: Sequence[Row[Any]], new: NewDecision, now: float) -> None:
    name = f"item {item.item_id}"
    if item.state not in PENDING_STATES:
        raise ReviewRefusedError("decided", f"{name}: is {item.state}; nothing is to be decided")
    if item.claimed_by not in (None, new.person) and item.claimed_until > now:
        raise ReviewRefusedError("claimed", f"{name}: somebody else works on it")
    if item.state == "escalated" and not new.leads:
        raise ReviewRefusedError("lead_only", f"{name}: is escalated; a lead decides it")
    if item.state == "second_look" and new.person in {one.person for one in earlier[-1:]}:
        raise ReviewRefusedError("same_reviewer", f"{name}: another person has to look at it")


def _state_after(item: Row[Any], earlier: Sequence[Row[Any]], new: NewDecision) -> tuple[str, bool]:
    """Return the state of an item after a decision, and whether that is final.

    Two people who come to different verdicts escalate an item. Where two have to agree, a program
    is none of them.
    """
    if new.verdict == "escalate":
        return "escalated", False
    if new.verdict == "another_look":
        return "second_look", False
    if item.state == "escalated" or not new.needs_second:
        return "decided", True
    others = [
        one
        for one in earlier
        if one.verdict in JUDGEMENTS and one.person != new.person and one.by == "human"
    ]
    if not others or new.by == "machine":
        return "second_look", False
    return ("decided", True) if others[-1].verdict == new.verdict else ("escalated", False)


def _write_mute(connection: Connection, item: Row[Any], new: NewDecision, now: float) -> str | None:
    if new.mute is None:
        return None
    subject = item.stream_id if new.mute.scope == "stream" else item.channel
    if subject is None:
        raise ReviewRefusedError("not_found", f"item {item.item_id}: has no channel to mute")
    mute_id = secrets.token_hex(8)
    row = {"mute_id": mute_id, "shard": item.shard, "label": item.label}
    row |= {"scope": new.mute.scope, "subject": subject, "until": now + new.mute.seconds}
    connection.execute(insert(mutes), {**row, "person": new.person, "created_at": now})
    return mute_id


def _end_mutes(connection: Connection, mute_ids: Sequence[str], now: float) -> None:
    """End mutes that are in force: what they came with was undone, or is a violation after all."""
    ended = and_(mutes.c.mute_id.in_(mute_ids), mutes.c.until > now)
    connection.execute(update(mutes).where(ended).values(until=now))


def _append(connection: Connection, item: Row[Any], facts: dict[str, Any], now: float) -> _Appended:
    number = connection.execute(
        select(func.coalesce(func.max(decisions.c.number), 0) + 1)
    ).scalar_one()
    appended = _Appended(number=number, decision_id=secrets.token_hex(8))
    row = {"number": number, "decision_id": appended.decision_id, "item_id": item.item_id}
    revision = select(incidents.c.revision).where(incidents.c.incident_id == item.item_id)
    row |= {"shard": item.shard, "state_before": item.state, "created_at": now}
    row["revision"] = connection.execute(revision).scalar_one_or_none() or 1
    connection.execute(insert(decisions), {"undoes": None, **row, **facts})
    return appended


def _write_state(
    connection: Connection,
    item: Row[Any],
    state: str,
    verdict: str | None,
    now: float,
    *,
    returned: str | None = None,
) -> None:
    values: dict[str, Any] = {"state": state, "verdict": verdict, "returned": returned}
    values |= {"claimed_by": None, "claimed_until": 0.0, "assigned_to": None, "updated_at": now}
    values["decided_severity"] = item.severity if state == "decided" else None
    if returned is None:
        values["waiting_since"] = now
    connection.execute(update(reviews).where(reviews.c.item_id == item.item_id).values(**values))


def _undoable(
    item_id: str, earlier: Sequence[Row[Any]], *, person: str, since: float, leads: bool
) -> Row[Any]:
    if not earlier:
        raise ReviewRefusedError("decided", f"item {item_id}: there is no decision to undo")
    latest = earlier[-1]
    if leads:
        return latest
    if latest.person != person:
        raise ReviewRefusedError("lead_only", f"item {item_id}: a lead undoes others' decisions")
    if latest.created_at < since:
        raise ReviewRefusedError("too_late", f"item {item_id}: decided too long ago to undo")
    return latest
