"""Pages to sign in and out, and one-use links."""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from scanner.console.rendering import render
from scanner.console.secrets import check_new_password, hash_password
from scanner.console.session import Form, console_router, form_of
from scanner.console.sign_in import SignIn, SignInRefusal
from scanner.errors import SetupError
from scanner.intake.context import WebContext, context_of
from scanner.intake.sessions import COOKIE, check_same_site, session_of
from scanner.store.audit import AuditEntry
from scanner.store.people import Role, User, check_name
from scanner.store.sessions import LoginLink, LoginLinks

__all__ = ["HOME", "check_password_pair", "end_cookie", "login_routes", "logout_routes", "own_page"]

HOME: Final = "/queue"
"""The page after signing in."""
_OWN_PAGE: Final = re.compile(r"/(?![/\\])[\x21-\x7e]*")
LINK_GONE: Final = "This link was used before, is too old, or is not complete. Ask for a new one."

login_routes = APIRouter(include_in_schema=False)
logout_routes = console_router()


@login_routes.get("/login")
async def show_login(request: Request) -> Response:
    """Show the form to sign in."""
    target = own_page(request.query_params.get("next", ""))
    if session_of(request) is not None:
        return RedirectResponse(target, status_code=303)
    return render(request, "login.html", next=target, name="", message="")


@login_routes.post("/login")
async def submit_login(request: Request) -> Response:
    """Sign in."""
    check_same_site(request.headers)
    context, form = context_of(request), await form_of(request)
    name, target = form.text("name"), own_page(form.text("next"))
    attempt = SignIn(context.journal, context.audit_log).attempt
    found = await context.compute(
        attempt, name, form.text("password"), form.text("code"), address_of(request)
    )
    if isinstance(found, SignInRefusal):
        page = render(
            request,
            "login.html",
            status=429 if found.wait else 401,
            next=target,
            name=name,
            message=found.message,
        )
        if found.wait:
            page.headers["Retry-After"] = str(found.wait)
        return page
    return await start_session(request, found, target)


@login_routes.get("/login/once")
async def show_link(request: Request) -> Response:
    """Show the page of a one-use link, whose code is behind the #: it reaches no log."""
    return render(request, "once.html", message="")


@login_routes.post("/login/once")
async def open_link(request: Request) -> Response:
    """Sign in by a link, or show the form that it is for."""
    check_same_site(request.headers)
    context, form = context_of(request), await form_of(request)
    links, code = LoginLinks(context.journal), form.text("code")
    link = await context.read(links.find, code)
    if link is None:
        return render(request, "once.html", status=410, message=LINK_GONE)
    if link.purpose != "sign_in":
        return await _show_setup(request, code, link, "")
    user = await context.read(_use_link, context, code)
    if user is None:
        return render(request, "once.html", status=410, message=LINK_GONE)
    return await start_session(request, user, HOME, confirmed=False)


@login_routes.post("/login/setup")
async def set_password(request: Request) -> Response:
    """Set the password of a link's user, or create the administrator, and sign in."""
    check_same_site(request.headers)
    context, form = context_of(request), await form_of(request)
    links, code = LoginLinks(context.journal), form.text("code")
    link = await context.read(links.find, code)
    if link is None:
        return render(request, "once.html", status=410, message=LINK_GONE)
    user = await _user_of(context, link)
    name = form.text("name") if user is None else user.name
    try:
        check_password_pair(form, check_name(name))
    except ValueError as error:
        return await _show_setup(request, code, link, str(error))
    hashed = await context.compute(hash_password, form.text("password"))
    try:
        done = await context.read(_finish_setup, context, code, user, name, hashed)
    except SetupError as error:
        return render(request, "once.html", status=422, message=f"{error}. Ask for a new link.")
    if done is None:
        return render(request, "once.html", status=410, message=LINK_GONE)
    return await start_session(request, done, "/account")


def check_password_pair(form: Form, name: str) -> None:
    """Check a new password that was typed twice.

    Raises:
        ValueError: the two differ, or it is too easy to guess.
    """
    if form.text("password") != form.text("again"):
        raise ValueError("The two passwords differ.")
    check_new_password(form.text("password"), name)


def _use_link(context: WebContext, code: str) -> User | None:
    """Use up a link to sign in, recorded in the same commit; return its user, or None if it is not
    valid."""

    def use() -> User | None:
        link = LoginLinks(context.journal).use(code)
        if link is None or link.user_id is None:
            return None
        user = context.users.by_id(link.user_id)
        return user if user is not None and user.is_active(context.journal.now()) else None

    return context.audit_log.record(use, lambda user: _entries("sign_in", user, "link"))


def _finish_setup(
    context: WebContext, code: str, user: User | None, name: str, hashed: str
) -> User | None:
    """Use up a link and set the password of its user, or create the administrator, recorded in the
    same commit; return None if the link is not valid any more.

    Raises:
        SetupError: there is an administrator; nothing was written.
    """
    purpose = ""

    def finish() -> User | None:
        nonlocal purpose
        link = LoginLinks(context.journal).use(code)
        if link is None:
            return None
        purpose = link.purpose
        if user is None:
            if context.users.any_lasting():
                raise SetupError("There is a user already")
            return context.users.add(name, role=Role.ADMIN, password=hashed)
        context.users.set_password(user.user_id, hashed)
        context.sessions.end_all(user.user_id)
        return user

    return context.audit_log.record(finish, lambda done: _entries("password_set", done, purpose))


def _entries(action: str, user: User | None, by: str) -> list[AuditEntry]:
    if user is None:
        return []
    return [AuditEntry(actor=user.user_id, action=action, subject=user.user_id, details={"by": by})]


async def _show_setup(request: Request, code: str, link: LoginLink, message: str) -> Response:
    user = await _user_of(context_of(request), link)
    if user is None and link.purpose != "create_admin":
        return render(request, "once.html", status=410, message=LINK_GONE)
    status = 422 if message else 200
    return render(request, "setup.html", status=status, code=code, user=user, message=message)


async def _user_of(context: WebContext, link: LoginLink) -> User | None:
    """Return the user of a link, if that one may sign in."""
    if link.user_id is None:
        return None
    user = await context.read(context.users.by_id, link.user_id)
    return user if user is not None and user.is_active(context.journal.now()) else None


@logout_routes.post("/logout")
async def sign_out(request: Request) -> Response:
    """End the session."""
    context, session = context_of(request), session_of(request)
    if session is not None:
        user_id, end = session.user.user_id, context.sessions.end
        await context.change(session.person, "sign_out", user_id, end, session.session_id, user_id)
    return end_cookie(RedirectResponse("/login", status_code=303))


def end_cookie(answer: Response) -> Response:
    """Make a browser forget its session and what it stored of pages."""
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


async def start_session(
    request: Request, user: User, target: str, *, confirmed: bool = True
) -> Response:
    """Start a new session in place of the one that the browser had, and lead to a page."""
    context, before = context_of(request), session_of(request)
    if before is not None:
        await context.read(context.sessions.end, before.session_id, before.user.user_id)
    token = await context.read(
        context.sessions.start,
        user.user_id,
        address=address_of(request),
        agent=request.headers.get("user-agent", ""),
        confirmed=confirmed,
    )
    answer = RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})
    answer.set_cookie(
        COOKIE,
        token,
        max_age=int(context.session_limits.absolute_seconds),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )
    return answer


def address_of(request: Request) -> str:
    """Return the address of the browser."""
    return request.client.host if request.client is not None else ""


def own_page(target: str) -> str:
    """Return the address of a page of this service, or the first page instead of another.

    >>> own_page("/queue?a=1"), own_page("//other.example")
    ('/queue?a=1', '/queue')
    """
    return target if _OWN_PAGE.fullmatch(target) else HOME
