"""Turns from the journal: decides, records and yields them as long as the driver runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

from scanner.steady_clock import ClockWatch
from scanner.store.database import JournalBusyError, JournalChanges, JournalFullError
from scanner.store.objects import ObjectStore
from scanner.store.pending import PendingStream
from scanner.store.turns import TurnJournal
from scanner.stream.inputs import SegmentTurn, Turn
from scanner.stream.run import LONGEST_RUN
from scanner.stream.state import StreamState
from scanner.types import Segment, SegmentKey, StreamId
from workers.decide import (
    COMPARED_POINTS,
    DecideRules,
    Decision,
    add_previous,
    decide,
    placed_turns,
    recent_segments,
    stall,
)
from workers.delays import Progress

__all__ = ["MOST_STREAMS", "POLL_SECONDS", "JournalFeed", "StreamFacts", "spread_turns"]

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.05
"""Wait between two looks whether the journal changed, which costs little."""
ASK_SECONDS: Final = 1.0
"""Longest time between two questions for inputs that are due."""
FULL_SECONDS: Final = 1.0
"""Wait until a write is tried again, after the journal was full or locked."""
STALL_POLL_SECONDS: Final = 1.0
SUSPECT_TRIES: Final = 2
"""Leases by earlier drivers after which a segment travels alone."""
MOST_STREAMS: Final = 64
"""Streams that get places in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """The facts of a stream that commits need in addition to its state."""

    shard: int
    channel: str | None


class JournalFeed:
    """The turns of all streams, in the order in which they should be worked on.

    ``turns`` runs in one thread; the other methods may be called from others.
    """

    def __init__(
        self,
        journal: TurnJournal,
        objects: ObjectStore,
        rules: DecideRules,
        *,
        stall_seconds: float,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._objects = objects
        self._rules = rules
        self._stall_seconds = stall_seconds
        self._now = now
        self._monotonic = monotonic
        self._clock = ClockWatch(offset=now() - monotonic())
        self._stopping = threading.Event()
        self._facts: dict[str, StreamFacts] = {}
        self._progress: dict[SegmentKey, Progress] = {}
        self._recent: dict[str, tuple[Segment, ...]] = {}
        """By stream, the latest segments that have a place."""
        self._suspects: set[SegmentKey] = set()
        """Segments that were in hand at the end of several drivers."""
        self._asked_at = -ASK_SECONDS
        self._stalls_checked = -STALL_POLL_SECONDS
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """End ``turns`` soon; what was yielded is finished by the workers."""
        self._stopping.set()

    def fail(self, error: BaseException) -> None:
        """Let ``turns`` raise an error of another thread of the driver."""
        self._failure = error

    def load_state(self, stream_id: StreamId) -> StreamState:
        """Return the state after the folded turns of a stream."""
        return self._journal.load_state(stream_id)

    def facts(self, stream_id: str) -> StreamFacts:
        """Return the facts of a stream of which turns were yielded."""
        found = self._facts.get(stream_id)
        if found is None:
            shard, channel = self._journal.facts(stream_id)
            found = self._facts[stream_id] = StreamFacts(shard=shard, channel=channel)
        return found

    def is_suspect(self, turn: Turn) -> bool:
        """Return whether a turn travels alone: drivers ended more than once with it in hand."""
        return isinstance(turn, SegmentTurn) and turn.job.segment.key in self._suspects

    def note_lone_death(self, turn: SegmentTurn, *, others_lived: bool) -> None:
        """Record that all workers ended while this segment was all the work of one; it says most if
        they had worked on others before."""
        key = turn.job.segment.key
        self._journal.note_lone_death(
            (key.stream_id, self.facts(key.stream_id).shard, key.sequence),
            points=COMPARED_POINTS if others_lived else 1,
        )

    def forget(self, stream_id: str) -> None:
        """Drop the facts of a stream; they come again with its next turns."""
        self._facts.pop(stream_id, None)
        self._recent.pop(stream_id, None)

    def take_progress(self, key: SegmentKey) -> Progress | None:
        """Return when a segment reached each stage, and forget it."""
        self._suspects.discard(key)
        return self._progress.pop(key, None)

    def turns(self) -> Iterator[Turn]:
        """Yield turns until ``stop``: first those that an earlier driver left."""
        for stream in self._journal.unfinished_streams():
            yield from self._record([stream], [placed_turns(stream, self._rules, self._objects)])
        with closing(self._journal.watch_changes()) as changes:
            while not self._stopping.is_set():
                if self._failure is not None:
                    raise self._failure
                if not self._has_news(changes):
                    self._stopping.wait(POLL_SECONDS)
                    continue
                try:
                    yield from self._next_batch()
                except (JournalBusyError, JournalFullError) as error:  # nothing was recorded
                    log.warning("leasing pauses", extra={"reason": str(error)})
                    self.pause()

    def _has_news(self, changes: JournalChanges) -> bool:
        """Return whether to ask for inputs: the journal changed, or some may be due by time."""
        now = self._monotonic()
        if not changes.seen() and now - self._asked_at < ASK_SECONDS:
            return False
        self._asked_at = now
        return True

    def pause(self) -> bool:
        """Wait until the journal may take writes again; return False once the feed was stopped."""
        return not self._stopping.wait(FULL_SECONDS)

    def _next_batch(self) -> Iterator[Turn]:
        now, monotonic = self._now(), self._monotonic()
        self._clock = self._clock.observe(now, monotonic)
        rules = self._rules if self._clock.is_steady else self._rules.without_ages
        streams = [
            replace(one, history=self._journal.history.before(one))
            for one in self._journal.pending(limit=MOST_STREAMS)
        ]
        decisions = [decide(one, rules, self._objects, now=now) for one in streams]
        yield from self._record(streams, decisions)
        if self._clock.is_steady and monotonic - self._stalls_checked >= STALL_POLL_SECONDS:
            self._stalls_checked = monotonic
            yield from self._find_stalls(now)

    def _find_stalls(self, now: float) -> Iterator[Turn]:
        streams = self._journal.silent_streams(silent_since=now - self._stall_seconds)
        recorded = tuple(self._record(streams, [stall(one, self._rules) for one in streams]))
        for stream in streams:
            log.warning("stream stalled", extra={"stream": stream.stream_id})
        yield from recorded

    def _record(
        self, streams: Sequence[PendingStream], decisions: Sequence[Decision | None]
    ) -> Iterator[Turn]:
        """Record decisions in one transaction, then yield their turns."""
        pairs = [(s, one) for s, one in zip(streams, decisions, strict=True) if one is not None]
        if not pairs:
            return
        made = [self._with_previous(stream, decision) for stream, decision in pairs]
        self._journal.assign([one.assignment for one in made])
        for stream, decision in pairs:
            self._note(stream, decision)
        yield from spread_turns(made)

    def _with_previous(self, stream: PendingStream, decision: Decision) -> Decision:
        """Return the decision with the segments in which decoding of its own may begin."""
        name = stream.stream_id
        sequences = [
            turn.job.segment.key.sequence
            for turn in decision.turns
            if isinstance(turn, SegmentTurn) and not turn.late
        ]
        if not sequences:
            return decision
        recent = self._recent.get(name)
        if recent is None:
            rows = self._journal.placed_before(name, min(sequences), most=LONGEST_RUN)
            recent = recent_segments(name, rows, self._objects)
        decision, self._recent[name] = add_previous(decision, recent)
        return decision

    def _note(self, stream: PendingStream, decision: Decision) -> None:
        self._facts[stream.stream_id] = StreamFacts(shard=stream.shard, channel=stream.channel)
        rows = {row.sequence: row for row in stream.segments}
        for turn in decision.turns:
            if isinstance(turn, SegmentTurn):
                key = turn.job.segment.key
                self._progress[key] = Progress(
                    received=rows[key.sequence].received_at, placed=self._now()
                )
                if rows[key.sequence].tries >= SUSPECT_TRIES:
                    self._suspects.add(key)


def spread_turns(made: Sequence[Decision]) -> Iterator[Turn]:
    """Yield one turn of each stream before a second of any, so that no stream waits behind the
    backlog of another one."""
    longest = max(len(one.turns) for one in made)
    for place in range(longest):
        yield from (one.turns[place] for one in made if place < len(one.turns))
