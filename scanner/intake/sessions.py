"""Sessions of requests: a cookie is read once, before the route runs.

A cookie is sent by a browser also for requests that another site makes it send. Therefore every
request with a session that is not a plain read has to prove that it comes from a page of this
service: by a token that only those pages have, and by what the browser states of its origin.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scanner.errors import TransientError
from scanner.intake.failures import transient_response
from scanner.intake.problems import Problem
from scanner.settings.service import ServiceSettings
from scanner.store.people import Role, User
from scanner.store.sessions import Session

__all__ = [
    "COOKIE",
    "CSRF_HEADER",
    "FACTOR_FIRST",
    "SAFE_METHODS",
    "SessionReader",
    "check_csrf_token",
    "check_same_site",
    "csrf_token",
    "needs_second_factor",
    "session_of",
    "session_token",
]

COOKIE: Final = "__Host-streamwarden"
"""Name of the cookie; browsers accept this prefix only with Secure, for this host and path /."""
CSRF_HEADER: Final = "X-CSRF-Token"
FACTOR_FIRST: Final = "set up a second factor in the console first"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_OF_PROGRAMS: Final = ("/v1/", "/ingest/", "/hooks/", "/metrics")
_POLLED: Final = re.compile(r"/queue/(rows|changes)|/review/[0-9a-f]+/(live|changes)|/v1/events")
"""What pages request by themselves: a page that is left open keeps no session in use."""


class SessionReader:
    """Adds the valid session of a request's cookie to its state. In the HTTP interface an API key
    has precedence; pages know none, and a browser may send one that it was asked for before."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request, with its session."""
        if scope["type"] == "http":
            headers, state = Headers(scope=scope), scope["state"]
            has_key = "authorization" in headers and scope["path"].startswith(_OF_PROGRAMS)
            token = None if has_key else _cookie(headers.get("cookie", ""))
            if token is not None:
                context = state["context"]
                find = (
                    context.sessions.find
                    if _POLLED.fullmatch(scope["path"])
                    else context.sessions.use
                )
                try:
                    session = await context.read(find, token)
                except TransientError as error:
                    answer = transient_response(error, state.get("request_id", ""))
                    await answer(scope, receive, send)
                    return
                if session is not None:
                    state["session"], state["session_token"] = session, token
                    state.setdefault("facts", {})["user"] = session.user.user_id
                    send = _uncached(send)
        await self._app(scope, receive, send)


def _uncached(send: Send) -> Send:
    """Return a sender of answers to a person that no cache keeps, unless they say otherwise."""

    async def send_uncached(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
        await send(message)

    return send_uncached


def session_of(request: Request) -> Session | None:
    """Return the session of a request, or None."""
    session: Session | None = getattr(request.state, "session", None)
    return session


def session_token(request: Request) -> str:
    """Return the token of the cookie of a valid session; empty without one."""
    token: str = getattr(request.state, "session_token", "")
    return token


def csrf_token(request: Request) -> str:
    """Return the token by which pages of this session prove their requests; empty without one."""
    token = session_token(request)
    return hmac.digest(token.encode(), b"csrf", hashlib.sha256).hex() if token else ""


def check_csrf_token(request: Request, given: str | None) -> None:
    """Check the proof of a request with a session, and remember that it was checked.

    Raises:
        Problem: ``forbidden``.
    """
    check_same_site(request.headers)
    wanted = csrf_token(request)
    if not wanted or not hmac.compare_digest(wanted.encode(), (given or "").encode()):
        raise Problem("forbidden", "the page is out of date or not of this service; reload it")
    request.state.csrf_checked = True


def check_same_site(headers: Headers) -> None:
    """Check that a browser does not send a request for another site.

    Raises:
        Problem: ``forbidden``.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        is_own = site in ("same-origin", "none")
    else:
        is_own = origin is None or urlsplit(origin).netloc == headers.get("host")
    if not is_own:
        raise Problem("forbidden", "the request comes from another site")


def needs_second_factor(settings: ServiceSettings, user: User) -> bool:
    """Return whether a user has to set up a second factor before anything else."""
    if user.has_totp or user.expires_at is not None:
        return False
    wanted = settings.console.second_factor
    if wanted == "auto":  # no other machine reaches a service that has neither
        is_reached = settings.tls_cert is not None or bool(settings.behind_proxy)
        wanted = "leads" if is_reached else "optional"
    return wanted == "everyone" or (wanted == "leads" and user.role.rank >= Role.LEAD.rank)


def _cookie(header: str) -> str | None:
    """Return the token that a ``Cookie`` header carries, or None."""
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE and value:
            return value
    return None
