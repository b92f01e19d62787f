"""Who has which work in hand, and until when.

A piece of work is *waiting*, *leased* or *over*. It is leased to one owner at a time; a lease that
was lost can change nothing any more, because its number is no longer the one that holds the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from scanner.runner import Job
from scanner.types import StreamId

__all__ = ["Lease", "Leases", "MemoryLeases", "Work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A job on its way through the leases."""

    ticket: int
    """Its place in the order in which jobs came; unique."""
    job: Job
    shard: int
    first_window: int = 0
    """The windows before this one are delivered and are not scored again."""
    suspect: bool = False
    """Its worker died with it in hand: it travels alone from now on, so that the guilty one is
    found."""
    deaths: int = 0
    """How many workers died on ``first_window`` while it was all that they had in hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Work of one shard in the hands of one owner."""

    number: int
    """Unique and rising; it fences off whoever held the same work before."""
    owner: str
    deadline: float
    """Seconds on the caller's clock; an owner that was not heard of until then has lost it."""
    work: tuple[Work, ...]
    """One piece or more; a suspect is alone."""


class Leases(Protocol):
    """The store of leases. Each method is one atomic step; time and policy come in as arguments."""

    def add(self, work: Work) -> None:
        """Let a piece wait."""

    def waiting(self) -> int:
        """How many pieces wait."""

    def take(self, owner: str, *, size: int, until: float) -> Lease | None:
        """Lease up to ``size`` waiting pieces of one shard, the most urgent and then the oldest
        first; None if none waits."""

    def renew(self, lease: Lease, *, until: float) -> bool:
        """Move the deadline; False if the lease is lost or over."""

    def holds(self, lease: Lease, ticket: int) -> bool:
        """Whether the lease still has this piece in hand."""

    def settle(self, lease: Lease, ticket: int) -> bool:
        """This piece is over, and so is the lease with its last one; False if the lease does not
        hold it."""

    def release(self, lease: Lease, back: Iterable[Work]) -> None:
        """End the lease; ``back`` waits again, whatever else it held is over.

        Does nothing if the lease is lost.
        """

    def overdue(self, now: float) -> tuple[Lease, ...]:
        """Leases whose deadline has passed."""


class MemoryLeases:
    """Leases that live and die with this process. Not thread-safe."""

    def __init__(self, *, urgency: Callable[[StreamId], int] = lambda _: 0) -> None:
        """``urgency``: higher goes first; asked anew whenever work is taken."""
        self._urgency = urgency
        self._waiting: dict[int, Work] = {}
        self._held: dict[int, set[int]] = {}
        self._leases: dict[int, Lease] = {}
        self._last = 0

    def add(self, work: Work) -> None:
        self._waiting[work.ticket] = work

    def waiting(self) -> int:
        return len(self._waiting)

    def take(self, owner: str, *, size: int, until: float) -> Lease | None:
        if not self._waiting:
            return None
        first, *others = sorted(self._waiting.values(), key=self._rank)
        with_it = (
            [] if first.suspect else [w for w in others if w.shard == first.shard and not w.suspect]
        )
        work = (first, *with_it[: size - 1])
        self._last += 1
        lease = Lease(number=self._last, owner=owner, deadline=until, work=work)
        self._leases[lease.number] = lease
        self._held[lease.number] = {w.ticket for w in work}
        for taken in work:
            del self._waiting[taken.ticket]
        return lease

    def renew(self, lease: Lease, *, until: float) -> bool:
        if lease.number not in self._leases:
            return False
        self._leases[lease.number] = replace(lease, deadline=until)
        return True

    def holds(self, lease: Lease, ticket: int) -> bool:
        return ticket in self._held.get(lease.number, ())

    def settle(self, lease: Lease, ticket: int) -> bool:
        if not self.holds(lease, ticket):
            return False
        self._held[lease.number].remove(ticket)
        if not self._held[lease.number]:
            self._forget(lease)
        return True

    def release(self, lease: Lease, back: Iterable[Work]) -> None:
        if lease.number not in self._leases:
            return
        self._forget(lease)
        for work in back:
            self.add(work)

    def overdue(self, now: float) -> tuple[Lease, ...]:
        return tuple(lease for lease in self._leases.values() if lease.deadline <= now)

    def _rank(self, work: Work) -> tuple[int, int]:
        return (-self._urgency(work.job.segment.key.stream_id), work.ticket)

    def _forget(self, lease: Lease) -> None:
        del self._leases[lease.number], self._held[lease.number]
