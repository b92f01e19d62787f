"""Scripted segments in a journal, and drivers that stop where the test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import select

from scanner.background import background_thread
from scanner.compose import WorkerParts
from scanner.liveness import LoopPulse
from scanner.records.events import unpack_events
from scanner.records.recording import record_line
from scanner.risk.policy import Policies
from scanner.store.database import Journal, open_journal
from scanner.store.intake import Intake, NewSegment, NewStream
from scanner.store.objects import ObjectStore, segment_name
from scanner.store.schema import marks, segments, streams, turn_records
from scanner.store.turns import TurnJournal
from scanner.stream.inputs import SegmentTurn
from scanner.stream.state import StreamProgress
from scanner.types import Source
from tests.workers.pool_fakes import HERE
from workers.commit import TurnCommitter
from workers.decide import DecideRules
from workers.delays import Delays
from workers.driver import drive
from workers.feed import JournalFeed
from workers.runner import local_pool

RULES = DecideRules(patience=3, hole_seconds=10.0, max_age=300.0)


class WallClock:
    """A wall clock that the test moves."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


class DriverKilledError(Exception):
    """The death of a driver, in the process of the test."""


class JournalWorld:
    """A journal with its objects, what senders put there, and drivers one after the other."""

    def __init__(self, folder: Path) -> None:
        self.clock = WallClock()
        self.journal: Journal = open_journal(folder, create=True, clock=self.clock)
        self.objects = ObjectStore(folder / "objects")

    def close(self) -> None:
        self.journal.close()

    def put(
        self,
        turns: Iterable[SegmentTurn],
        *,
        first_sequence: int | None = None,
        channel: str | None = None,
    ) -> None:
        """Put the segments of turns as a sender does; bytes or files."""
        with self.journal.write() as connection:
            intake = Intake(connection, now=self.clock(), shard_count=self.journal.shard_count)
            for turn in turns:
                segment = turn.job.segment
                key, source = segment.key, segment.source
                data = _bytes(source)
                incoming = self.objects.receive()
                incoming.write(data)
                name = segment_name("segments", key.stream_id, str(key.sequence), incoming.sha256)
                self.objects.put_many([(incoming, name)])
                stream = NewStream(
                    stream_id=key.stream_id, first_sequence=first_sequence, channel=channel
                )
                accepted = intake.add_segment(
                    NewSegment(
                        stream=stream,
                        sequence=key.sequence,
                        object=name,
                        bytes=len(data),
                        sha256=incoming.sha256,
                        discontinuity=segment.discontinuity,
                        duration=segment.duration,
                    )
                )
                assert accepted == "accepted"

    def end(self, stream_id: str, last_sequence: int | None) -> None:
        with self.journal.write() as connection:
            intake = Intake(connection, now=self.clock(), shard_count=self.journal.shard_count)
            intake.end_stream(
                NewStream(stream_id=stream_id), last_sequence=last_sequence, reason=None
            )

    def drive(
        self,
        *,
        commits: int | None = None,
        until: Callable[[], bool] | None = None,
        rules: DecideRules = RULES,
        parts: WorkerParts = HERE,
        monotonic: Callable[[], float] = time.monotonic,
        turns: TurnJournal | None = None,
        pulse: LoopPulse | None = None,
    ) -> None:
        """Run a new driver until nothing is pending, or until it is killed after ``commits``."""
        turns = turns or TurnJournal(self.journal)
        turns.take_over()
        feed = JournalFeed(
            turns,
            self.objects,
            rules,
            stall_seconds=30.0,
            now=self.clock,
            monotonic=monotonic,
        )
        committer = _MortalCommitter(self, turns, feed, commits, parts.policies)
        with (
            local_pool(parts) as pool,
            _stopping(feed, until or self.is_settled),
            suppress(DriverKilledError),
        ):
            drive(pool, feed, committer, pulse)

    def is_settled(self) -> bool:
        """Return whether every segment has a verdict, and every end is folded."""
        with self.journal.read() as connection:
            waiting = connection.execute(
                select(segments.c.sequence).where(segments.c.verdict.is_(None)).limit(1)
            ).first()
            unfolded = connection.execute(
                select(marks.c.number)
                .join(streams, streams.c.stream_id == marks.c.stream_id)
                .where(marks.c.turn.is_(None) | (marks.c.turn >= streams.c.turn))
                .limit(1)
            ).first()
        return waiting is None and unfolded is None

    def verdicts(self, stream_id: str = "s") -> dict[int, str | None]:
        with self.journal.read() as connection:
            rows = connection.execute(
                select(segments.c.sequence, segments.c.verdict)
                .where(segments.c.stream_id == stream_id)
                .order_by(segments.c.sequence)
            ).all()
        return {row.sequence: row.verdict for row in rows}

    def events(self, stream_id: str = "s") -> list[str]:
        """Return the exact lines of all events of a stream, in the order of its turns."""
        with self.journal.read() as connection:
            rows = connection.execute(
                select(turn_records.c.events)
                .where(turn_records.c.stream_id == stream_id)
                .order_by(turn_records.c.turn)
            ).scalars()
            return [
                record_line(stream_id, stream_id, event)  # type: ignore[arg-type]
                for packed in rows
                for event in unpack_events(packed)
            ]

    def state(self, stream_id: str = "s") -> str:
        return json.dumps(TurnJournal(self.journal).load_state(stream_id).to_json())


def _bytes(source: Source) -> bytes:
    if isinstance(source, bytes):
        return source
    return (source if isinstance(source, Path) else source.path).read_bytes()


class _MortalCommitter(TurnCommitter):
    """Dies after some commits, between the work and its record."""

    def __init__(
        self,
        world: JournalWorld,
        turns: TurnJournal,
        feed: JournalFeed,
        commits: int | None,
        policies: Policies,
    ) -> None:
        super().__init__(turns, feed, policies, Delays(now=world.clock))
        self._left = commits

    def commit(
        self, ready: Sequence[StreamProgress], *, waiting: Callable[[], None] = lambda: None
    ) -> None:
        if ready:
            if self._left == 0:
                raise DriverKilledError
            if self._left is not None:
                self._left -= 1
        super().commit(ready, waiting=waiting)


@contextmanager
def _stopping(feed: JournalFeed, until: Callable[[], bool]) -> Iterator[None]:
    """Stop the feed once ``until`` is true, or at the end of the block."""

    def watch(over: threading.Event) -> None:
        while not over.wait(0.02) and not until():
            pass
        feed.stop()

    with background_thread(watch, name="stop"):
        yield
