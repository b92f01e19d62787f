"""Users, their secrets and their preferences, in the journal."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from scanner.errors import SetupError
from scanner.store.database import Journal
from scanner.store.keys import secret_digest
from scanner.store.people import Role, User, check_name
from scanner.store.people_schema import (
    login_links,
    preferences,
    recovery_codes,
    sessions,
    users,
)
from scanner.store.review_schema import reviews
from scanner.store.writes import upsert

__all__ = ["Credentials", "Users"]

ID_BYTES: Final = 8

Credentials = tuple[str | None, str | None, int]
"""The hash of the password, the secret of the second factor, and its last used time step."""


class Users:
    """The users of one journal; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add(
        self,
        name: str,
        *,
        role: Role,
        display: str | None = None,
        channels: Iterable[str] | None = None,
        hidden_categories: Iterable[str] = (),
        decisions: Iterable[str] | None = None,
        password: str | None = None,
        expires_at: float | None = None,
    ) -> User:
        """Add a user; ``password`` is a hash.

        Raises:
            SetupError: the name is taken or not valid.
        """
        row = {
            "user_id": secrets.token_hex(ID_BYTES),
            "name": _checked(name),
            "display": (display or name).strip(),
            "role": Role(role).value,
            "channels": _json(channels),
            "hidden_categories": _json(hidden_categories),
            "decisions": _json(decisions),
            "password": password,
            "created_at": self._journal.now(),
            "expires_at": expires_at,
        }
        try:
            with self._journal.write() as connection:
                connection.execute(insert(users), row)
        except IntegrityError as error:
            raise SetupError(f"user {row['name']}: exists already") from error
        return self.by_name(str(row["name"]))

    def by_name(self, name: str) -> User:
        """Return a user.

        Raises:
            SetupError: there is none of this name.
        """
        found = self.find(name)
        if found is None:
            raise SetupError(f"user {name}: is not known; `streamwarden users list`")
        return found

    def find(self, name: str) -> User | None:
        """Return the user of a name, or None."""
        return self._find(users.c.name == name.strip().lower())

    def by_id(self, user_id: str) -> User | None:
        """Return a user, or None."""
        return self._find(users.c.user_id == user_id)

    def list_all(self) -> list[User]:
        """Return all users by name."""
        with self._journal.read() as connection:
            rows = connection.execute(select(users).order_by(users.c.name)).all()
        return [user_of(row) for row in rows]

    def count_active_admins(self) -> int:
        """Return how many administrators can sign in."""
        return sum(
            user.role is Role.ADMIN and user.is_active(self._journal.now())
            for user in self.list_all()
        )

    def any_lasting(self) -> bool:
        """Return whether there is a user who is not a throw-away one."""
        with self._journal.read() as connection:
            return connection.execute(_LASTING).first() is not None

    def change(self, user_id: str, **values: Any) -> None:
        """Change columns of a user: role, display, channels, hidden_categories, decisions."""
        for name in ("channels", "hidden_categories", "decisions"):
            if name in values:
                values[name] = _json(values[name])
        if "role" in values:
            values["role"] = Role(values["role"]).value
        self._update(user_id, values)

    def disable(self, user_id: str) -> None:
        """End a user: all sessions and links end, no sign-in is possible, and what the user was to
        decide is everybody's."""
        with self._journal.write() as connection:
            at = {"disabled_at": self._journal.now()}
            connection.execute(update(users).where(users.c.user_id == user_id).values(at))
            connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
            connection.execute(delete(login_links).where(login_links.c.user_id == user_id))
            assigned = update(reviews).where(reviews.c.assigned_to == user_id)
            connection.execute(assigned.values(assigned_to=None))

    def enable(self, user_id: str) -> None:
        """Allow a disabled user to sign in again."""
        self._update(user_id, {"disabled_at": None})

    def credentials(self, user_id: str) -> Credentials:
        """Return the secrets of a user."""
        query = select(users.c.password, users.c.totp_secret, users.c.totp_step)
        with self._journal.read() as connection:
            row = connection.execute(query.where(users.c.user_id == user_id)).one()
        return row.password, row.totp_secret, row.totp_step

    def set_password(self, user_id: str, password: str | None) -> None:
        """Store the hash of a new password; None until the user sets one by a link."""
        self._update(user_id, {"password": password})

    def set_totp(
        self, user_id: str, secret: str | None, codes: Iterable[str] = (), *, step: int = 0
    ) -> None:
        """Store the secret of a second factor with its recovery codes, or remove both; codes up to
        a time step count as used."""
        with self._journal.write() as connection:
            values = {"totp_secret": secret, "totp_step": step}
            connection.execute(update(users).where(users.c.user_id == user_id).values(values))
            connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
            rows = [{"user_id": user_id, "digest": secret_digest(code)} for code in codes]
            if rows:
                connection.execute(insert(recovery_codes), rows)

    def use_totp_step(self, user_id: str, step: int) -> bool:
        """Use a time step of the second factor; return False if it, or a later one, was used."""
        with self._journal.write() as connection:
            used = connection.execute(
                update(users)
                .where(users.c.user_id == user_id, users.c.totp_step < step)
                .values(totp_step=step)
            )
        return bool(used.rowcount)

    def use_recovery_code(self, user_id: str, code: str) -> bool:
        """Use a recovery code; return False if it is not known or was used."""
        with self._journal.write() as connection:
            used = connection.execute(
                update(recovery_codes)
                .where(
                    recovery_codes.c.user_id == user_id,
                    recovery_codes.c.digest == secret_digest(code),
                    recovery_codes.c.used_at.is_(None),
                )
                .values(used_at=self._journal.now())
            )
        return bool(used.rowcount)

    def preferences(self, user_id: str) -> dict[str, Any]:
        """Return what a user prefers other than by default."""
        query = select(preferences.c.body).where(preferences.c.user_id == user_id)
        with self._journal.read() as connection:
            body = connection.execute(query).scalar_one_or_none()
        return {} if body is None else dict(json.loads(body))

    def set_preferences(self, user_id: str, body: Mapping[str, Any]) -> None:
        """Store what a user prefers other than by default."""
        row = {"user_id": user_id, "body": json.dumps(dict(body), sort_keys=True)}
        with self._journal.write() as connection:
            upsert(connection, preferences, {**row, "shard": 0, "updated_at": self._journal.now()})

    def set_view(self, user_id: str, category: str, switch: str, on: bool) -> None:
        """Store one switch of how a user wants media of a category to be shown."""
        with self._journal.transaction():
            body = self.preferences(user_id)
            views = body.get("views", {})
            view = {**views.get(category, {}), switch: on}
            self.set_preferences(user_id, {**body, "views": {**views, category: view}})

    def _find(self, which: Any) -> User | None:
        with self._journal.read() as connection:
            row = connection.execute(select(users).where(which)).one_or_none()
        return None if row is None else user_of(row)

    def _update(self, user_id: str, values: Mapping[str, Any]) -> None:
        with self._journal.write() as connection:
            connection.execute(update(users).where(users.c.user_id == user_id).values(**values))


def user_of(row: Row[Any]) -> User:
    """Return the user of a row."""
    return User(
        user_id=row.user_id,
        name=row.name,
        display=row.display,
        role=Role(row.role),
        channels=_set(row.channels),
        hidden_categories=_set(row.hidden_categories) or frozenset(),
        decisions=_set(row.decisions),
        has_password=row.password is not None,
        has_totp=row.totp_secret is not None,
        created_at=row.created_at,
        expires_at=row.expires_at,
        disabled_at=row.disabled_at,
    )


def _checked(name: str) -> str:
    try:
        return check_name(name)
    except ValueError as error:
        raise SetupError(f"user: {error}") from error


def _json(values: Iterable[str] | None) -> str | None:
    return None if values is None else json.dumps(sorted(set(values)))


def _set(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(json.loads(text))


_LASTING: Final = select(users.c.user_id).where(users.c.expires_at.is_(None)).limit(1)
