"""The person who sends a request.

    page   session cookie, or a redirect to /login
    /v1    API key, session cookie, or the program on this machine while there is neither a key
           nor a user; otherwise 401

Routes that change something get their router from ``console_router``, which checks the token
against forged requests; ``person_of`` refuses a change that no one has checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from scanner.intake.context import context_of
from scanner.intake.problems import Problem
from scanner.intake.sessions import (
    CSRF_HEADER,
    SAFE_METHODS,
    check_csrf_token,
    csrf_token,
    session_of,
)
from scanner.store.people import Person, Role

__all__ = [
    "Form",
    "Person",
    "Role",
    "SignInNeededError",
    "answer_sign_in",
    "check_csrf",
    "console_router",
    "csrf_token",
    "form_of",
    "person_of",
    "require_role",
]

FORM_BYTES: Final = 65536
FORM_FIELDS: Final = 1000


class SignInNeededError(Exception):
    """A page was asked for without a session."""


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form that a page sent."""

    fields: Mapping[str, list[str]]

    def text(self, name: str, default: str = "") -> str:
        """Return the value of a field, or ``default`` if it was not sent."""
        values = self.fields.get(name)
        return default if not values else values[-1]

    def all(self, name: str) -> list[str]:
        """Return all values of a field, such as those of a selection."""
        return self.fields.get(name, [])


def person_of(request: Request) -> Person:
    """Return the person who sends a request.

    Raises:
        SignInNeededError: a page was asked for without a session; answered with a redirect.
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
    return session.person


def require_role(request: Request, at_least: Role) -> Person:
    """Return the person who sends a request and has a role, or one above it.

    Raises:
        SignInNeededError, Problem: as ``person_of``; ``forbidden`` without the role.
    """
    person = person_of(request)
    if not person.has_role(at_least):
        raise Problem("forbidden", f"this needs the role {at_least}; you are {person.role}")
    return person


async def form_of(request: Request) -> Form:
    """Return the form of a request, URL-encoded; it is read once.

    Raises:
        Problem: ``too_large``, or ``invalid_request`` for another media type.
    """
    known: Form | None = getattr(request.state, "form", None)
    if known is not None:
        return known
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise Problem("invalid_request", f"a URL-encoded form is wanted, got {kind}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise Problem("too_large", f"the form is over {FORM_BYTES} bytes")
    try:
        fields = parse_qs(
            body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise Problem("invalid_request", "the form is not valid") from error
    request.state.form = Form(fields)
    return request.state.form  # type: ignore[no-any-return]


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
    return APIRouter(prefix=prefix, include_in_schema=False, dependencies=[Depends(check_csrf)])


def is_api(request: Request) -> bool:
    """Return whether a request is one of a program, which gets documents instead of pages."""
    return request.url.path.startswith("/v1/")


async def answer_sign_in(request: Request, _: Exception) -> Response:
    """Redirect to the sign-in page, and from there back to a page."""
    target = request.url.path
    if request.url.query:
        target += f"?{request.url.query}"
    page = "/login"
    if request.method in SAFE_METHODS and target != "/":
        page += f"?next={quote(target, safe='/')}"
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    return RedirectResponse(page, status_code=303, headers={"Cache-Control": "no-store"})
