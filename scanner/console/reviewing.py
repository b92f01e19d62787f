"""What people and programs do with items, with the rights that belong to the item.

The API and the pages use the same functions, so that a rule holds for both. An item that somebody
may not see is not known to them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final

from scanner.console.review_answers import DecisionInput
from scanner.console.session import Person, Role
from scanner.errors import SetupError
from scanner.intake.context import WebContext
from scanner.intake.problems import Problem
from scanner.store.review_queries import Sight
from scanner.store.review_schema import PENDING_STATES
from scanner.store.reviews import NewDecision, RecordedDecision, ReviewRefusedError
from scanner.taxonomy import Taxonomy

__all__ = [
    "assign_item",
    "check_reason",
    "claim_item",
    "decide_item",
    "may_judge",
    "release_item",
    "reviewer_id",
    "seen_item",
    "sight_of",
    "taxonomy_labels",
    "undo_item",
]

PROBLEM_OF: Final[Mapping[str, str]] = {
    "not_found": "not_found",
    "claimed": "claimed",
    "decided": "decided",
    "same_reviewer": "second_person",
    "lead_only": "forbidden",
    "too_late": "too_late",
}
"""Name of the error that a refusal of the journal is answered with."""


def may_judge(person: Person, item: Mapping[str, Any]) -> bool:
    """Return whether a person may decide an item in the state that it is in: a lead decides what is
    escalated, and another person takes the second look."""
    if item["state"] == "escalated":
        return person.has_role(Role.LEAD)
    if item["state"] == "second_look":
        in_force = [
            one for one in item["decisions"] if one["kind"] == "made" and one["undone_by"] is None
        ]
        if in_force and in_force[-1]["person"] == person.user_id:
            return False
    return person.has_role(Role.MODERATOR)


def sight_of(person: Person) -> Sight:
    """Return the items that a person may see."""
    return Sight(channels=person.channels, hidden_categories=person.hidden_categories)


def reviewer_id(person: Person) -> str:
    """Return the opaque id under which a person's decisions leave the service."""
    named = f"reviewer\0{person.user_id}".encode()
    return hashlib.sha256(named).hexdigest()[:12]


@cache
def taxonomy_labels() -> Mapping[str, str]:
    """Return the category of each label of the taxonomy, in its order."""
    return {str(entry.label): entry.category for entry in Taxonomy.load().entries}


async def seen_item(context: WebContext, person: Person, item_id: str) -> dict[str, Any]:
    """Return an item that a person may see.

    Raises:
        Problem: ``not_found``.
    """
    item = await context.read(context.review_queries.item, item_id)
    if item is None or not person.can_see(item["channel"], item["category"]):
        raise Problem("not_found", f"item {item_id}: is not known")
    return item


async def claim_item(context: WebContext, person: Person, item_id: str) -> bool:
    """Take or renew the lease of an item for a person; return False if somebody else has it,
    nothing waits for a decision, or somebody else has to make it.

    Raises:
        Problem: ``not_found``, or ``forbidden`` for one who decides nothing.
    """
    item = await seen_item(context, person, item_id)
    _check_role(person, Role.MODERATOR)
    if not may_judge(person, item):
        return False
    seconds = context.settings.review.claim_seconds
    is_renewed = item["claimed_by"] == person.user_id
    return await context.change(
        person,
        "claim",
        item_id,
        context.reviews.claim,
        item_id,
        person.user_id,
        seconds=seconds,
        details=lambda claimed: {} if claimed and not is_renewed else None,
    )


async def release_item(context: WebContext, person: Person, item_id: str) -> bool:
    """Give the lease of an item back; return False if the person has none.

    Raises:
        Problem: ``not_found``.
    """
    await seen_item(context, person, item_id)
    return await context.change(
        person,
        "release",
        item_id,
        context.reviews.release,
        item_id,
        person.user_id,
        details=lambda released: {} if released else None,
    )


async def assign_item(
    context: WebContext, person: Person, item_id: str, to: str | None, state: str | None = None
) -> bool:
    """Give an item to a person or to everybody, and move it; return False if nothing waits for a
    decision.

    Raises:
        Problem: ``not_found``, or ``invalid_request`` for a user who decides no such item.
    """
    item = await seen_item(context, person, item_id)
    if to is not None:
        await _check_assignee(context, to, item)
    facts = {"to": to, "state": state}
    return await context.change(
        person,
        "assign",
        item_id,
        context.reviews.assign,
        item_id,
        to,
        state=state,
        details=lambda assigned: facts if assigned else None,
    )


async def decide_item(
    context: WebContext,
    person: Person,
    item_id: str,
    given: DecisionInput,
    *,
    shown: Collection[str] | None = None,
) -> RecordedDecision:
    """Record a person's decision; it is durable when this returns.

    A violation without a reason violates the item's leading label. ``shown`` are the labels that
    the person saw: an item with others is not cleared.

    Raises:
        Problem: the person or the item does not allow it; nothing was written.
    """
    item = await seen_item(context, person, item_id)
    _check_decision(person, item, given, shown)
    reviewers = await context.read(
        context.review_queries.reviewers, item["labels"], item["channel"]
    )
    new = NewDecision(
        verdict=given.verdict,
        reason=check_reason(given.verdict, given.reason, item),
        note=given.note,
        person=person.user_id,
        reviewer=reviewer_id(person),
        by="machine" if _is_program(person) else "human",
        mute=None if given.mute is None else given.mute.request(),
        leads=person.has_role(Role.LEAD),
        needs_second=reviewers > 1,
    )
    try:
        return await context.change(
            person, "decide", item_id, context.reviews.decide, item_id, new, details=_decided
        )
    except ReviewRefusedError as error:
        raise Problem(PROBLEM_OF[error.reason], str(error)) from error


async def undo_item(
    context: WebContext, person: Person, item_id: str, decision: str | None = None
) -> RecordedDecision:
    """End the latest decision of an item, only if it is ``decision`` if that is given.

    Raises:
        Problem: there is none, it is somebody else's, or it is too late.
    """
    await seen_item(context, person, item_id)
    _check_role(person, Role.MODERATOR)
    try:
        return await context.change(
            person,
            "undo",
            item_id,
            context.reviews.undo,
            item_id,
            person=person.user_id,
            reviewer=reviewer_id(person),
            within=context.settings.review.undo_seconds,
            leads=person.has_role(Role.LEAD),
            decision=decision,
            details=lambda ended: {"decision": ended.decision_id},
        )
    except ReviewRefusedError as error:
        raise Problem(PROBLEM_OF[error.reason], str(error)) from error


def _check_decision(
    person: Person,
    item: Mapping[str, Any],
    given: DecisionInput,
    shown: Collection[str] | None,
) -> None:
    item_id = item["item_id"]
    if not person.can_decide(given.verdict, item["channel"], item["category"]):
        raise Problem("forbidden", f"item {item_id}: you may not decide {given.verdict}")
    if given.mute is not None and given.verdict != "no_violation":
        raise Problem("invalid_request", "mute: goes with no_violation only")
    if shown is None or given.verdict != "no_violation" or item["state"] not in PENDING_STATES:
        return
    if more := [label for label in item["labels"] if label not in shown]:
        raise Problem("grew", f"item {item_id}: {', '.join(more)} was flagged meanwhile")


async def _check_assignee(context: WebContext, to: str, item: Mapping[str, Any]) -> None:
    """Check that an item is given to one who may decide it: it is offered to nobody else."""
    if to == "local" or to.startswith("key:"):
        return
    user = await context.read(context.users.by_id, to)
    if user is None or not user.is_active(context.journal.now()):
        raise Problem("invalid_request", "person: there is no such user, or one who cannot sign in")
    person = user.person()
    if not person.has_role(Role.MODERATOR) or not person.can_see(item["channel"], item["category"]):
        raise Problem("invalid_request", f"person: {user.display} may not decide this item")


def check_reason(verdict: str, reason: str | None, item: Mapping[str, Any]) -> str | None:
    """Return the label that a decision names as its reason.

    Raises:
        Problem: ``invalid_request``; the taxonomy has no such label, or it goes with a violation.
    """
    if verdict != "violation":
        if reason:
            raise Problem("invalid_request", "reason: goes with a violation only")
        return None
    if not reason:
        return str(item["label"])
    try:
        return str(Taxonomy.load().entry(reason).label)
    except SetupError as error:
        raise Problem("invalid_request", f"reason: {error}") from error


def _decided(made: RecordedDecision) -> dict[str, Any] | None:
    """Return what the audit log says of a decision; None of one that was recorded before."""
    if made.repeated:
        return None
    return {"decision": made.decision_id, "verdict": made.verdict}


def _check_role(person: Person, at_least: Role) -> None:
    if not person.has_role(at_least):
        raise Problem("forbidden", f"this needs the role {at_least}; yours is {person.role}")


def _is_program(person: Person) -> bool:
    return person.user_id == "local" or person.user_id.startswith("key:")
