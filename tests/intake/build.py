"""Bytes that only have to look like media, and a driver that folds without decoding."""

from __future__ import annotations

from scanner.store.database import Journal
from scanner.store.outcomes import SegmentVerdict, StreamResult, TurnResult
from scanner.store.schema import shard_of
from scanner.store.turns import AssignedTurn, Assignment, TurnJournal
from scanner.store.writes import beat
from scanner.stream.advance import advance, close_turn
from scanner.stream.events import SegmentScored
from scanner.stream.inputs import FailedSegment, StreamInput
from scanner.stream.order import TurnOrder
from scanner.types import ScoredSegment
from tests.stream.build import POLICIES

TS = (b"\x47" + bytes(187)) * 20
"""Twenty empty transport packets."""
MP4_INIT = b"\0\0\0\x18ftypiso5\0\0\0\0iso5iso6"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
SUMMARY = {"seconds": 8.0, "coverage": 0.75, "unseen": {"missing": 2.0}, "risk": {"fire": 0.5}}


def ts(number: int) -> bytes:
    """Return transport packets that differ by a number."""
    return (b"\x47" + number.to_bytes(8, "big") + bytes(179)) * 20


class FoldingDriver:
    """A driver that folds inputs whose scores are given."""

    def __init__(self, journal: Journal, *, sinks: tuple[str, ...] = ()) -> None:
        self._turns = TurnJournal(journal, sinks=sinks)
        self._turns.take_over()

    def fold(self, stream_id: str, *inputs: StreamInput, channel: str | None = None) -> None:
        """Fold inputs into a stream, and commit each as a turn."""
        shard = shard_of(stream_id)
        for one in inputs:
            state = self._turns.load_state(stream_id)
            turn, sequence = state.turn, _sequence_of(one)
            if sequence is not None:
                placed = AssignedTurn(turn=turn, sequence=sequence)
                assignment = Assignment(
                    stream_id=stream_id, shard=shard, order=TurnOrder(), turns=(placed,)
                )
                self._turns.assign([assignment])
            after, events = advance(state, one, POLICIES)
            spans = [event.span for event in events if isinstance(event, SegmentScored)]
            verdict = None
            if sequence is not None:
                verdict = SegmentVerdict(
                    sequence=sequence,
                    verdict="scored" if spans else "undecodable",
                    span=(float(spans[0].start), float(spans[0].end)) if spans else None,
                    detail=None if spans else {"kind": "damaged", "message": "not decodable"},
                )
            result = StreamResult(
                stream_id=stream_id,
                shard=shard,
                channel=channel,
                state=close_turn(after),
                turns=(TurnResult(turn=turn, sequence=sequence, verdict=verdict, events=events),),
                summary=SUMMARY,
            )
            assert self._turns.commit([result]) == ()


def _sequence_of(one: StreamInput) -> int | None:
    return one.key.sequence if isinstance(one, ScoredSegment | FailedSegment) else None


def send_heartbeats(journal: Journal, *processes: str, age: float = 0.0) -> None:
    """Write heartbeats as of ``age`` seconds ago."""
    body = {
        "provider": "cpu",
        "delay_seconds": {"p50": 0.25, "max": 1.5},
        "cpu_seconds": 12.5,
    }
    with journal.write() as connection:
        for process in processes:
            beat(connection, process, 1, body, now=journal.now() - age)
