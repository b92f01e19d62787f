"""Signing in: a name, a password, and a one-time code if the user has a second factor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from scanner.console.secrets import is_password, matching_step, plain_recovery_code
from scanner.report.text import count
from scanner.store.audit import AuditEntry, AuditLog
from scanner.store.database import Journal
from scanner.store.people import User
from scanner.store.throttle import SignInThrottle
from scanner.store.users import Users

__all__ = ["SignIn", "SignInRefusal", "is_second_factor"]

NOT_RIGHT: Final = "Name, password or code is not right."


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefusal:
    """An attempt that failed, and what the person is told: never which part was wrong."""

    message: str
    wait: int = 0
    """Seconds until the next attempt is allowed."""


class SignIn:
    """Checks attempts to sign in; an attempt takes about 0.1 s of processor time."""

    def __init__(self, journal: Journal, log: AuditLog) -> None:
        self._journal = journal
        self._users = Users(journal)
        self._throttle = SignInThrottle(journal)
        self._log = log

    def attempt(self, name: str, password: str, code: str, address: str) -> User | SignInRefusal:
        """Return the user whose secrets these are; success and failure are in the audit log.

        Raises:
            TransientError: the journal is locked or full.
        """
        account = name.strip().lower()
        wait = self._throttle.begin(account, address)
        if wait > 0:
            seconds = max(1, math.ceil(wait))
            message = f"Too many attempts. Try again in {count(seconds, 'second')}."
            return SignInRefusal(message=message, wait=seconds)
        user = self._users.find(account)
        if not self._has_secrets(user, password, code) or user is None:
            known = "unknown" if user is None else user.user_id
            self._record("sign_in_failed", "system", known, address)
            return SignInRefusal(message=NOT_RIGHT)
        self._throttle.succeed(account, address)
        self._record("sign_in", user.user_id, user.user_id, address)
        return user

    def _has_secrets(self, user: User | None, password: str, code: str) -> bool:
        if user is None:
            return is_password(password, None)  # as slow as for a name that there is
        stored, secret, _ = self._users.credentials(user.user_id)
        if not is_password(password, stored) or not user.is_active(self._journal.now()):
            return False
        return secret is None or is_second_factor(
            self._users, user.user_id, secret, code, self._journal.now()
        )

    def _record(self, action: str, actor: str, subject: str, address: str) -> None:
        details = {"address": address}
        self._log.append([AuditEntry(actor=actor, action=action, subject=subject, details=details)])


def is_second_factor(users: Users, user_id: str, secret: str, code: str, now: float) -> bool:
    """Return whether a code is a one-time code or a recovery code that was not used; it is now."""
    step = matching_step(secret, code, now)
    if step is not None:
        return users.use_totp_step(user_id, step)
    plain = plain_recovery_code(code)
    return len(plain) == 16 and users.use_recovery_code(user_id, plain)
