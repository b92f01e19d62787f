"""Segments that move no risk: one that failed as an event, and one that arrived too late."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from scanner.stream.clock import place_late
from scanner.stream.events import SegmentFailed, SegmentLate, StreamEvent
from scanner.stream.inputs import FailedSegment
from scanner.stream.state import StreamState
from scanner.types import ScoredSegment, Span

__all__ = ["failed_event", "record_late"]


def failed_event(failed: FailedSegment) -> SegmentFailed:
    """Return the event of a segment that failed."""
    return SegmentFailed(
        key=failed.key,
        kind=failed.kind,
        message=failed.message,
        quarantined=failed.quarantined,
        duration=failed.duration,
        discontinuity=failed.discontinuity,
    )


def record_late(
    state: StreamState, outcome: ScoredSegment | FailedSegment
) -> tuple[StreamState, tuple[StreamEvent, ...]]:
    """Return the state and the event after a segment whose gap was given up: its place is in the
    hole that it left."""
    if isinstance(outcome, FailedSegment):
        failed = failed_event(outcome)
        return replace(state, failures=state.failures + 1), (
            SegmentLate(outcome=failed, span=None),
        )
    sequence = outcome.key.sequence
    hole = next((h for h in reversed(state.holes) if h.first <= sequence <= h.last), None)
    if hole is None:
        start = place_late(state.clock.shift, outcome.times, near=state.clock.end)
        bounds = Span(start=Fraction(0), end=max(state.clock.end, start))
    else:
        start = place_late(hole.shift, outcome.times, near=hole.span.start)
        bounds = hole.span
    start = min(max(start, bounds.start), bounds.end)
    span = Span(start=start, end=start + outcome.times.duration)
    return state, (SegmentLate(outcome=outcome, span=span),)
