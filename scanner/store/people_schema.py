"""The tables of people: accounts, sign-in, preferences, exposure, the audit log and holds.

    users  1 -- n  recovery_codes, sessions, login_links, exposure
    users  1 -- 1  preferences
    audit          a chain of hashes over all of them and over what they see and do

Secrets of links and sessions are random and stored as SHA-256; passwords as argon2id.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, Table, Text

from scanner.store.schema import metadata

__all__ = [
    "audit",
    "exposure",
    "holds",
    "login_links",
    "preferences",
    "recovery_codes",
    "removals",
    "sessions",
    "sign_in_failures",
    "users",
]

NO_STREAM: Final = 0
"""The shard of rows that belong to no stream."""


def _shard() -> Column[int]:
    return Column("shard", Integer, nullable=False, default=NO_STREAM)


users = Table(
    "users",
    metadata,
    Column("user_id", Text, primary_key=True),
    _shard(),
    Column("name", Text, nullable=False, unique=True, comment="lower case; used to sign in"),
    Column("display", Text, nullable=False),
    Column("role", Text, nullable=False, comment="viewer, moderator, lead or admin"),
    Column("channels", Text, comment="JSON list of channels; NULL for all"),
    Column("hidden_categories", Text, nullable=False, comment="JSON list"),
    Column("decisions", Text, comment="JSON list of allowed decisions; NULL for all"),
    Column("password", Text, comment="argon2id; NULL until it is set"),
    Column("totp_secret", Text, comment="base32; NULL without a second factor"),
    Column("totp_step", Integer, nullable=False, default=0, comment="last time step that was used"),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, comment="of a throw-away user"),
    Column("disabled_at", Float),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("digest", Text, primary_key=True, comment="SHA-256 of the code"),
    _shard(),
    Column("used_at", Float),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of the cookie"),
    _shard(),
    Column("session_id", Text, nullable=False, unique=True, comment="names it on pages"),
    Column("user_id", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("confirmed_at", Float, nullable=False, comment="when the password was checked last"),
    Column("seen_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, comment="however much it is used"),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False, comment="name of the browser, as it states it"),
    Index("sessions_by_user", "user_id"),
)

login_links = Table(
    "login_links",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of the code"),
    _shard(),
    Column("purpose", Text, nullable=False, comment="create_admin, set_password or sign_in"),
    Column("user_id", Text, comment="NULL for create_admin"),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("subject", Text, primary_key=True, comment="user:NAME or address:ADDRESS"),
    _shard(),
    Column("failures", Integer, nullable=False, comment="in a row"),
    Column("next_at", Float, nullable=False, comment="when the next try is allowed"),
    Column("updated_at", Float, nullable=False),
)

preferences = Table(
    "preferences",
    metadata,
    Column("user_id", Text, primary_key=True),
    _shard(),
    Column("body", Text, nullable=False, comment="JSON: what differs from the defaults"),
    Column("updated_at", Float, nullable=False),
)

exposure = Table(
    "exposure",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("day", Text, primary_key=True, comment="YYYY-MM-DD, UTC"),
    _shard(),
    Column("items", Integer, nullable=False, default=0),
    Column("severe_items", Integer, nullable=False, default=0),
    Column("unblurred_seconds", Float, nullable=False, default=0),
    Column("active_since", Float, comment="begin of the work that had no break since"),
    Column("active_at", Float, comment="latest action"),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False, comment="counts from 1"),
    _shard(),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False, comment="id of a user or key, or system"),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Text, nullable=False, comment="canonical JSON"),
    Column("previous", Text, nullable=False, comment="hash of the entry before"),
    Column("hash", Text, nullable=False, comment="SHA-256 over all of the above, in hex"),
    Index("audit_by_actor", "actor", "at"),
    Index("audit_by_subject", "subject", "at"),
    Index("audit_by_action", "action", "at"),
)

holds = Table(
    "holds",
    metadata,
    Column("kind", Text, primary_key=True, comment="stream or channel"),
    Column("name", Text, primary_key=True),
    _shard(),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    comment="What may not be deleted, by retention or on request.",
)

removals = Table(
    "removals",
    metadata,
    Column("stream_id", Text, primary_key=True),
    _shard(),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_at", Float, nullable=False),
    Column("removed_at", Float, comment="NULL until all of it is deleted"),
    comment="Streams whose deletion was requested.",
)
