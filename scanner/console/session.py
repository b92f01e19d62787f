"""The person who sends a request.

    page   session cookie, or a redirect to /login
    /v1    API key, session cookie, or the program on this machine while there is neither a key
           nor a user; otherwise 401

Routes that change something get their router from ``console_router``, which checks the token
against forged requests; ``person_of`` refuses a change that no one has checked.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from scanner.console.forms import Form, form_of
from scanner.console.wellbeing import load_preferences
from scanner.intake.context import context_of
from scanner.intake.problems import Problem, problem_response
from scanner.intake.sessions import (
    CSRF_HEADER,
    FACTOR_FIRST,
    SAFE_METHODS,
    check_csrf_token,
    csrf_token,
    needs_second_factor,
    session_of,
)
from scanner.store.people import Person, Role

__all__ = [
    "ConfirmationNeededError",
    "Form",
    "Person",
    "Role",
    "SecondFactorNeededError",
    "SignInNeededError",
    "answer_confirmation",
    "answer_second_factor",
    "answer_sign_in",
    "check_csrf",
    "console_router",
    "csrf_token",
    "form_of",
    "person_of",
    "require_recent_role",
    "require_role",
]


CONFIRMED_SECONDS: Final = 1800.0
"""Time after typing the password for which a person may manage users."""


class SignInNeededError(Exception):
    """A page was asked for without a session."""


class SecondFactorNeededError(Exception):
    """A page was asked for by a person who has to set up a second factor first."""


class ConfirmationNeededError(Exception):
    """A page was asked for by a person who has to type the password again first."""


def person_of(request: Request) -> Person:
    """Return the person who sends a request.

    Raises:
        SignInNeededError: a page was asked for without a session; answered with a redirect.
        SecondFactorNeededError: the same, before the second factor that the settings ask for.
        Problem: ``unauthenticated``, of the API; ``forbidden`` if a change is not proved to come
            from a page of this service.
    """
    session = session_of(request)
    if session is None:
        if not is_api(request):
            raise SignInNeededError
        return context_of(request).caller(request, "read").person()
    if request.method not in SAFE_METHODS and not getattr(request.state, "csrf_checked", False):
        check_csrf_token(request, request.headers.get(CSRF_HEADER))
    if needs_second_factor(context_of(request).settings, session.user):
        if is_api(request):
            raise Problem("forbidden", FACTOR_FIRST)
        raise SecondFactorNeededError
    return session.person


def require_role(request: Request, at_least: Role) -> Person:
    """Return the person who sends a request and has a role, or one above it.

    Raises:
        SignInNeededError, Problem: as ``person_of``; ``forbidden`` without the role.
    """
    person = person_of(request)
    if not person.has_role(at_least):
        raise Problem("forbidden", f"this needs the role {at_least}; yours is {person.role}")
    return person


def require_recent_role(request: Request, at_least: Role) -> Person:
    """Return the person who sends a request, has a role, and typed the password a while ago: a
    browser that was left unlocked manages no users.

    Raises:
        ConfirmationNeededError: it was too long ago; answered with a redirect.
        SignInNeededError, SecondFactorNeededError, Problem: as ``require_role``.
    """
    person, session = require_role(request, at_least), session_of(request)
    now = context_of(request).journal.now()
    if session is None or now - session.confirmed_at > CONFIRMED_SECONDS:
        raise ConfirmationNeededError
    return person


async def check_csrf(request: Request) -> None:
    """Check that a change comes from a page of this service: header ``X-CSRF-Token``, or field
    ``csrf`` of the form.

    Raises:
        SignInNeededError, Problem: there is no session, or no such proof.
    """
    if request.method in SAFE_METHODS:
        return
    if session_of(request) is None:
        person_of(request)  # a program with a key needs no proof, others are refused
        return
    given = request.headers.get(CSRF_HEADER)
    if given is None and not is_api(request):
        given = (await form_of(request)).text("csrf")
    check_csrf_token(request, given)


def console_router(prefix: str = "") -> APIRouter:
    """Return a router for routes of signed-in people, whose changes are checked."""
    before = [Depends(check_csrf), Depends(load_preferences)]
    return APIRouter(prefix=prefix, include_in_schema=False, dependencies=before)


def is_api(request: Request) -> bool:
    """Return whether a request is one of a program, which gets documents instead of pages."""
    return request.url.path.startswith("/v1/")


async def answer_second_factor(request: Request, _: Exception) -> Response:
    """Redirect to the page on which a second factor is set up."""
    page = "/account/second-factor"
    return RedirectResponse(page, status_code=303, headers={"Cache-Control": "no-store"})


async def answer_confirmation(request: Request, _: Exception) -> Response:
    """Redirect to the page that asks for the password, and from there back."""
    target = request.url.path if request.method in SAFE_METHODS else "/admin/users"
    page = f"/account/confirm?next={quote(target, safe='/')}"
    return RedirectResponse(page, status_code=303, headers={"Cache-Control": "no-store"})


async def answer_sign_in(request: Request, _: Exception) -> Response:
    """Redirect to the sign-in page, and from there back to a page; tell the script of a page."""
    if "application/json" in request.headers.get("accept", ""):
        problem = Problem("unauthenticated", "you are signed out")
        answer = problem_response(problem, str(request.scope["state"].get("request_id", "")))
        del answer.headers["WWW-Authenticate"]  # for it browsers ask for a name and a password
        return answer
    target = request.url.path
    if request.url.query:
        target += f"?{request.url.query}"
    page = "/login"
    if request.method in SAFE_METHODS and target != "/":
        page += f"?next={quote(target, safe='/')}"
    return RedirectResponse(page, status_code=303, headers={"Cache-Control": "no-store"})
