"""Results of turns, as the driver commits them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from scanner.stream.events import StreamEvent, StreamStalled
from scanner.stream.state import StreamState

__all__ = ["SegmentVerdict", "StreamResult", "TurnResult", "Verdict"]

Verdict = Literal["scored", "late", "undecodable", "quarantined", "shed"]
"""The final result of a segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentVerdict:
    """The final result of a segment, and its place on the stream's clock."""

    sequence: int
    verdict: Verdict
    span: tuple[float, float] | None = None
    """Stream seconds, rounded."""
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResult:
    """The results of one folded turn."""

    turn: int
    sequence: int | None
    """Sequence of the turn's segment; None if it has none."""
    verdict: SegmentVerdict | None
    events: tuple[StreamEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResult:
    """Consecutive folded turns of one stream, and the state after them."""

    stream_id: str
    shard: int
    channel: str | None = None
    state: StreamState
    turns: tuple[TurnResult, ...]
    summary: Mapping[str, Any] = field(default_factory=dict)
    """Risk, coverage and clock, for queries."""

    @property
    def stalls(self) -> bool:
        """True if the last of these turns is a stall."""
        return any(isinstance(event, StreamStalled) for event in self.turns[-1].events)

    @property
    def from_turn(self) -> int:
        """The number of folded turns before these."""
        return self.state.turn - len(self.turns)
