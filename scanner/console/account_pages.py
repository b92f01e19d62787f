"""The page of a person's own account: password, second factor, sessions, preferences."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from scanner.console.forms import Form, form_of
from scanner.console.login_pages import check_password_pair, end_cookie, own_page
from scanner.console.preferences import REMINDERS, VIEW_SWITCHES, preferences_from, stored
from scanner.console.rendering import render
from scanner.console.secrets import (
    hash_password,
    is_password,
    matching_step,
    new_recovery_codes,
    new_totp_secret,
    plain_recovery_code,
    totp_address,
)
from scanner.console.session import SignInNeededError, console_router
from scanner.intake.context import WebContext, context_of
from scanner.intake.sessions import session_of
from scanner.report.text import count
from scanner.store.exposure import Exposure
from scanner.store.sessions import Session
from scanner.store.throttle import SignInThrottle
from scanner.taxonomy import Taxonomy

__all__ = ["account_routes"]

SAVED: Final = {
    "password": "The password is changed, and your other sessions are ended.",
    "preferences": "Your preferences are saved.",
    "sessions": "The session is ended.",
    "removed": "The second factor is removed.",
}

account_routes = console_router("/account")


@account_routes.get("")
async def show_account(request: Request) -> Response:
    """Show the account."""
    return await _account_page(request, saved=request.query_params.get("saved", ""))


@account_routes.post("/password")
async def change_password(request: Request) -> Response:
    """Change the password, and end all other sessions."""
    context, form, session = context_of(request), await form_of(request), _session(request)
    if (refused := await _check_password(context, form, session)) is not None:
        return await _account_page(request, message=refused, section="password")
    try:
        check_password_pair(form, session.user.name)
    except ValueError as error:
        return await _account_page(request, message=str(error), section="password")
    hashed = await context.compute(hash_password, form.text("password"))
    facts = {"by": "user"}
    await _change(context, session, "password_set", facts, context.users.set_password, hashed)
    return _saved("password")


@account_routes.post("/preferences")
async def change_preferences(request: Request) -> Response:
    """Store the preferences."""
    context, form, session = context_of(request), await form_of(request), _session(request)
    try:
        body = stored(form, Taxonomy.load().categories)
    except ValueError as error:
        return await _account_page(request, message=str(error), section="preferences")
    user_id, store = session.user.user_id, context.users.set_preferences
    await context.change(session.person, "preferences", user_id, store, user_id, body, details=body)
    return _saved("preferences")


@account_routes.post("/sessions")
async def end_sessions(request: Request) -> Response:
    """End one session, or all of them: those of other browsers and this one."""
    context, form, session = context_of(request), await form_of(request), _session(request)
    user_id, which = session.user.user_id, form.text("session")
    facts = {"which": which[:32] or "all"}
    ending = partial(context.sessions.end, which) if which else context.sessions.end_all
    await context.change(session.person, "sessions_ended", user_id, ending, user_id, details=facts)
    if which:
        return _saved("sessions")
    return end_cookie(RedirectResponse("/login", status_code=303))


@account_routes.get("/second-factor")
async def show_second_factor(request: Request) -> Response:
    """Show the secret of a new second factor."""
    return _factor_page(request, _session(request), new_totp_secret(), "")


@account_routes.post("/second-factor")
async def set_second_factor(request: Request) -> Response:
    """Store a second factor once its first code is right; show its recovery codes."""
    context, form, session = context_of(request), await form_of(request), _session(request)
    secret = form.text("secret").upper()
    step = None
    if len(secret) == 32 and set(secret) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"):
        step = matching_step(secret, form.text("code"), context.journal.now())
    else:
        secret = new_totp_secret()
    refused = "The code is not right. Codes change every 30 seconds; is your clock right?"
    if step is not None:
        refused = await _check_password(context, form, session) or ""
    if step is None or refused:
        return _factor_page(request, session, secret, refused)
    codes = new_recovery_codes()
    plain = [plain_recovery_code(code) for code in codes]
    store = context.users.set_totp
    await _change(context, session, "second_factor_set", {}, store, secret, plain, step=step)
    return render(request, "codes.html", codes=codes)


@account_routes.post("/second-factor/remove")
async def remove_second_factor(request: Request) -> Response:
    """Remove the second factor."""
    context, form, session = context_of(request), await form_of(request), _session(request)
    if (refused := await _check_password(context, form, session)) is not None:
        return await _account_page(request, message=refused, section="factor")
    user_id, store = session.user.user_id, context.users.set_totp
    await context.change(session.person, "second_factor_removed", user_id, store, user_id, None)
    return _saved("removed")


@account_routes.get("/confirm")
async def show_confirmation(request: Request) -> Response:
    """Ask for the password again."""
    _session(request)
    target = own_page(request.query_params.get("next", ""))
    return render(request, "confirm.html", next=target, message="")


@account_routes.post("/confirm")
async def confirm(request: Request) -> Response:
    """Check the password again, and lead back."""
    context, form, session = context_of(request), await form_of(request), _session(request)
    target = own_page(form.text("next"))
    if (refused := await _check_password(context, form, session)) is not None:
        return render(request, "confirm.html", status=422, next=target, message=refused)
    return RedirectResponse(target, status_code=303)


def _session(request: Request) -> Session:
    session = session_of(request)
    if session is None:
        raise SignInNeededError
    return session


async def _change(
    context: WebContext,
    session: Session,
    action: str,
    facts: dict[str, Any],
    store: Callable[..., None],
    *secrets: Any,
    **named: Any,
) -> None:
    """Store a secret of a person and end all other sessions, recorded in the same commit."""
    user_id = session.user.user_id

    def change() -> None:
        store(user_id, *secrets, **named)
        context.sessions.end_all(user_id, but=session.session_id)

    await context.change(session.person, action, user_id, change, details=facts)


async def _check_password(context: WebContext, form: Form, session: Session) -> str | None:
    """Return why a change that needs the current password is refused, or None. Attempts count as
    those to sign in, so that an unlocked browser is no place to guess."""
    throttle, user = SignInThrottle(context.journal), session.user
    wait = await context.read(throttle.begin, user.name, f"account:{user.user_id}")
    if wait > 0:
        return f"Too many attempts. Try again in {count(int(wait) + 1, 'second')}."
    password, _, _ = await context.read(context.users.credentials, user.user_id)
    if not await context.compute(is_password, form.text("current"), password):
        return "Your current password is not right."
    await context.read(throttle.succeed, user.name, f"account:{user.user_id}")
    await context.read(context.sessions.confirm, session.session_id)
    return None


def _saved(what: str) -> Response:
    return RedirectResponse(f"/account?saved={what}", status_code=303)


def _factor_page(request: Request, session: Session, secret: str, message: str) -> Response:
    import segno

    address = totp_address(secret, session.user.name)
    groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    picture = segno.make(address, micro=False).svg_data_uri(scale=5, border=3, light="#fff")
    return render(
        request,
        "second_factor.html",
        status=422 if message else 200,
        secret=secret,
        groups=groups,
        picture=picture,
        message=message,
    )


async def _account_page(
    request: Request, *, message: str = "", section: str = "", saved: str = ""
) -> Response:
    context, session = context_of(request), _session(request)
    user_id = session.user.user_id
    body = await context.read(context.users.preferences, user_id)
    sessions = await context.read(context.sessions.of_user, user_id)
    days = await context.read(Exposure(context.journal).days, user_id, limit=7)
    settings = context.settings.console
    return render(
        request,
        "account.html",
        status=422 if message else 200,
        user=session.user,
        session_id=session.session_id,
        sessions=[_session_row(one) for one in sessions],
        body=body,
        chosen=preferences_from(body, settings),
        default=preferences_from({}, settings),
        categories=Taxonomy.load().categories,
        switches=VIEW_SWITCHES,
        reminders=REMINDERS,
        days=days,
        message=message,
        section=section,
        saved=SAVED.get(saved, ""),
    )


def _session_row(session: Session) -> dict[str, Any]:
    return {
        "id": session.session_id,
        "address": session.address,
        "agent": session.agent[:120],
        "began": _moment(session.created_at),
        "seen": _moment(session.seen_at),
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
