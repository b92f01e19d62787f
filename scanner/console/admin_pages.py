"""Pages for administrators: people, their roles and restrictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from scanner.console.forms import Form, form_of
from scanner.console.links import password_link
from scanner.console.rendering import render
from scanner.console.session import Person, Role, console_router, require_recent_role
from scanner.errors import SetupError
from scanner.intake.context import WebContext, context_of
from scanner.intake.problems import Problem
from scanner.store.audit import AuditEntry
from scanner.store.people import User
from scanner.store.reviews import VERDICTS
from scanner.store.throttle import SignInThrottle
from scanner.taxonomy import Taxonomy

__all__ = ["admin_routes"]

LAST_ADMIN: Final = "This is the last administrator: make another one first."

admin_routes = console_router("/admin/users")


@admin_routes.get("")
async def show_users(request: Request) -> Response:
    """Show all users."""
    require_recent_role(request, Role.ADMIN)
    return await _page(request)


@admin_routes.post("")
async def add_user(request: Request) -> Response:
    """Add a user, and show the link by which the user sets a password."""
    context, admin = context_of(request), require_recent_role(request, Role.ADMIN)
    form = await form_of(request)
    try:
        values = _values(form)
        user = await context.read(_add_user, context, admin, form.text("name"), values)
    except (SetupError, ValueError) as error:
        return await _page(request, message=str(error))
    return await _page(request, link=await _link(request, user), linked=user)


@admin_routes.get("/{user_id}")
async def show_user(request: Request, user_id: str) -> Response:
    """Show one user, to change role and restrictions."""
    require_recent_role(request, Role.ADMIN)
    return await _user_page(request, user_id)


@admin_routes.post("/{user_id}")
async def change_user(request: Request, user_id: str) -> Response:
    """Change role and restrictions; they are in force with the next request."""
    context, admin = context_of(request), require_recent_role(request, Role.ADMIN)
    user, form = await _user(context, user_id), await form_of(request)
    try:
        values = _values(form)
        await _change(
            context, admin, "user_changed", user, values, context.users.change, user_id, **values
        )
    except ValueError as error:
        return await _user_page(request, user_id, str(error))
    return RedirectResponse("/admin/users", status_code=303)


@admin_routes.post("/{user_id}/disable")
async def disable_user(request: Request, user_id: str) -> Response:
    """End a user's sessions, and allow no new one."""
    context, admin = context_of(request), require_recent_role(request, Role.ADMIN)
    user = await _user(context, user_id)
    try:
        await _change(context, admin, "user_disabled", user, {}, context.users.disable, user_id)
    except ValueError as error:
        return await _user_page(request, user_id, str(error))
    return RedirectResponse("/admin/users", status_code=303)


@admin_routes.post("/{user_id}/enable")
async def enable_user(request: Request, user_id: str) -> Response:
    """Allow a disabled user to sign in again."""
    context, admin = context_of(request), require_recent_role(request, Role.ADMIN)
    user = await _user(context, user_id)
    await _change(context, admin, "user_enabled", user, {}, context.users.enable, user_id)
    return RedirectResponse("/admin/users", status_code=303)


@admin_routes.post("/{user_id}/reset")
async def reset_user(request: Request, user_id: str) -> Response:
    """End sessions, lock-out, second factor and password, and show a link for a new password."""
    context, admin = context_of(request), require_recent_role(request, Role.ADMIN)
    user = await _user(context, user_id)
    facts = {"second_factor": "removed"}
    await _change(context, admin, "user_reset", user, facts, _reset, context, user)
    link = await _link(request, user)
    if admin.user_id == user_id:
        return RedirectResponse(link, status_code=303)
    return await _page(request, link=link, linked=user)


async def _page(request: Request, **values: Any) -> Response:
    context = context_of(request)
    status = 422 if values.get("message") else 200
    users = await context.read(context.users.list_all)
    known: dict[str, Any] = {"message": "", "link": "", "linked": None}
    return render(
        request,
        "users.html",
        status=status,
        users=users,
        now=context.journal.now(),
        roles=list(Role),
        **{**known, **values},
    )


async def _user_page(request: Request, user_id: str, message: str = "") -> Response:
    user = await _user(context_of(request), user_id)
    return render(
        request,
        "user.html",
        status=422 if message else 200,
        user=user,
        roles=list(Role),
        categories=Taxonomy.load().categories,
        message=message,
    )


async def _user(context: WebContext, user_id: str) -> User:
    user = await context.read(context.users.by_id, user_id)
    if user is None:
        raise Problem("not_found", f"user {user_id[:40]}: is not known")
    return user


async def _link(request: Request, user: User) -> str:
    context = context_of(request)
    base = context.settings.public_url or str(request.base_url)
    return await context.read(password_link, context.journal, base, user)


async def _change(
    context: WebContext,
    admin: Person,
    action: str,
    user: User,
    facts: dict[str, Any],
    change: Callable[..., None],
    *arguments: Any,
    **named: Any,
) -> None:
    """Run a change of a user, and record it in the same commit.

    Raises:
        ValueError: no administrator would be left; nothing was written.
    """

    def checked() -> None:
        change(*arguments, **named)
        if not context.users.count_active_admins():
            raise ValueError(LAST_ADMIN)

    await context.change(admin, action, user.user_id, checked, details=_details(facts))


def _add_user(context: WebContext, admin: Person, name: str, values: dict[str, Any]) -> User:
    """Add a user, and record it in the same commit."""

    def entries(user: User) -> list[AuditEntry]:
        details, who = _details(values), admin.user_id
        return [AuditEntry(actor=who, action="user_added", subject=user.user_id, details=details)]

    return context.audit_log.record(lambda: context.users.add(name, **values), entries)


def _reset(context: WebContext, user: User) -> None:
    context.users.set_totp(user.user_id, None)
    context.users.set_password(user.user_id, None)
    context.sessions.end_all(user.user_id)
    SignInThrottle(context.journal).forget(user.name)


def _details(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items() if value}


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else str(value)


def _values(form: Form) -> dict[str, Any]:
    """Return the role and the restrictions of a form.

    Raises:
        ValueError: there is no such role or decision.
    """
    decisions = _names(form.text("decisions"))
    if unknown := sorted((decisions or frozenset()) - set(VERDICTS)):
        raise ValueError(f"There is no decision {unknown[0]}, only {', '.join(VERDICTS)}.")
    hidden = set(form.all("hidden_categories")) & set(Taxonomy.load().categories)
    return {
        "role": Role(form.text("role", "moderator")),
        "channels": _names(form.text("channels")),
        "hidden_categories": frozenset(hidden),
        "decisions": decisions,
    }


def _names(text: str) -> frozenset[str] | None:
    names = frozenset(part.strip() for part in text.split(",") if part.strip())
    return names or None
