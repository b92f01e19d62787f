"""The sender of a request, and what that sender may do.

A request names an API key as a Bearer token or as the password of Basic authentication, or it has
the session of a person. While neither a key nor a user exists, requests from this machine may do
everything, and all others nothing.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from scanner.intake.problems import Problem
from scanner.store.keys import VERBS, ApiKey, key_id_of, secret_digest
from scanner.store.people import Person, Role

__all__ = ["Access", "Caller", "caller_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The sender of a request."""

    key_id: str | None
    """None for one without a key."""
    name: str = "this machine"
    verbs: frozenset[str]
    channels: frozenset[str] | None
    """Channels that it is limited to; None for all."""
    user: Person | None = None
    """The person, if a session sends it."""

    @property
    def hidden_categories(self) -> frozenset[str]:
        """Categories that the sender does not see."""
        return frozenset() if self.user is None else self.user.hidden_categories

    def person(self) -> Person:
        """Return the sender as a person: a program has the rights of its key."""
        if self.user is not None:
            return self.user
        return Person(
            user_id="local" if self.key_id is None else f"key:{self.key_id}",
            name=self.name,
            role=Role.MODERATOR if "decide" in self.verbs else Role.VIEWER,
            channels=self.channels,
        )

    def check_verb(self, verb: str) -> None:
        """Check that the sender may do something.

        Raises:
            Problem: ``forbidden``.
        """
        if verb not in self.verbs:
            allowed = ", ".join(sorted(self.verbs))
            raise Problem("forbidden", f"this needs the verb {verb}; the sender has {allowed}")

    def sees(self, channel: str | None, category: str | None = None) -> bool:
        """Return whether the sender may see something of a channel, or of none, and of a category
        if it has one."""
        in_channel = self.channels is None or channel in self.channels
        return in_channel and category not in self.hidden_categories

    def channel_for(self, named: str | None) -> str | None:
        """Return the channel of a new stream: the named one, or the only one of the key."""
        if named is None and self.channels is not None and len(self.channels) == 1:
            return next(iter(self.channels))
        return named


_LOCAL: Final = Caller(key_id=None, verbs=VERBS, channels=None)


def caller_of(person: Person) -> Caller:
    """Return a signed-in person as the sender of a request: it reads, and decides by its role."""
    may_decide = person.has_role(Role.MODERATOR)
    return Caller(
        key_id=None,
        name=person.name,
        verbs=frozenset({"read", "decide"} if may_decide else {"read"}),
        channels=person.channels,
        user=person,
    )


_NO_KEY: Final = (
    "an API key is needed, as Bearer token or password; `streamwarden keys add NAME` makes one"
)


class Access:
    """The valid keys at one moment."""

    def __init__(self, keys: Sequence[ApiKey], *, is_open: bool = True) -> None:
        """``is_open``: while there is no key, programs on this machine need none."""
        self._is_open = is_open and not keys
        self._keys: Mapping[str, ApiKey] = {key.key_id: key for key in keys}

    def identify(
        self, headers: Headers, client: tuple[str, int] | None, *, secret: str | None = None
    ) -> Caller:
        """Return the sender of a request, whose key may be given otherwise than by a header.

        Raises:
            Problem: ``unauthenticated``.
        """
        if secret is None:
            secret = _secret_of(headers.get("authorization", ""))
        if secret is None:
            if self._is_open and client is not None and _is_local(client[0], headers):
                return _LOCAL
            raise Problem("unauthenticated", _NO_KEY)
        key = self._keys.get(key_id_of(secret) or "")
        digest = "" if key is None else key.digest
        if key is None or not hmac.compare_digest(digest, secret_digest(secret)):
            raise Problem("unauthenticated", "this API key is not known, or was revoked")
        return Caller(key_id=key.key_id, name=key.name, verbs=key.verbs, channels=key.channels)


def _secret_of(authorization: str) -> str | None:
    """Return the secret that a header carries, or None if it carries none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return pair.partition(":")[2]
    return None


def _is_local(address: str, headers: Headers) -> bool:
    """Return whether a program on this machine sends a request, and no page of another site that a
    browser on this machine shows."""
    return (
        _is_loopback(address)
        and _names_this_machine(headers.get("host", ""))
        and headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    )


@lru_cache(maxsize=64)
def _names_this_machine(host: str) -> bool:
    """Return whether the header ``Host`` names this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


@lru_cache(maxsize=64)
def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)
