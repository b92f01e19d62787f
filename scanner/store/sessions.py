"""Sessions of signed-in users, and links that can be used once. Only digests are stored."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, delete, insert, select, update

from scanner.store.database import Journal
from scanner.store.keys import secret_digest
from scanner.store.people import Person, SessionLimits, User
from scanner.store.people_schema import login_links, preferences, sessions, users
from scanner.store.users import user_of

__all__ = ["LoginLink", "LoginLinks", "Purpose", "Session", "Sessions"]

TOKEN_BYTES: Final = 32
SEEN_SECONDS: Final = 60.0
"""Least time between two records that a session is in use."""

Purpose = Literal["create_admin", "set_password", "sign_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A valid session."""

    session_id: str
    user: User
    person: Person
    created_at: float
    confirmed_at: float
    """Wall-clock time at which the password was checked last; 0 if it never was."""
    seen_at: float
    expires_at: float
    address: str
    agent: str


class Sessions:
    """The sessions of one journal; safe to use from several threads."""

    def __init__(self, journal: Journal, limits: SessionLimits | None = None) -> None:
        self._journal = journal
        self._limits = limits or SessionLimits()

    def start(
        self, user_id: str, *, address: str = "", agent: str = "", confirmed: bool = True
    ) -> str:
        """Start a session; return its token, which only the cookie has."""
        token, now = secrets.token_urlsafe(TOKEN_BYTES), self._journal.now()
        row = {
            "digest": secret_digest(token),
            "session_id": secrets.token_hex(8),
            "user_id": user_id,
            "created_at": now,
            "confirmed_at": now if confirmed else 0.0,
            "seen_at": now,
            "expires_at": now + self._limits.absolute_seconds,
            "address": address,
            "agent": agent[:200],
        }
        with self._journal.write() as connection:
            connection.execute(insert(sessions), row)
        return token

    def find(self, token: str) -> Session | None:
        """Return the valid session of a token, or None."""
        (found,) = self._select(sessions.c.digest == secret_digest(token)) or (None,)
        return found

    def use(self, token: str) -> Session | None:
        """Return the valid session of a token, or None; it is recorded as in use, at most once a
        minute."""
        session = self.find(token)
        if session is not None:
            self._note_use(session)
        return session

    def _note_use(self, session: Session) -> None:
        now = self._journal.now()
        if now - session.seen_at < min(SEEN_SECONDS, self._limits.idle_seconds / 4):
            return
        with self._journal.write() as connection:
            seen = update(sessions).where(sessions.c.session_id == session.session_id)
            connection.execute(seen.values(seen_at=now))

    def of_user(self, user_id: str) -> list[Session]:
        """Return the valid sessions of a user, the latest first."""
        return self._select(sessions.c.user_id == user_id)

    def _select(self, which: Any) -> list[Session]:
        """Return the valid sessions that fit, the latest first."""
        now = self._journal.now()
        query = select(sessions).where(
            which,
            sessions.c.expires_at > now,
            sessions.c.seen_at > now - self._limits.idle_seconds,
        )
        with self._journal.read() as connection:
            rows = connection.execute(query.order_by(sessions.c.created_at.desc())).all()
            found = [(row, *_user_of(connection, row.user_id)) for row in rows]
        return [
            _session(row, user, opted_out)
            for row, user, opted_out in found
            if user is not None and user.is_active(now)
        ]

    def end(self, session_id: str, user_id: str) -> bool:
        """End a session of a user; return whether there was one."""
        ended = delete(sessions).where(
            sessions.c.session_id == session_id, sessions.c.user_id == user_id
        )
        with self._journal.write() as connection:
            return bool(connection.execute(ended).rowcount)

    def end_all(self, user_id: str, *, but: str = "") -> int:
        """End all sessions of a user but one; return how many ended."""
        ended = delete(sessions).where(sessions.c.user_id == user_id, sessions.c.session_id != but)
        with self._journal.write() as connection:
            return int(connection.execute(ended).rowcount)

    def confirm(self, session_id: str) -> None:
        """Record that the password was checked just now."""
        with self._journal.write() as connection:
            confirmed = update(sessions).where(sessions.c.session_id == session_id)
            connection.execute(confirmed.values(confirmed_at=self._journal.now()))

    def remove_expired(self) -> int:
        """Remove the rows of sessions that ended by time; return how many."""
        now = self._journal.now()
        ended = delete(sessions).where(
            (sessions.c.expires_at <= now) | (sessions.c.seen_at <= now - self._limits.idle_seconds)
        )
        with self._journal.write() as connection:
            return int(connection.execute(ended).rowcount)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginLink:
    """A link that is valid and was not used."""

    purpose: Purpose
    user_id: str | None
    """None for the one that creates the administrator."""


class LoginLinks:
    """Links that can be used once, until they expire; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add(self, purpose: Purpose, user_id: str | None, *, seconds: float) -> str:
        """Make a link; return its code. Earlier ones for the same end with it."""
        code, now = secrets.token_urlsafe(TOKEN_BYTES), self._journal.now()
        row = {
            "digest": secret_digest(code),
            "purpose": purpose,
            "user_id": user_id,
            "created_at": now,
            "expires_at": now + seconds,
        }
        same = (
            login_links.c.user_id.is_(None)
            if user_id is None
            else (login_links.c.user_id == user_id)
        )
        with self._journal.write() as connection:
            connection.execute(delete(login_links).where(login_links.c.purpose == purpose, same))
            connection.execute(insert(login_links), row)
        return code

    def find(self, code: str) -> LoginLink | None:
        """Return the valid link of a code, or None; it stays valid."""
        query = select(login_links).where(*self._valid(code))
        with self._journal.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else LoginLink(purpose=row.purpose, user_id=row.user_id)

    def use(self, code: str) -> LoginLink | None:
        """Return the valid link of a code, which is valid no more; None if there is none."""
        with self._journal.write() as connection:
            row = connection.execute(select(login_links).where(*self._valid(code))).one_or_none()
            if row is None:
                return None
            connection.execute(
                update(login_links)
                .where(login_links.c.digest == row.digest)
                .values(used_at=self._journal.now())
            )
        return LoginLink(purpose=row.purpose, user_id=row.user_id)

    def remove_expired(self) -> int:
        """Remove links that expired; return how many."""
        old = delete(login_links).where(login_links.c.expires_at <= self._journal.now())
        with self._journal.write() as connection:
            return int(connection.execute(old).rowcount)

    def _valid(self, code: str) -> tuple[Any, ...]:
        return (
            login_links.c.digest == secret_digest(code),
            login_links.c.used_at.is_(None),
            login_links.c.expires_at > self._journal.now(),
        )


def _user_of(connection: Connection, user_id: str) -> tuple[User | None, frozenset[str]]:
    """Return the user of a session, and the categories that the user does not want to see."""
    row = connection.execute(select(users).where(users.c.user_id == user_id)).one_or_none()
    query = select(preferences.c.body).where(preferences.c.user_id == user_id)
    body = connection.execute(query).scalar_one_or_none()
    opted_out = [] if body is None else json.loads(body).get("opted_out", [])
    return None if row is None else user_of(row), frozenset(opted_out)


def _session(row: Any, user: User, opted_out: frozenset[str]) -> Session:
    return Session(
        session_id=row.session_id,
        user=user,
        person=user.person(opted_out),
        created_at=row.created_at,
        confirmed_at=row.confirmed_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
        address=row.address,
        agent=row.agent,
    )
