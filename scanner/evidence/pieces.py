"""Which sources show a stretch of a stream, and where in them it lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from scanner.media.clip import ClipPiece
from scanner.runner import Job
from scanner.types import ScoredSegment, Source, Span

__all__ = ["Shelf", "Shelved", "piece_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """A stretch of one source on the shelf, and its place on the stream clock."""

    source: Source
    init: Source | None
    span: Span
    """On the stream clock."""
    first_pts: int
    shift: Fraction
    """Stream seconds less seconds of the source's time stamps: equal while its clock goes on."""
    jumps: int
    """So often the source's clock jumped before."""


def piece_of(placed: Shelved, span: Span) -> ClipPiece:
    """The part of a span that lies in one source, in the source's own seconds."""
    start, end = max(span.start, placed.span.start), min(span.end, placed.span.end)
    init = (
        placed.init
        if placed.init is None or isinstance(placed.init, bytes)
        else placed.init.read_bytes()
    )
    within = Span(start=start - placed.span.start, end=end - placed.span.start)
    return ClipPiece(
        span=within,
        offset=placed.span.start,
        first_pts=placed.first_pts,
        jumps=placed.jumps,
        init=init,
    )


class Shelf:
    """The sources of one stream that may still be asked for, oldest first."""

    def __init__(self) -> None:
        self._handed: dict[int, Job] = {}
        self._file: Job | None = None
        self._placed: list[Shelved] = []
        self._jumps = 0

    def hand(self, job: Job) -> None:
        """A source whose segments will be placed."""
        if job.windowed:
            self._file = job
        else:
            self._handed[job.segment.key.sequence] = job

    def place(self, segment: ScoredSegment, offset: Fraction) -> Shelved:
        """One of its segments, the first frame at ``offset``.

        Windows of a file whose clock goes on are one stretch.
        """
        job = self._file or self._handed.pop(segment.key.sequence)
        times = segment.times
        self._jumps += job is self._file and segment.discontinuity
        placed = Shelved(
            source=job.segment.source,
            init=job.segment.init,
            span=Span(start=offset, end=offset + times.duration),
            first_pts=times.first_pts,
            shift=offset - times.first_pts * times.time_base,
            jumps=self._jumps,
        )
        before = self._placed[-1] if self._placed else None
        if (
            before is not None
            and job is self._file
            and (before.shift, before.jumps) == (placed.shift, placed.jumps)
        ):
            placed = replace(before, span=Span(start=before.span.start, end=placed.span.end))
            self._placed.pop()
        self._placed.append(placed)
        return placed

    def showing(self, span: Span) -> Iterator[Shelved]:
        """Those that show a part of the span."""
        return (
            placed
            for placed in self._placed
            if placed.span.start < span.end and span.start < placed.span.end
        )

    def forget(self, before: Fraction, sequences: Iterable[int] = ()) -> None:
        """Sources that end before an instant, and handed ones that will not be placed."""
        self._placed = [placed for placed in self._placed if placed.span.end > before]
        for sequence in sequences:
            self._handed.pop(sequence, None)
