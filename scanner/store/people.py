"""People who review: what each may see and decide. Nouns only, without a database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["Person", "Role", "SessionLimits", "User", "check_name"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class Role(StrEnum):
    """What a person does; each role may do everything that those before it may."""

    VIEWER = "viewer"
    """Sees items and decides nothing."""
    MODERATOR = "moderator"
    """Decides."""
    LEAD = "lead"
    """Assigns, sees the figures of the team, exports, holds and deletes."""
    ADMIN = "admin"
    """Manages users."""

    @property
    def rank(self) -> int:
        """The place of the role, from 0 for a viewer."""
        return tuple(Role).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The sender of a request, with the rights that follow every item."""

    user_id: str
    """Id of the user; ``key:ID`` for an API key, ``local`` for a program on this machine."""
    name: str
    """The name that is shown to other people."""
    role: Role
    channels: frozenset[str] | None = None
    """Channels that the person is limited to; None for all."""
    hidden_categories: frozenset[str] = frozenset()
    """Categories of the taxonomy that the person does not see, by restriction or by choice."""
    decisions: frozenset[str] | None = None
    """Decisions that the person may make; None for all."""

    def has_role(self, at_least: Role) -> bool:
        """Return whether the person has a role, or one above it."""
        return self.role.rank >= at_least.rank

    def can_see(self, channel: str | None, category: str) -> bool:
        """Return whether the person may see an item of a channel and a category."""
        in_channel = self.channels is None or channel in self.channels
        return in_channel and category not in self.hidden_categories

    def can_decide(self, decision: str, channel: str | None, category: str) -> bool:
        """Return whether the person may make a decision about an item."""
        return (
            self.has_role(Role.MODERATOR)
            and self.can_see(channel, category)
            and (self.decisions is None or decision in self.decisions)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account, without its secrets."""

    user_id: str
    name: str
    """The name to sign in with, in lower case."""
    display: str
    role: Role
    channels: frozenset[str] | None = None
    hidden_categories: frozenset[str] = frozenset()
    """Categories that an administrator hides from this user."""
    decisions: frozenset[str] | None = None
    has_password: bool = False
    has_totp: bool = False
    created_at: float
    expires_at: float | None = None
    """Wall-clock time at which a throw-away user ends; None for others."""
    disabled_at: float | None = None

    def is_active(self, now: float) -> bool:
        """Return whether the user may sign in, at this wall-clock time."""
        return self.disabled_at is None and (self.expires_at is None or now < self.expires_at)

    def person(self, opted_out: frozenset[str] = frozenset()) -> Person:
        """Return the user as the sender of a request, who does not want to see some categories."""
        return Person(
            user_id=self.user_id,
            name=self.display,
            role=self.role,
            channels=self.channels,
            hidden_categories=self.hidden_categories | opted_out,
            decisions=self.decisions,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How long a session lasts."""

    idle_seconds: float = 3600.0
    """Without a request."""
    absolute_seconds: float = 43200.0
    """However much it is used: a shift."""


def check_name(name: str) -> str:
    """Return the name of a user in lower case.

    Raises:
        ValueError: it has other characters than letters, digits and ``._@-``, or over 64.
    """
    lower = name.strip().lower()
    if not _NAME.fullmatch(lower):
        raise ValueError(
            f"name {name!r}: wanted 1 to 64 letters, digits, or ._@- after the first character"
        )
    return lower
