"""Admission: by the age of the waiting segments, the disk, and the requests in flight.

Back-pressure is fair between API keys: a key is refused because of its own waiting segments, or
because it has more than its share while others wait too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

from scanner.intake.problems import Problem
from scanner.intake.watch import Observed
from scanner.settings.service import QuotaSettings

__all__ = ["Flight", "InFlight", "check_backlog", "check_disk"]

WAITING_SHARE: Final = 0.25
"""Share of the limit at which the age of the oldest segment shows that there is a backlog."""


def check_disk(observed: Observed, refuse_watermark: float) -> None:
    """Check that the disk has room.

    Raises:
        Problem: ``disk_full``.
    """
    if observed.free_share < refuse_watermark:
        share = f"{100 * observed.free_share:.1f} %"
        limit = f"{100 * refuse_watermark:g} %"
        raise Problem("disk_full", f"{share} of the disk are free, {limit} wanted", retry_after=30)


def check_backlog(observed: Observed, key_id: str | None, quota: QuotaSettings) -> None:
    """Check that what waits is young enough, and that a further segment will not wait too long.

    While more arrives than is scored, what waits is older when its turn comes than the oldest was
    when it was accepted. Therefore the time that it will take counts too, once age shows that
    segments do wait.

    Raises:
        Problem: ``backlog``.
    """
    own, limit = observed.ages.get(key_id, 0.0), quota.backlog_seconds
    if own > limit:
        _refuse_for_backlog(own, limit)
    expected = observed.expected_seconds(key_id)
    if own > WAITING_SHARE * limit and expected > limit:
        detail = f"what waits takes about {expected:.0f} s, limit is {limit:g} s"
        raise Problem("backlog", detail, retry_after=_retry_after(expected - limit))
    shares = observed.backlog.by_key
    if observed.oldest_age > quota.backlog_seconds / 2 and len(shares) > 1 and key_id in shares:
        share = shares[key_id].count / observed.backlog.count
        if share > quota.key_share:
            _refuse_for_backlog(observed.oldest_age, quota.backlog_seconds / 2)


def _refuse_for_backlog(age: float, limit: float) -> None:
    detail = f"the oldest segment waits for {age:.0f} s, limit is {limit:g} s"
    raise Problem("backlog", detail, retry_after=_retry_after(age - limit))


def _retry_after(seconds: float) -> int:
    return min(30, max(1, math.ceil(seconds)))


@dataclass(slots=True)
class _Load:
    """Requests in flight, and their bytes."""

    requests: int = 0
    bytes: int = 0


class InFlight:
    """Counts requests that are being received, and their bytes; belongs to one event loop."""

    def __init__(self, quota: QuotaSettings) -> None:
        self._quota = quota
        self._total = _Load()
        self._by_key: dict[str | None, _Load] = {}

    @property
    def requests(self) -> int:
        """Requests that are being received."""
        return self._total.requests

    @property
    def bytes(self) -> int:
        """Bytes of requests that are being received, as declared or as far as they arrived."""
        return self._total.bytes

    def begin(self, key_id: str | None, declared_bytes: int) -> Flight:
        """Count a request until the returned value is closed.

        Raises:
            Problem: ``busy``.
        """
        load = self._by_key.setdefault(key_id, _Load())
        flight = Flight(self, key_id, load)
        try:
            self.add(key_id, load, requests=1, size=declared_bytes)
        except Problem:
            self._forget_idle(key_id, load)
            raise
        flight.size = declared_bytes
        return flight

    def add(self, key_id: str | None, load: _Load, *, requests: int = 0, size: int = 0) -> None:
        """Count more.

        Raises:
            Problem: ``busy``; nothing is counted.
        """
        quota = self._quota
        others = len(self._by_key) > 1
        share = quota.key_share if others else 1.0
        for what, mine, total, more, limit in (
            ("requests", load.requests, self._total.requests, requests, quota.requests_in_flight),
            ("bytes", load.bytes, self._total.bytes, size, quota.bytes_in_flight),
        ):
            if more and (total + more > limit or mine + more > share * limit):
                raise Problem("busy", f"too many {what} in flight, limit is {limit}", retry_after=1)
        for one in (load, self._total):
            one.requests += requests
            one.bytes += size

    def end(self, key_id: str | None, load: _Load, size: int) -> None:
        """Count a request no more."""
        for one in (load, self._total):
            one.requests -= 1
            one.bytes -= size
        self._forget_idle(key_id, load)

    def _forget_idle(self, key_id: str | None, load: _Load) -> None:
        if load.requests == 0:
            self._by_key.pop(key_id, None)


class Flight:
    """One request that is being received."""

    def __init__(self, all_flights: InFlight, key_id: str | None, load: _Load) -> None:
        self._all = all_flights
        self._key_id = key_id
        self._load = load
        self.size = 0
        """Bytes that are counted."""

    def grow_to(self, size: int) -> None:
        """Count the bytes that arrived, if they are more than what was declared.

        Raises:
            Problem: ``busy``.
        """
        if size > self.size:
            self._all.add(self._key_id, self._load, size=size - self.size)
            self.size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._all.end(self._key_id, self._load, self.size)
