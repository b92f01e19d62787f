"""Delays after failed attempts to sign in, by account and by address.

An attempt counts before the password is checked, so that attempts side by side are not free, and
a success takes it back. From the first failure beyond the free ones the delay doubles.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, select, update

from scanner.store.database import Journal
from scanner.store.people_schema import sign_in_failures
from scanner.store.writes import upsert

__all__ = ["SignInThrottle"]

FORGET_SECONDS: Final = 86400.0
"""Time without an attempt after which failures are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """How failures in a row become a delay."""

    free: int
    longest: float

    def delay(self, failures: int) -> float:
        """Return the seconds until the next attempt after so many failures."""
        if failures < self.free:
            return 0.0
        return min(self.longest, 2.0 ** min(failures - self.free, 20))


_ACCOUNT: Final = _Rule(free=5, longest=300.0)
_ADDRESS: Final = _Rule(free=20, longest=900.0)


class SignInThrottle:
    """The delays of one journal; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def begin(self, account: str, address: str) -> float:
        """Count an attempt; return 0, or the seconds to wait if it may not be made yet."""
        now, subjects = self._journal.now(), _subjects(account, address)
        with self._journal.write() as connection:
            _move_back(connection, [*subjects], now)
            known = {name: _failures(connection, name, now) for name in subjects}
            wait = max(next_at - now for _, next_at in known.values())
            if wait > 0:
                return wait
            for name, rule in subjects.items():
                failures = known[name][0] + 1
                row = {"subject": name, "shard": 0, "failures": failures, "updated_at": now}
                row["next_at"] = now + rule.delay(failures)
                upsert(connection, sign_in_failures, row)
        return 0.0

    def succeed(self, account: str, address: str) -> None:
        """Forget the failures of an account, and take back the attempt of its address."""
        subjects = [*_subjects(account, address)]
        failures = sign_in_failures.c
        with self._journal.write() as connection:
            connection.execute(delete(sign_in_failures).where(failures.subject == subjects[0]))
            connection.execute(
                update(sign_in_failures)
                .where(failures.subject == subjects[1])
                .values(failures=failures.failures - 1, next_at=self._journal.now())
            )

    def forget(self, account: str) -> None:
        """Forget the failures of an account, as an administrator asks for."""
        with self._journal.write() as connection:
            subject = f"user:{account}"
            connection.execute(
                delete(sign_in_failures).where(sign_in_failures.c.subject == subject)
            )

    def remove_old(self) -> None:
        """Remove what is forgotten."""
        limit = self._journal.now() - FORGET_SECONDS
        with self._journal.write() as connection:
            connection.execute(
                delete(sign_in_failures).where(sign_in_failures.c.updated_at < limit)
            )


def _subjects(account: str, address: str) -> dict[str, _Rule]:
    return {f"user:{account[:64]}": _ACCOUNT, f"address:{_network(address)}": _ADDRESS}


def _network(address: str) -> str:
    """Return what one sender has: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 4 or (parsed.version == 6 and parsed.ipv4_mapped is not None):
        return address
    return str(ipaddress.ip_network(f"{parsed}/64", strict=False))


def _move_back(connection: Connection, subjects: Sequence[str], now: float) -> None:
    """Move what was recorded before the wall clock was set back, so that delays keep their
    length."""
    columns = sign_in_failures.c
    connection.execute(
        update(sign_in_failures)
        .where(columns.subject.in_(subjects), columns.updated_at > now)
        .values(next_at=now + columns.next_at - columns.updated_at, updated_at=now)
    )


def _failures(connection: Connection, subject: str, now: float) -> tuple[int, float]:
    """Return the failures in a row, and when the next attempt is allowed."""
    row = connection.execute(
        select(sign_in_failures).where(sign_in_failures.c.subject == subject)
    ).one_or_none()
    if row is None or now - row.updated_at > FORGET_SECONDS:
        return 0, 0.0
    return row.failures, row.next_at
