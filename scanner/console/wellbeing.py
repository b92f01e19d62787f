"""Reminders of breaks and of what a person wanted to see at most. They are preferences: whether
they help is for each person to judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from scanner.console.preferences import Preferences, preferences_from
from scanner.intake.context import context_of
from scanner.intake.sessions import SAFE_METHODS, session_of
from scanner.store.exposure import Exposure, ExposureDay

__all__ = ["load_preferences", "preferences_of", "record_exposure", "reminders"]


async def load_preferences(request: Request) -> None:
    """Read the preferences of the person who opens a page, and what the page reminds of."""
    session = session_of(request)
    if session is None or request.method not in SAFE_METHODS:
        return
    context = context_of(request)
    user_id = session.user.user_id

    def read() -> tuple[Mapping[str, Any], ExposureDay]:
        return context.users.preferences(user_id), Exposure(context.journal).today(user_id)

    body, today = await context.read(read)
    chosen = preferences_from(body, context.settings.console)
    request.state.preferences = chosen
    request.state.notices = reminders(today, chosen, context.journal.now())


def preferences_of(request: Request) -> Preferences:
    """Return the preferences of the person who opens a page of ``console_router``."""
    chosen: Preferences | None = getattr(request.state, "preferences", None)
    return chosen or preferences_from({}, context_of(request).settings.console)


async def record_exposure(
    request: Request, *, items: int = 0, severe_items: int = 0, unblurred_seconds: float = 0.0
) -> None:
    """Count what the person of a request saw; programs are not counted."""
    session = session_of(request)
    if session is not None:
        context = context_of(request)
        await context.read(
            Exposure(context.journal).add,
            session.user.user_id,
            items=items,
            severe_items=severe_items,
            unblurred_seconds=min(max(unblurred_seconds, 0.0), 86400.0),
        )


def reminders(today: ExposureDay, chosen: Preferences, now: float) -> tuple[str, ...]:
    """Return what a page reminds of, in words."""
    texts = []
    minutes = int(today.active_seconds(now) // 60)
    if chosen.break_minutes and minutes >= chosen.break_minutes:
        texts.append(f"You have worked for {minutes} minutes without a break.")
    for limit, found, noun in (
        (chosen.items, today.items, "items"),
        (chosen.severe_items, today.severe_items, "severe items"),
        (chosen.unblurred_minutes, int(today.unblurred_seconds // 60), "minutes without blur"),
    ):
        if limit and found >= limit:
            texts.append(f"You have seen {found} {noun} today; your limit is {limit}.")
    return tuple(texts)
