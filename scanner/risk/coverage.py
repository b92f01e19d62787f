"""Coverage: which parts of a stream were seen, and why the others were not. Low coverage never
reads as low risk.

A sample covers backwards to the one before it, to a gap's end, or ``max_gap``, whichever is
nearest: the seconds that the fold counts. The tail before a gap or the end has no later sample to
cover it; it counts as seen when it is no longer than ``max_gap``, by which the sampler bounds every
hole.
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
"""The reason of a hole that is there because samples lie far apart."""
FINEST: Final = 10**12
"""A total with a larger denominator is rounded to a nanosecond: hostile time bases cannot make it
grow for ever."""
RECENT: Final = 256
"""So many spans are kept where nobody drains them; the totals stay right for ever."""

Stretch = Span | Unseen
"""A ``Span`` was seen, an ``Unseen`` was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What of a stream was seen, up to ``until``; bounded, however long the stream."""

    until: Fraction = Fraction(0)
    """All before this is accounted for."""
    blind_until: Fraction | None = None
    """Where the last gap ended: no later look covers anything before."""
    sampled: bool = False
    """``until`` is a sample, so that a short tail after it counts as seen."""
    seen: Fraction = Fraction(0)
    """Seconds."""
    unseen: Mapping[str, Fraction] = field(default_factory=dict)
    """Seconds for each reason."""
    media: Mapping[Medium, float] = field(default_factory=dict)
    """Seen seconds for each medium."""
    recent: tuple[Stretch, ...] = ()
    """The latest spans in order, side by side; only the last one can still grow."""

    def sample(self, at: Fraction, medium: Mapping[Medium, float], max_gap: Fraction) -> Coverage:
        """Somebody looked at ``at``; inside a gap, that covers nothing."""
        if at < self.until:
            return self
        start = max(self.until, at - max_gap)
        covered = self._missed(start, BETWEEN)._saw(at)
        return replace(covered, sampled=True, media=_added(self.media, medium, float(at - start)))

    def gap(self, span: Span, reason: GapReason, max_gap: Fraction) -> Coverage:
        """Nobody could look at the span. What of it was accounted for before stays as it was."""
        return replace(
            self._tail(span.start, max_gap)._missed(span.end, reason),
            blind_until=max(span.end, self.until),
            sampled=False,
        )

    def end(self, at: Fraction, max_gap: Fraction) -> Coverage:
        """The stream is over at ``at``."""
        return self._tail(at, max_gap)

    def share(self, duration: Fraction) -> float:
        """Which part of the duration was seen, 0 to 1; of no duration, all if anything was looked
        at.

        >>> Coverage(until=Fraction(4), seen=Fraction(3)).share(Fraction(4))
        0.75
        """
        if duration <= 0:
            return float(self.sampled)
        return min(float(self.seen / duration), 1.0)

    @property
    def medium_share(self) -> dict[Medium, float]:
        """Which part of the time whose medium is known each medium took; sums to 1, or is empty."""
        total = sum(self.media.values())
        return (
            {medium: seconds / total for medium, seconds in self.media.items()}
            if total > 0.0
            else {}
        )

    def drain(self) -> tuple[Coverage, tuple[Stretch, ...]]:
        """The spans that are final, and the coverage without them."""
        return replace(self, recent=self.recent[-1:]), self.recent[:-1]

    def _tail(self, to: Fraction, max_gap: Fraction) -> Coverage:
        if self.sampled and to - self.until <= max_gap:
            return self._saw(to)
        return self._missed(to, BETWEEN)

    def _saw(self, to: Fraction) -> Coverage:
        if to <= self.until:
            return self
        span = Span(start=self.until, end=to)
        return replace(
            self, until=to, seen=_total(self.seen, span), recent=_appended(self.recent, span)
        )

    def _missed(self, to: Fraction, reason: GapReason) -> Coverage:
        if to <= self.until:
            return self
        span = Span(start=self.until, end=to)
        unseen = {**self.unseen, reason: _total(self.unseen.get(reason, Fraction(0)), span)}
        return replace(
            self,
            until=to,
            unseen=unseen,
            recent=_appended(self.recent, Unseen(span=span, reason=reason)),
            sampled=False,
        )

    def to_json(self) -> dict[str, Any]:
        """What ``json.dumps`` takes."""
        return {
            "until": dump_fraction(self.until),
            "blind_until": dump_optional(self.blind_until),
            "sampled": self.sampled,
            "seen": dump_fraction(self.seen),
            "unseen": {reason: dump_fraction(seconds) for reason, seconds in self.unseen.items()},
            "media": dict(self.media),
            "recent": [_dump(stretch) for stretch in self.recent],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Coverage:
        """The coverage that ``to_json`` wrote, equal to the bit."""
        return cls(
            until=load_fraction(data["until"]),
            blind_until=load_optional(data["blind_until"]),
            sampled=data["sampled"],
            seen=load_fraction(data["seen"]),
            unseen={reason: load_fraction(seconds) for reason, seconds in data["unseen"].items()},
            media={Medium(name): seconds for name, seconds in data["media"].items()},
            recent=tuple(_load(row) for row in data["recent"]),
        )


def _total(seconds: Fraction, span: Span) -> Fraction:
    total = seconds + span.length
    return total if total.denominator <= FINEST else round(total, 9)


def _added(
    media: Mapping[Medium, float], medium: Mapping[Medium, float], seconds: float
) -> Mapping[Medium, float]:
    if not medium:
        return media
    return {
        **media,
        **{name: media.get(name, 0.0) + share * seconds for name, share in medium.items()},
    }


def _appended(recent: tuple[Stretch, ...], new: Stretch) -> tuple[Stretch, ...]:
    """With the new stretch, joined to the last one where both are of a kind."""
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
