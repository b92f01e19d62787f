"""Coverage: which parts of a stream were seen, and why the others were not (invariant "Coverage is
reported").

A sample covers the time back to the sample before it, to a gap's end, or ``max_gap`` seconds,
whichever is nearest: the seconds that the fold counts. The tail before a gap or the end has no
later sample to cover it. It counts as seen if it is no longer than ``max_gap``, by which the
sampler bounds every hole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final

from scanner.rational import dump_fraction, dump_optional, load_fraction, load_optional
from scanner.types import GapReason, Medium, Span, Unseen

__all__ = ["BETWEEN", "Coverage", "Stretch"]

BETWEEN: Final = "between_samples"
"""Reason of a hole between two samples that lie far apart."""
FINEST: Final = 10**12
"""A total with a larger denominator is rounded to a nanosecond, so that hostile time bases cannot
make it grow without limit."""
RECENT: Final = 256
"""Spans that are kept where nothing drains them; the totals stay exact."""

Stretch = Span | Unseen
"""A part of a stream: a ``Span`` was seen, an ``Unseen`` was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Which parts of a stream were seen, up to ``until``; bounded, however long the stream is."""

    until: Fraction = Fraction(0)
    """Everything before this is accounted for."""
    gap_until: Fraction | None = None
    """End of the last gap: no later sample covers anything before it."""
    sampled: bool = False
    """True if ``until`` is the time of a sample, so that a short tail after it counts as seen."""
    seen: Fraction = Fraction(0)
    """Seconds that were seen."""
    unseen: Mapping[str, Fraction] = field(default_factory=dict)
    """Seconds that were not seen, by reason."""
    media: Mapping[Medium, float] = field(default_factory=dict)
    """Seconds that were seen, by medium."""
    recent: tuple[Stretch, ...] = ()
    """The latest parts, in order and adjacent; only the last one can still grow."""

    def add_sample(
        self, at: Fraction, medium: Mapping[Medium, float], max_gap: Fraction
    ) -> Coverage:
        """Return the coverage after a sample at ``at``; one inside a gap covers nothing."""
        if at < self.until:
            return self
        start = max(self.until, at - max_gap)
        covered = self._mark_unseen(start, BETWEEN)._mark_seen(at)
        return replace(
            covered, sampled=True, media=_add_media(self.media, medium, float(at - start))
        )

    def add_gap(self, span: Span, reason: GapReason, max_gap: Fraction) -> Coverage:
        """Return the coverage after a gap. A part of it that was accounted for before stays as it
        was."""
        return replace(
            self._add_tail(span.start, max_gap)._mark_unseen(span.end, reason),
            gap_until=max(span.end, self.until),
            sampled=False,
        )

    def exclude(self, length: Fraction, reason: GapReason) -> Coverage:
        """Count seconds as unseen whose samples are folded all the same, because they show
        only one of several tracks."""
        before = self.unseen.get(reason, Fraction(0))
        return replace(
            self, seen=self.seen - length, unseen={**self.unseen, reason: before + length}
        )

    def end(self, at: Fraction, max_gap: Fraction) -> Coverage:
        """Return the coverage of a stream that ends at ``at``."""
        return self._add_tail(at, max_gap)

    def share(self, duration: Fraction) -> float:
        """Return the share of the duration that was seen, 0 to 1; of no duration, 1 if there was a
        sample.

        >>> Coverage(until=Fraction(4), seen=Fraction(3)).share(Fraction(4))
        0.75
        """
        if duration <= 0:
            return float(self.sampled)
        return min(max(float(self.seen / duration), 0.0), 1.0)

    @property
    def medium_share(self) -> dict[Medium, float]:
        """Share of each medium in the seen time whose medium is known; sums to 1, or is empty."""
        total = sum(self.media.values())
        return (
            {medium: seconds / total for medium, seconds in self.media.items()}
            if total > 0.0
            else {}
        )

    def drain(self) -> tuple[Coverage, tuple[Stretch, ...]]:
        """Return the coverage without the parts that are final, and those parts."""
        return replace(self, recent=self.recent[-1:]), self.recent[:-1]

    def _add_tail(self, to: Fraction, max_gap: Fraction) -> Coverage:
        if self.sampled and to - self.until <= max_gap:
            return self._mark_seen(to)
        return self._mark_unseen(to, BETWEEN)

    def _mark_seen(self, to: Fraction) -> Coverage:
        if to <= self.until:
            return self
        span = Span(start=self.until, end=to)
        return replace(
            self, until=to, seen=_add_span(self.seen, span), recent=_append(self.recent, span)
        )

    def _mark_unseen(self, to: Fraction, reason: GapReason) -> Coverage:
        if to <= self.until:
            return self
        span = Span(start=self.until, end=to)
        unseen = {**self.unseen, reason: _add_span(self.unseen.get(reason, Fraction(0)), span)}
        return replace(
            self,
            until=to,
            unseen=unseen,
            recent=_append(self.recent, Unseen(span=span, reason=reason)),
            sampled=False,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the coverage as ``json.dumps`` takes it."""
        return {
            "until": dump_fraction(self.until),
            "gap_until": dump_optional(self.gap_until),
            "sampled": self.sampled,
            "seen": dump_fraction(self.seen),
            "unseen": {reason: dump_fraction(seconds) for reason, seconds in self.unseen.items()},
            "media": dict(self.media),
            "recent": [_dump(stretch) for stretch in self.recent],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Coverage:
        """Return the coverage that ``to_json`` wrote, equal to the bit."""
        return cls(
            until=load_fraction(data["until"]),
            gap_until=load_optional(data["gap_until"]),
            sampled=data["sampled"],
            seen=load_fraction(data["seen"]),
            unseen={reason: load_fraction(seconds) for reason, seconds in data["unseen"].items()},
            media={Medium(name): seconds for name, seconds in data["media"].items()},
            recent=tuple(_load(row) for row in data["recent"]),
        )


def _add_span(seconds: Fraction, span: Span) -> Fraction:
    total = seconds + span.length
    return total if total.denominator <= FINEST else round(total, 9)


def _add_media(
    media: Mapping[Medium, float], medium: Mapping[Medium, float], seconds: float
) -> Mapping[Medium, float]:
    if not medium:
        return media
    return {
        **media,
        **{name: media.get(name, 0.0) + share * seconds for name, share in medium.items()},
    }


def _append(recent: tuple[Stretch, ...], new: Stretch) -> tuple[Stretch, ...]:
    """Append a part, or extend the last one if both are of the same kind."""
    last = recent[-1] if recent else None
    if isinstance(last, Span) and isinstance(new, Span):
        return (*recent[:-1], Span(start=last.start, end=new.end))
    if isinstance(last, Unseen) and isinstance(new, Unseen) and last.reason == new.reason:
        return (
            *recent[:-1],
            Unseen(span=Span(start=last.span.start, end=new.span.end), reason=new.reason),
        )
    return (*recent, new)[-RECENT:]


def _dump(stretch: Stretch) -> list[Any]:
    span, reason = (stretch, None) if isinstance(stretch, Span) else (stretch.span, stretch.reason)
    return [dump_fraction(span.start), dump_fraction(span.end), reason]


def _load(row: tuple[list[int], list[int], GapReason | None]) -> Stretch:
    start, end, reason = row
    span = Span(start=load_fraction(start), end=load_fraction(end))
    return span if reason is None else Unseen(span=span, reason=reason)
