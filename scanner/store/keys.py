"""API keys: made once, shown once; only the SHA-256 of the secret is stored."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from sqlalchemy import Select, insert, select, update

from scanner.errors import SetupError
from scanner.store.database import Journal
from scanner.store.schema import api_keys

__all__ = ["VERBS", "ApiKey", "ApiKeys", "Verb", "key_id_of", "secret_digest"]

Verb = Literal["ingest", "read", "decide"]
"""A right of a key: to deliver media, to read results, to answer incidents."""
VERBS: Final[frozenset[str]] = frozenset(get_args(Verb))
PREFIX: Final = "sw"
SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as the journal has it, without its secret."""

    key_id: str
    name: str
    digest: str
    """SHA-256 of the secret, in hex; the secret is random, so that no slow hash is needed."""
    verbs: frozenset[str]
    channels: frozenset[str] | None
    """Channels that it is limited to; None for all."""
    created_at: float
    revoked_at: float | None


class ApiKeys:
    """The API keys of one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add(self, name: str, *, verbs: Iterable[str], channels: Iterable[str] | None) -> str:
        """Add a key; return its secret, which is stored nowhere.

        Raises:
            SetupError: a valid key has this name, or a verb is unknown.
        """
        wanted = frozenset(verbs)
        if not wanted or wanted - VERBS:
            unknown = ", ".join(sorted(wanted - VERBS)) or "none"
            raise SetupError(f"verbs: {unknown}; wanted some of {', '.join(sorted(VERBS))}")
        key_id = secrets.token_hex(4)
        secret = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
        row = {
            "key_id": key_id,
            "shard": 0,
            "name": name,
            "digest": secret_digest(secret),
            "verbs": json.dumps(sorted(wanted)),
            "channels": None if channels is None else json.dumps(sorted(set(channels))),
            "created_at": self._journal.now(),
        }
        with self._journal.write() as connection:
            taken = select(api_keys.c.key_id).where(
                api_keys.c.name == name, api_keys.c.revoked_at.is_(None)
            )
            if connection.execute(taken).first() is not None:
                raise SetupError(f"key {name}: exists already; revoke it first, or choose a name")
            connection.execute(insert(api_keys), row)
        return secret

    def revoke(self, name: str) -> None:
        """Make the valid key of this name, or with this id, invalid.

        Raises:
            SetupError: there is none.
        """
        with self._journal.write() as connection:
            revoked = connection.execute(
                update(api_keys)
                .where(
                    (api_keys.c.name == name) | (api_keys.c.key_id == name),
                    api_keys.c.revoked_at.is_(None),
                )
                .values(revoked_at=self._journal.now())
            )
        if not revoked.rowcount:
            raise SetupError(f"key {name}: there is no valid one; `streamwarden keys list`")

    def list_all(self) -> tuple[ApiKey, ...]:
        """Return all keys, also revoked ones, oldest first."""
        return self._select(_ALL)

    def list_valid(self) -> tuple[ApiKey, ...]:
        """Return the keys that are not revoked."""
        return self._select(_VALID)

    def _select(self, query: Select[Any]) -> tuple[ApiKey, ...]:
        with self._journal.read() as connection:
            return tuple(_key(row) for row in connection.execute(query))


def secret_digest(secret: str) -> str:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def key_id_of(secret: str) -> str | None:
    """Return the id of the key that a secret names, or None if it has not the form of one.

    >>> key_id_of("sw_0a1b2c3d_secret")
    '0a1b2c3d'
    """
    parts = secret.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == PREFIX else None


def _key(row: Any) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        name=row.name,
        digest=row.digest,
        verbs=frozenset(json.loads(row.verbs)),
        channels=None if row.channels is None else frozenset(json.loads(row.channels)),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )


_ALL: Final = select(api_keys).order_by(api_keys.c.created_at)
_VALID: Final = _ALL.where(api_keys.c.revoked_at.is_(None))
