"""What waits, who works on it, what is over and may go out: the whole judgement of the Ray layer,
pure.

One piece of work:

    waiting --take--> leased --all outcomes heard--> over
       ^                |
       `----lose--------+--two deaths alone--> quarantined, over

A worker that dies costs a retry. Work that was in hand with others then travels alone, so that a
piece which kills its worker is found; when it kills two alone, at the same window, it is
quarantined and its stream goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from scanner.errors import QuarantinedError, SetupError
from scanner.runner import Failed, Finished, Job, Outcome
from scanner.types import Segment
from workers.leases import Lease, Leases, Work
from workers.order import InOrder
from workers.sharding import shard_of

__all__ = ["Bounds", "Dispatch", "News"]

log = logging.getLogger(__name__)

News = tuple[int, Outcome]
"""What a worker says: the ticket of the work, and one outcome of it."""

DEATHS_ALONE = 2
"""As many workers may die on one window that was all that they had in hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may be under way."""

    workers: int
    shards: int = 16
    lease_size: int = 16
    """Jobs in one call at most; fewer when fewer wait, so that live work goes at once and the end
    is shared evenly."""
    leases_ahead: int = 4
    """Full leases for each worker that may be in flight: pulled, and not yet all handed on."""
    bytes_in_flight: int = 256 << 20
    """Media held in memory; a single larger segment goes alone."""
    outcomes_ready: int = 256
    """Outcomes that nobody has taken yet; workers pause above it."""
    deaths_in_a_row: int = 20
    """Workers that die with nothing scored between them; then the fault is not in the media."""
    patience: float = 300.0
    """Seconds in which a worker must say something; above the wall clock that the sandbox allows
    one window, tried twice."""

    def __post_init__(self) -> None:
        for name in (
            "workers",
            "shards",
            "lease_size",
            "leases_ahead",
            "bytes_in_flight",
            "outcomes_ready",
            "deaths_in_a_row",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not self.patience > 0:
            raise ValueError(f"patience must be above 0 s, got {self.patience}")

    @property
    def jobs_in_flight(self) -> int:
        """Jobs that may be pulled and not yet all handed on."""
        return self.workers * self.lease_size * self.leases_ahead


class Dispatch:
    """The state of one run. Not thread-safe; time is passed in."""

    def __init__(self, leases: Leases, bounds: Bounds) -> None:
        self._leases = leases
        self._bounds = bounds
        self._order = InOrder()
        self._windows: dict[int, int] = {}
        self._weights: dict[int, int] = {}
        self._tickets = 0
        self._deaths = 0

    # Jobs in

    def has_room(self) -> bool:
        """Whether another job may be pulled at all."""
        return len(self._weights) < self._bounds.jobs_in_flight

    def admits(self, job: Job) -> bool:
        """Whether this job may be offered now.

        One that is over the bound by itself may, once nothing else is in flight.
        """
        in_flight = sum(self._weights.values())
        fits = in_flight + _weight(job.segment) <= self._bounds.bytes_in_flight
        return self.has_room() and (fits or not self._weights)

    def offer(self, job: Job) -> None:
        """Let a job wait for a worker.

        Raises:
            ValueError: it is not admitted now.
        """
        if not self.admits(job):
            raise ValueError(f"segment {job.segment.key}: offered beyond what may be in flight")
        ticket, stream = self._tickets, job.segment.key.stream_id
        self._tickets += 1
        self._windows[ticket] = 0
        self._weights[ticket] = _weight(job.segment)
        self._order.expect(ticket, stream)
        self._leases.add(Work(ticket=ticket, job=job, shard=shard_of(stream, self._bounds.shards)))

    # Work out, news back

    def take(self, owner: str, *, now: float) -> Lease | None:
        """Work for an idle worker; None if nothing waits."""
        fair_share = -(-self._leases.waiting() // (2 * self._bounds.workers))
        size = max(1, min(self._bounds.lease_size, fair_share))
        return self._leases.take(owner, size=size, until=now + self._bounds.patience)

    def hear(self, lease: Lease, news: Iterable[News]) -> None:
        """Count what a worker says, once: what a lost lease says, or what is known already, has no
        effect."""
        work = {w.ticket: w for w in lease.work}
        for ticket, outcome in news:
            if self._leases.holds(lease, ticket):
                self._count(lease, work[ticket], outcome)

    def renew(self, lease: Lease, *, until: float) -> None:
        """The worker was heard of, or is kept waiting by us."""
        self._leases.renew(lease, until=until)

    def overdue(self, now: float) -> tuple[Lease, ...]:
        """Leases whose workers have said nothing for too long: end the worker, then ``lose`` the
        lease."""
        return self._leases.overdue(now)

    def lose(self, lease: Lease, why: str) -> None:
        """The worker ended with the lease in hand; whatever it had not said of it is tried again.

        Raises:
            SetupError: workers keep dying with nothing done between them.
        """
        left = [w for w in lease.work if self._leases.holds(lease, w.ticket)]
        if not left:
            return
        self._deaths += 1
        log.warning(
            "worker ended",
            extra={"worker": lease.owner, "why": why, "sources": [w.job.name for w in left]},
        )
        if self._deaths >= self._bounds.deaths_in_a_row:
            raise SetupError(
                f"{self._deaths} workers ended one after another with nothing done, the last one: {why}"
            )
        tried = [self._after_death(w, alone=len(left) == 1) for w in left]
        self._leases.release(lease, [w for w in tried if w.deaths < DEATHS_ALONE])
        for work in tried:
            if work.deaths >= DEATHS_ALONE:
                self._quarantine(work, why)

    # Outcomes out

    def ready(self) -> int:
        """How many outcomes may be taken now."""
        return len(self._order)

    def crowded(self) -> bool:
        """Whether workers should pause because nobody takes what they say."""
        return len(self._order) >= self._bounds.outcomes_ready

    def take_ready(self) -> Iterator[Outcome]:
        """What may go out now, each stream in the order of its jobs.

        A job's room is free once its ``Finished`` is taken.
        """
        while len(self._order):
            ticket, outcome = self._order.pop()
            if isinstance(outcome, Finished):
                del self._weights[ticket]
            yield outcome

    def idle(self) -> bool:
        """Nothing is in flight."""
        return not self._weights

    def _count(self, lease: Lease, work: Work, outcome: Outcome) -> None:
        ticket = work.ticket
        if isinstance(outcome, Finished):
            del self._windows[ticket]
            self._leases.settle(lease, ticket)
        else:
            window = outcome.key.sequence - work.job.segment.key.sequence
            if window < self._windows[ticket]:
                return
            self._windows[ticket] = window + 1
        self._deaths = 0
        self._order.push(ticket, outcome)

    def _after_death(self, work: Work, *, alone: bool) -> Work:
        reached = self._windows[work.ticket]
        before = work.deaths if reached == work.first_window else 0
        return replace(work, first_window=reached, suspect=True, deaths=before + alone)

    def _quarantine(self, work: Work, why: str) -> None:
        job, at = work.job, self._windows.pop(work.ticket)
        key = replace(job.segment.key, sequence=job.segment.key.sequence + at)
        error = QuarantinedError(
            f"{job.name}: its worker ended {DEATHS_ALONE} times ({why}); set aside"
        )
        self._order.push(work.ticket, Failed(key=key, name=job.name, error=error))
        self._order.push(work.ticket, Finished(key=job.segment.key))


def _weight(segment: Segment) -> int:
    """Bytes that the segment holds in memory; a path holds none."""
    held: Sequence[object] = (segment.source, segment.init)
    return sum(len(part) for part in held if isinstance(part, bytes))
