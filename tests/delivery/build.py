"""A journal with streams that were scored and folded, as the driver leaves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scanner.pipeline.worker import ScoreJob, StreamWorker
from scanner.risk.policy import Policies
from scanner.store.database import Journal
from scanner.store.intake import Intake, NewSegment, NewStream
from scanner.store.objects import ObjectStore, segment_name
from scanner.store.outcomes import SegmentVerdict, StreamResult, TurnResult
from scanner.store.schema import shard_of
from scanner.store.turns import AssignedTurn, Assignment, TurnJournal
from scanner.stream.events import SegmentScored
from scanner.stream.inputs import EndTurn, Job, SegmentTurn, Turn
from scanner.stream.order import TurnOrder
from scanner.types import Segment, SegmentKey, StreamId


@dataclass(frozen=True, kw_only=True)
class FakeDriver:
    """Puts segments, scores them in this process and commits what they fold to."""

    journal: Journal
    objects: ObjectStore
    score: ScoreJob
    policies: Policies
    sinks: Sequence[str] = ()

    def put(self, stream_id: str, sequence: int, data: bytes, *, channel: str = "c") -> str:
        """Acknowledge one segment; return the name of its object."""
        incoming = self.objects.receive()
        incoming.write(data)
        name = segment_name("segments", stream_id, str(sequence), incoming.sha256)
        self.objects.put_many([(incoming, name)])
        new = NewSegment(
            stream=NewStream(stream_id=stream_id, channel=channel),
            sequence=sequence,
            object=name,
            bytes=incoming.size,
            sha256=incoming.sha256,
        )
        with self.journal.write() as connection:
            intake = Intake(connection, now=self.journal.now(), shard_count=64)
            assert intake.add_segment(new) == "accepted"
        return name

    def run(
        self, stream_id: str, files: Iterable[Path], *, first: int = 0, end: bool = True
    ) -> None:
        """Put segments from ``first`` on and fold each of them, then the end of the stream."""
        turns = self._turn_journal()
        worker = StreamWorker(self.score, self.policies)
        sequence = first
        for file in files:
            name = self.put(stream_id, sequence, file.read_bytes())
            turn = SegmentTurn(job=self._job(stream_id, sequence, name))
            self._fold(turns, worker, stream_id, turn, sequence)
            sequence += 1
        if end:
            last = EndTurn(stream_id=StreamId(stream_id), path=stream_id)
            self._fold(turns, worker, stream_id, last, None)

    def _turn_journal(self) -> TurnJournal:
        turns = TurnJournal(self.journal, sinks=self.sinks)
        turns.take_over()
        return turns

    def _job(self, stream_id: str, sequence: int, name: str) -> Job:
        key = SegmentKey(stream_id=StreamId(stream_id), sequence=sequence)
        segment = Segment(key=key, source=self.objects.path(name))
        return Job(segment=segment, name=str(key), windowed=False)

    def _fold(
        self,
        turns: TurnJournal,
        worker: StreamWorker,
        stream_id: str,
        turn: Turn,
        sequence: int | None,
    ) -> None:
        state = turns.load_state(stream_id)
        shard = shard_of(stream_id)
        if sequence is not None:
            placed = AssignedTurn(turn=state.turn, sequence=sequence)
            turns.assign(
                [Assignment(stream_id=stream_id, shard=shard, order=TurnOrder(), turns=(placed,))]
            )
        parts = list(worker.run_turn(state, turn))
        events = tuple(event for part in parts for event in part.events)
        spans = [one.span for one in events if isinstance(one, SegmentScored)]
        verdict = sequence is not None and SegmentVerdict(
            sequence=sequence,
            verdict="scored" if spans else "undecodable",
            span=(float(spans[0].start), float(spans[0].end)) if spans else None,
        )
        result = TurnResult(
            turn=state.turn, sequence=sequence, verdict=verdict or None, events=events
        )
        done = StreamResult(
            stream_id=stream_id,
            shard=shard,
            channel="c",
            state=replace(parts[-1].state),
            turns=(result,),
        )
        assert turns.commit([done]) == ()
