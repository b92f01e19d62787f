"""The sender of a request, and what that sender may do.

A request names an API key as a Bearer token or as the password of Basic authentication. While no
key exists, requests from this machine may do everything, and all others nothing.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from scanner.intake.problems import Problem
from scanner.store.keys import VERBS, ApiKey, key_id_of, secret_digest

__all__ = ["Access", "Caller"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The sender of a request."""

    key_id: str | None
    """None for one without a key."""
    verbs: frozenset[str]
    channels: frozenset[str] | None
    """Channels that it is limited to; None for all."""

    def check_verb(self, verb: str) -> None:
        """Check that the sender may do something.

        Raises:
            Problem: ``forbidden``.
        """
        if verb not in self.verbs:
            allowed = ", ".join(sorted(self.verbs))
            raise Problem("forbidden", f"this needs the verb {verb}; the key has {allowed}")

    def sees(self, channel: str | None) -> bool:
        """Return whether the sender may see something of a channel, or of none."""
        return self.channels is None or channel in self.channels

    def channel_for(self, named: str | None) -> str | None:
        """Return the channel of a new stream: the named one, or the only one of the key."""
        if named is None and self.channels is not None and len(self.channels) == 1:
            return next(iter(self.channels))
        return named


_LOCAL: Final = Caller(key_id=None, verbs=VERBS, channels=None)


class Access:
    """The valid keys at one moment."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys: Mapping[str, ApiKey] = {key.key_id: key for key in keys}

    def identify(self, headers: Headers, client: tuple[str, int] | None) -> Caller:
        """Return the sender of a request.

        Raises:
            Problem: ``unauthenticated``.
        """
        secret = _secret_of(headers.get("authorization", ""))
        if secret is None:
            if not self._keys and client is not None and _is_local(client[0], headers):
                return _LOCAL
            raise Problem("unauthenticated", "an API key is needed, as Bearer token or password")
        key = self._keys.get(key_id_of(secret) or "")
        digest = "" if key is None else key.digest
        if key is None or not hmac.compare_digest(digest, secret_digest(secret)):
            raise Problem("unauthenticated", "this API key is not known, or was revoked")
        return Caller(key_id=key.key_id, verbs=key.verbs, channels=key.channels)


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
    host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    return (
        _is_loopback(address)
        and (host == "localhost" or _is_loopback(host))
        and headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    )


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)
