"""Which sources show which second of a stream, and how risky its samples were.

A ``SegmentIndex`` is a value that grows with each ``SegmentScored``. It is bounded by time
(``keep_since``), by number, and by the bytes that it holds (``drop_oldest``). Segments
that failed, came late or were lost have no ``SegmentScored``, so nothing of them is held.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from scanner.stream.events import FrameRisk, SegmentScored
from scanner.stream.inputs import Job
from scanner.types import Source, Span, held_size

__all__ = ["MOST_SAMPLES", "MOST_SOURCES", "SampledRisk", "SegmentIndex", "SourceSpan"]

MOST_SOURCES: Final = 4096
"""Spans of sources that an index holds; the oldest are dropped first."""
MOST_SAMPLES: Final = 4096
"""Samples that an index holds; with more, every second one of the older half is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpan:
    """A part of one source and its place on the stream clock.

    Windows of one file whose time stamps and codec continue are one span.
    """

    source: Source
    init: Source | None
    span: Span
    """Span in stream seconds."""
    first_pts: int
    """PTS of the first frame of the span."""
    shift: Fraction
    """Stream seconds less PTS seconds; equal as long as the source's time stamps continue."""
    jumps: int
    """Number of jumps of the source's time stamps before this span."""
    is_picture: bool = False
    """True if the source is one picture, from which no clip can be cut."""
    codec: str = ""

    def overlaps(self, span: Span) -> bool:
        """Return whether it shows a part of ``span``."""
        return self.span.start < span.end and span.start < self.span.end

    def shows(self, at: Fraction) -> bool:
        """Return whether it shows the stream second ``at``."""
        return self.span.start == at or self.span.start < at < self.span.end


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledRisk:
    """The risk of a stream just after the sample at one instant."""

    at: Fraction
    """Time in stream seconds."""
    risk: FrameRisk


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentIndex:
    """The sources and samples of one stream, oldest first."""

    sources: tuple[SourceSpan, ...] = ()
    samples: tuple[SampledRisk, ...] = ()
    end: Fraction = Fraction(0)
    """Stream seconds up to which the stream was indexed."""
    jumps: int = 0
    """Number of jumps of the file's time stamps so far."""
    dropped: Span | None = None
    """From the first to the last second of sources that were dropped because of a limit."""
    memory_bytes: int = 0
    """Bytes of sources that are held, in memory or in temporary files; what neighbours share counts
    once."""

    def add(self, scored: SegmentScored, job: Job) -> SegmentIndex:
        """Return the index with one more segment, which ``job`` is the source of."""
        segment, times, span = scored.segment, scored.segment.times, scored.span
        jumps = self.jumps + (job.windowed and segment.discontinuity)
        added = SourceSpan(
            source=job.segment.source,
            init=job.segment.init,
            span=span,
            first_pts=times.first_pts,
            shift=span.start - times.first_pts * times.time_base,
            jumps=jumps,
            is_picture=segment.info.still,
            codec=segment.info.codec,
        )
        sources, memory = self.sources, self.memory_bytes
        last = sources[-1] if sources else None
        if last is not None and job.windowed and _continues(last, added):
            whole = Span(start=last.span.start, end=span.end)
            sources, added = sources[:-1], replace(last, span=whole)
        else:
            memory += _held_bytes(added, last)
        grown = replace(
            self,
            sources=(*sources, added),
            samples=_bound_samples(self.samples, scored),
            end=max(self.end, span.end),
            jumps=jumps,
            memory_bytes=memory,
        )
        return grown._drop(1) if len(grown.sources) > MOST_SOURCES else grown

    def overlapping(self, span: Span) -> tuple[SourceSpan, ...]:
        """Return the sources that show a part of ``span``."""
        return tuple(source for source in self.sources if source.overlaps(span))

    def samples_within(self, start: Fraction, end: Fraction) -> tuple[SampledRisk, ...]:
        """Return the samples from ``start`` to ``end``, both included."""
        first = bisect_left(self.samples, start, key=_at)
        return self.samples[first : bisect_right(self.samples, end, key=_at)]

    def keep_since(self, at: Fraction) -> SegmentIndex:
        """Return the index without sources that end by ``at`` and samples before it."""
        old = next((n for n, one in enumerate(self.sources) if one.span.end > at), None)
        kept = self._without(len(self.sources) if old is None else old)
        dropped = self.dropped
        return replace(
            kept,
            samples=self.samples[bisect_left(self.samples, at, key=_at) :],
            dropped=None if dropped is None or dropped.end <= at else dropped,
        )

    def drop_oldest(self) -> SegmentIndex:
        """Return the index without the oldest source that holds bytes, and without those before
        it."""
        held = (n for n, source in enumerate(self.sources) if _held_bytes(source, None))
        oldest = next(held, None)
        return self if oldest is None else self._drop(oldest + 1)

    def _drop(self, count: int) -> SegmentIndex:
        gone = [source.span for source in self.sources[:count]]
        if self.dropped is not None:
            gone.append(self.dropped)
        dropped = Span(start=min(s.start for s in gone), end=max(s.end for s in gone))
        return replace(self._without(count), dropped=dropped)

    def _without(self, count: int) -> SegmentIndex:
        """Return the index without its first ``count`` sources."""
        if count == 0:
            return self
        first = (None, *self.sources[:count])
        freed = sum(
            _held_bytes(one, before)
            for before, one in zip(first, self.sources[: count + 1], strict=False)
        )
        kept = self.sources[count:]
        again = _held_bytes(kept[0], None) if kept else 0
        return replace(self, sources=kept, memory_bytes=self.memory_bytes - freed + again)


def _at(sample: SampledRisk) -> Fraction:
    return sample.at


def _held_bytes(source: SourceSpan, before: SourceSpan | None) -> int:
    """Return the bytes that a source holds, without what it shares with the one before.

    Only neighbours share: windows of one file, and segments with one init.
    """
    pairs = [(source.source, before and before.source), (source.init, before and before.init)]
    return sum(held_size(part) for part, other in pairs if part is not other)


def _continues(before: SourceSpan, after: SourceSpan) -> bool:
    return before.source is after.source and (before.shift, before.jumps, before.codec) == (
        after.shift,
        after.jumps,
        after.codec,
    )


def _bound_samples(
    samples: tuple[SampledRisk, ...], scored: SegmentScored
) -> tuple[SampledRisk, ...]:
    """Return the samples with those of a segment; the later of two at one instant replaces it."""
    grown = list(samples)
    for at, risk in scored.samples:
        if grown and grown[-1].at == at:
            grown.pop()
        grown.append(SampledRisk(at=at, risk=risk))
    while len(grown) > MOST_SAMPLES:
        half = len(grown) // 2
        grown[:half] = grown[:half:2]
    return tuple(grown)
