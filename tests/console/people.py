"""Signed-in people, as their browsers send requests."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import httpx

from scanner.intake.sessions import COOKIE
from scanner.store.people import Role, User
from scanner.store.sessions import Sessions
from scanner.store.users import Users
from tests.intake.conftest import RunningService


class Browser:
    """Sends requests as a browser does, with the cookie of a session or without."""

    def __init__(self, service: RunningService, token: str | None = None) -> None:
        self._client = service.client
        self._headers = {"Accept": "text/html"}
        if token is not None:
            self._headers["Cookie"] = f"{COOKIE}={token}"

    def send(self, method: str, path: str, headers: Any = (), **more: Any) -> httpx.Response:
        """Send a request; redirects are not followed."""
        return self._client.request(
            method, path, headers={**self._headers, **dict(headers)}, **more
        )

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Open a page."""
        return self.send("GET", path, **more)


class SignedIn(Browser):
    """A browser with a session."""

    def __init__(self, service: RunningService, user: User, token: str) -> None:
        super().__init__(service, token)
        self.user = user
        self.token = token
        self.csrf = hmac.digest(token.encode(), b"csrf", hashlib.sha256).hex()

    def post(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form of a page, with its token."""
        return self.send("POST", path, data={"csrf": self.csrf, **fields})


def token_of(answer: httpx.Response) -> str:
    """Return the token of the session that an answer starts."""
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    return cookie.split(";")[0].partition("=")[2]


def sign_in(
    service: RunningService, role: Role | str = Role.MODERATOR, name: str = "", **more: Any
) -> SignedIn:
    """Add a user with a role and restrictions, and return a browser with a session."""
    people = Users(service.journal)
    name = name or f"{role}-{len(people.list_all())}"
    user = people.add(name, role=Role(role), **more)
    return SignedIn(service, user, Sessions(service.journal).start(user.user_id))
