"""The part of the state that all recursive methods have: the time that was seen, and the latest run
of samples that are evidence for the label."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from scanner.rational import dump_fraction, dump_optional, load_fraction, load_optional
from scanner.risk.method import LabelSample, Support

__all__ = ["NO_EVIDENCE", "EvidenceRun"]


class EvidenceRun(NamedTuple):
    """The samples so far, and the latest run of those that are evidence for the label."""

    at: Fraction | None
    """Time of the latest sample that counts."""
    samples: int
    """Number of samples that count, at most 2: no method needs more."""
    seen: Fraction
    """Weighted seconds that were seen, at most the evidence floor."""
    first: Fraction | None
    """Time of the first sample of the run."""
    last: Fraction | None
    """Time of the last sample of the run."""

    @property
    def support(self) -> Support | None:
        """The first and last sample of the run."""
        return None if self.first is None or self.last is None else Support(self.first, self.last)

    def has_level(self, dwell: Fraction) -> bool:
        """Return whether the evidence floor of ``dwell`` seconds is reached."""
        return self.samples > 0 and self.seen >= dwell

    @property
    def has_short_level(self) -> bool:
        """True if there are enough samples for the level of a short stream."""
        return self.samples >= 2

    def add(self, sample: LabelSample, level: float, dwell: Fraction) -> EvidenceRun:
        """Return the run after a sample that counts and that left the level at ``level``.

        A sample that is evidence against the label ends the run once the level is down to 0.
        """
        first, last = self.first, self.last
        if sample.llr > 0.0:
            first, last = sample.at if first is None else first, sample.at
        elif level <= 0.0:
            first, last = None, None
        samples, seen = min(self.samples + 1, 2), min(self.seen + sample.seconds, dwell)
        return EvidenceRun(sample.at, samples, seen, first, last)

    def dump(self) -> Any:
        """Return the run as ``json.dumps`` takes it."""
        times = (dump_optional(time) for time in (self.at, self.first, self.last))
        return [*times, self.samples, dump_fraction(self.seen)]

    @classmethod
    def load(cls, data: Any) -> EvidenceRun:
        """Return the run that ``dump`` wrote."""
        *times, samples, seen = data
        at, first, last = (load_optional(time) for time in times)
        return cls(at, samples, load_fraction(seen), first, last)


NO_EVIDENCE = EvidenceRun(None, 0, Fraction(0), None, None)
"""The run before the first sample."""
