"""Which turns wait, which worker has them, what is committed: all decisions of the Ray layer, pure.

A stream is in at most one lease, and a lease carries the stream's state and its next turns:

    waiting --take--> leased --progress of every leased turn--> waiting for its next turns
       ^                |
       `----lose--------+--deaths alone at one part, while others live--> quarantined; the stream
                                                                          continues

Progress is accepted only from the lease that has the stream, and only beyond what is committed, so
a result that comes twice, or from a worker that was given up, changes nothing. If a worker dies,
its work is tried again from the last committed part. Turns that were in flight together with others
then travel alone, so that the one that kills its worker is found. Only deaths of workers that had
nothing else in hand count, and only where others live (``blame``): other work goes first between
two attempts of a suspect.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields, replace

from scanner.errors import QuarantinedError, SetupError
from scanner.stream.inputs import SegmentTurn, Turn
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import StreamId
from workers.blame import PARTS_BETWEEN, DeathRecord, Outcomes
from workers.turn_media import media_bytes, trim_previous

__all__ = ["Bounds", "Dispatch", "Lease", "Quarantine", "StreamWork", "never_suspect"]

log = logging.getLogger(__name__)

Quarantine = Callable[[StreamState, SegmentTurn, QuarantinedError], StreamProgress]
"""Folds a segment that ended its workers as failed; the core decides what that means."""

LoadState = Callable[[StreamId], StreamState]
"""Returns the state with which a stream continues; ``StreamState.new`` for a run without a journal.
"""

IsSuspect = Callable[[Turn], bool]
"""Returns whether a turn travels alone from the start: earlier runs ended with it in hand."""


def never_suspect(_: Turn) -> bool:
    """Return False: of a run without a journal nothing is known."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWork:
    """One stream's share of a lease."""

    state: StreamState
    turns: tuple[Turn, ...]
    """The turns from ``state.turn`` on, one or more."""
    suspect: bool = False
    """True if a worker died with the turn: each part is then reported at once, so that the one that
    ends the worker is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Work of one or more streams, given to one worker."""

    number: int
    """Unique and increasing; reports of an earlier lease of the same streams are ignored."""
    owner: str
    """Name of the worker."""
    work: tuple[StreamWork, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits on what is in flight."""

    workers: int
    """Number of workers."""
    lease_size: int = 16
    """Most turns in a lease. A lease has fewer when few wait, so that live work starts at once and
    the last work is shared evenly."""
    leases_ahead: int = 4
    """Full leases for each worker that may be in flight: pulled, with results not yet taken."""
    bytes_in_flight: int = 256 << 20
    """Most bytes of media that are held; a single larger segment travels alone."""
    progress_ready: int = 256
    """Results that are not yet taken, above which workers pause."""
    deaths_in_a_row: int = 60
    """Deaths without any progress between them, after which the fault is not in the media; for many
    workers three of each."""
    patience: float = 300.0
    """Seconds in which a worker must report something; more than the time that the sandbox allows
    for two tries of one window."""

    def __post_init__(self) -> None:
        for name in (bound.name for bound in fields(self) if bound.name != "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not self.patience > 0:
            raise ValueError(f"patience must be above 0 s, got {self.patience}")

    @property
    def turns_in_flight(self) -> int:
        """Most turns in flight."""
        return self.workers * self.lease_size * self.leases_ahead


@dataclass(slots=True)
class _LeasedStream:
    """A stream between its first turn and its end."""

    state: StreamState
    ticket: int
    """Number of its oldest waiting turn in the order of arrival."""
    turns: deque[tuple[int, Turn]] = field(default_factory=deque)
    """Tickets and turns from ``state.turn`` on; the first ``leased`` are with a worker."""
    leased: int = 0
    lease: int | None = None
    suspect_to: int = -1
    """Turns up to this number travel alone."""
    deaths: DeathRecord = field(default_factory=DeathRecord)

    @property
    def is_suspect(self) -> bool:
        return self.state.turn <= self.suspect_to


class Dispatch:
    """The state of one run. It is not thread-safe, and time is passed in."""

    def __init__(
        self,
        bounds: Bounds,
        quarantine: Quarantine,
        load_state: LoadState = StreamState.new,
        is_suspect: IsSuspect = never_suspect,
    ) -> None:
        self._bounds = bounds
        self._is_suspect = is_suspect
        self._quarantine = quarantine
        self._load_state = load_state
        self._streams: dict[StreamId, _LeasedStream] = {}
        self._waiting: dict[StreamId, _LeasedStream] = {}
        """Those of ``_streams`` that have turns and no lease, so that a lease costs the same
        however many streams there are."""
        self._deadlines: dict[int, tuple[Lease, float]] = {}
        self._ready: deque[tuple[StreamProgress, tuple[int, ...]]] = deque()
        """Progress, with the bytes of each turn that it closed."""
        self._turns = 0
        """Turns in flight: offered, and their progress not yet taken."""
        self._bytes = 0
        self._tickets = 0
        self._leases = 0
        self._deaths = 0
        """Deaths since the last progress."""
        self._run = Outcomes()

    # Turns in

    def has_capacity(self) -> bool:
        """Return whether another turn may be pulled at all."""
        return self._turns < self._bounds.turns_in_flight

    def admits(self, turn: Turn) -> bool:
        """Return whether this turn may be offered now.

        One that exceeds the limit by itself may be offered once nothing else is in flight.
        """
        fits = self._bytes + media_bytes(turn) <= self._bounds.bytes_in_flight
        return self.has_capacity() and (fits or not self._turns)

    def offer(self, turn: Turn) -> None:
        """Add a turn to those that wait for a worker.

        Raises:
            ValueError: the turn is not admitted now.
        """
        if not self.admits(turn):
            raise ValueError(f"stream {turn.stream_id}: turn offered beyond what may be in flight")
        stream = self._streams.get(turn.stream_id)
        if stream is None:
            state = self._load_state(turn.stream_id)
            stream = self._streams[turn.stream_id] = _LeasedStream(
                state=state, ticket=self._tickets
            )
        if not stream.turns:
            stream.ticket = self._tickets
        stream.turns.append((self._tickets, turn))
        if self._is_suspect(turn):
            stream.suspect_to = stream.state.turn + len(stream.turns) - 1
        self._tickets += 1
        self._turns += 1
        self._bytes += media_bytes(turn)
        self._note_waiting(stream)

    def forget(self, stream_id: StreamId) -> bool:
        """Drop the state of a stream unless something of it is in flight; return whether none is
        left, as it is from the end of the stream on.

        Its next turn loads the state again.
        """
        stream = self._streams.get(stream_id)
        if stream is not None and stream.turns:
            return False
        self._streams.pop(stream_id, None)
        return True

    # Leases out, progress back

    def take(self, owner: str, *, now: float) -> Lease | None:
        """Lease work to an idle worker, or return None if nothing waits.

        Streams with an open incident go first, then the oldest turn. A stream that ended a worker,
        or that earlier runs ended with, waits until others have made progress, if there are any; of
        the latter one is out at a time, so that it is known which one ends a run.
        """
        waiting = list(self._waiting.values())
        if any(self._is_marked(s) for s in self._streams.values() if s.leased):
            waiting = [s for s in waiting if not self._is_marked(s)]
        if not waiting:
            return None
        if ready := [s for s in waiting if not self._has_to_wait(s)]:
            waiting = sorted(ready, key=lambda s: (not s.state.risk.open_incidents, s.ticket))
        else:
            waiting.sort(key=lambda s: (s.deaths.alone, s.ticket))
        self._leases += 1
        lease = Lease(number=self._leases, owner=owner, work=tuple(self._share(waiting)))
        self._deadlines[lease.number] = (lease, now + self._bounds.patience)
        return lease

    def _share(self, waiting: list[_LeasedStream]) -> Iterator[StreamWork]:
        """Choose streams and turns of the next lease: one turn of each stream before a second of
        any; a suspect stream alone, turn by turn."""
        if waiting[0].is_suspect:
            chosen = waiting[:1]
            counts = [1]
        else:
            total = sum(len(stream.turns) for stream in waiting)
            fair = -(-total // (2 * self._bounds.workers))
            size = max(1, min(self._bounds.lease_size, fair))
            chosen = [stream for stream in waiting if not stream.is_suspect][:size]
            counts = _spread(size, [len(stream.turns) for stream in chosen])
        for stream, count in zip(chosen, counts, strict=True):
            stream.lease, stream.leased = self._leases, count
            self._note_waiting(stream)
            turns = tuple(
                trim_previous(stream.turns[index][1], stream.state.needed_from)
                for index in range(count)
            )
            yield StreamWork(state=stream.state, turns=turns, suspect=stream.is_suspect)

    def receive(self, lease: Lease, progress: Iterable[StreamProgress]) -> None:
        """Commit reported progress, once; reports of a lost lease have no effect."""
        for one in progress:
            stream = self._streams.get(one.stream_id)
            if stream is None or stream.lease != lease.number:
                continue
            if one.state.position > stream.state.position:
                self._deaths = 0
                parts = max(1, one.state.turn - stream.state.turn)
                self._run = replace(self._run, survived=self._run.survived + parts)
                self._commit(stream, one)
        self._settle(lease)

    def lone_suspect(self) -> SegmentTurn | None:
        """Return the turn that earlier runs ended with and that is all the work of a worker now; it
        is the only one of its kind."""
        out = (s.turns[0][1] for s in self._streams.values() if s.leased and self._is_marked(s))
        return next((turn for turn in out if isinstance(turn, SegmentTurn)), None)

    @property
    def has_survivors(self) -> bool:
        """Return whether workers finished anything in this run."""
        return self._run.survived > 0

    def _is_marked(self, stream: _LeasedStream) -> bool:
        return bool(stream.turns) and self._is_suspect(stream.turns[0][1])

    def _has_to_wait(self, stream: _LeasedStream) -> bool:
        is_early = self._is_marked(stream) and self._run.survived < PARTS_BETWEEN
        return is_early or stream.deaths.is_recent(stream.state.position, self._run)

    def renew(self, lease: Lease, *, until: float) -> None:
        """Move the lease's deadline: its worker reported, or waits for the results to be taken."""
        if lease.number in self._deadlines:
            self._deadlines[lease.number] = (lease, until)

    def overdue(self, now: float) -> tuple[Lease, ...]:
        """Return leases whose workers have reported nothing for too long.

        The caller ends the worker, and then calls ``lose``.
        """
        return tuple(lease for lease, until in self._deadlines.values() if until <= now)

    def lose(self, lease: Lease, reason: str) -> None:
        """End a lease whose worker died; what it had not reported is tried again.

        Raises:
            SetupError: workers keep dying without any progress between them.
        """
        self._deadlines.pop(lease.number, None)
        left = [s for s in self._streams.values() if s.lease == lease.number]
        if not left:
            return
        self._deaths += 1
        self._run = replace(self._run, died=self._run.died + 1)
        log.warning("worker ended", extra={"worker": lease.owner, "reason": reason})
        if self._deaths >= max(self._bounds.deaths_in_a_row, 3 * self._bounds.workers):
            raise SetupError(
                f"{self._deaths} workers ended one after another without progress, the last one:"
                f" {reason}"
            )
        alone = sum(stream.leased for stream in left) == 1
        for stream in left:
            stream.deaths.add(stream.state.position, self._run, alone=alone)
            stream.suspect_to = max(stream.suspect_to, stream.state.turn + stream.leased - 1)
            self._after_death(stream, reason=reason)

    # Results out

    def ready(self) -> int:
        """Return the number of results that may be taken now."""
        return len(self._ready)

    def is_crowded(self) -> bool:
        """Return whether workers should pause because their results are not taken."""
        return len(self._ready) >= self._bounds.progress_ready

    def take_ready(self) -> Iterator[StreamProgress]:
        """Yield the results so far, those of each stream in order.

        A turn is in flight until the result that closes it is taken.
        """
        while self._ready:
            progress, weights = self._ready.popleft()
            self._turns -= len(weights)
            self._bytes -= sum(weights)
            yield progress

    def is_idle(self) -> bool:
        """Return whether nothing is in flight."""
        return not self._turns

    def _commit(self, stream: _LeasedStream, progress: StreamProgress) -> None:
        closed = progress.state.turn - stream.state.turn
        weights = tuple(media_bytes(stream.turns.popleft()[1]) for _ in range(closed))
        stream.leased -= closed
        stream.state = progress.state
        if stream.turns:
            stream.ticket = stream.turns[0][0]
        if not stream.leased:
            stream.lease = None
        self._note_waiting(stream)
        if progress.state.ended:
            del self._streams[progress.stream_id]
            self._waiting.pop(progress.stream_id, None)
        self._ready.append((progress, weights))

    def _settle(self, lease: Lease) -> None:
        streams = (self._streams.get(share.state.stream_id) for share in lease.work)
        if not any(stream is not None and stream.lease == lease.number for stream in streams):
            self._deadlines.pop(lease.number, None)

    def _note_waiting(self, stream: _LeasedStream) -> None:
        """Keep ``_waiting`` in step after the stream's lease or turns have changed."""
        if stream.lease is None and stream.turns:
            self._waiting[stream.state.stream_id] = stream
        else:
            self._waiting.pop(stream.state.stream_id, None)

    def _after_death(self, stream: _LeasedStream, *, reason: str) -> None:
        """Make a stream wait for its next attempt, or quarantine a segment that is to blame."""
        turn, deaths = stream.turns[0][1], stream.deaths
        is_lone = all(one.is_suspect for one in self._streams.values() if one.turns)
        if not isinstance(turn, SegmentTurn) or not deaths.is_to_blame(self._run, is_lone=is_lone):
            stream.lease, stream.leased = None, 0
            self._note_waiting(stream)
            return
        error = QuarantinedError(
            f"{turn.job.name}: its worker ended {deaths.alone} times ({reason}); quarantined"
        )
        # These deaths are explained, and say nothing about other jobs
        explained = deaths.alone + deaths.shared
        self._run = replace(self._run, died=max(0, self._run.died - explained))
        self._commit(stream, self._quarantine(stream.state, turn, error))


def _spread(size: int, lengths: list[int]) -> list[int]:
    """Return how many turns of each stream make up ``size``, as evenly as possible."""
    counts = [0] * len(lengths)
    left = size
    while left > 0 and any(count < most for count, most in zip(counts, lengths, strict=True)):
        for index, most in enumerate(lengths):
            if counts[index] < most and left > 0:
                counts[index] += 1
                left -= 1
    return counts
