"""Recorded scores, folded again: what other policies would have said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from scanner.lines import FrameLine, GapLine, Line, SummaryLine, exact, exact_at
from scanner.risk.coverage import BETWEEN
from scanner.risk.fold import advance
from scanner.risk.incident import Closed, Incident
from scanner.risk.observation import Ended, Gap, Observation, Sampled
from scanner.risk.policy import Policies
from scanner.risk.stream import StreamRisk
from scanner.types import Label, Medium, Span, StreamId

__all__ = ["fold", "recorded", "sampled_of"]


def recorded(lines: Iterable[Line]) -> dict[str, tuple[Observation, ...]]:
    """What was observed of each path, in order of time, from the lines of a scan.

    A path without a summary (its scan broke off) ends with its last sample. Stills have no duration
    and are left out.
    """
    seen: dict[str, list[Sampled | Gap]] = defaultdict(list)
    ends: dict[str, Fraction] = {}
    stills: set[str] = set()
    for line in lines:
        match line:
            case FrameLine():
                seen[line.path].append(sampled_of(line))
            case GapLine(reason=reason) if (
                reason != BETWEEN
            ):  # those follow from the samples; the fold finds them again
                seen[line.path].append(
                    Gap(span=Span(start=exact(line.start), end=exact(line.end)), reason=reason)
                )
            case SummaryLine():
                ends[line.path] = exact(line.duration)
                if line.duration == 0.0 and not line.peak_risk:
                    stills.add(line.path)
    return {
        path: _ordered(observations, ends.get(path))
        for path, observations in seen.items()
        if path not in stills
    }


def fold(
    observations: Mapping[str, Sequence[Observation]], policies: Policies
) -> tuple[Incident, ...]:
    """Every incident of every path, closed, in the order in which they closed."""
    found: list[Incident] = []
    for path, seen in observations.items():
        risk = StreamRisk(stream_id=StreamId(path))
        for observation in seen:
            risk, events = advance(risk, observation, policies)
            found += [event.incident for event in events if isinstance(event, Closed)]
    return tuple(found)


def sampled_of(line: FrameLine) -> Sampled:
    """What the fold was given when the line was written, but for cuts."""
    values = {Label(label): value for label, value in line.scores.items()}
    medium = {Medium(name): share for name, share in line.medium.items()}
    return Sampled(at=exact_at(line), values=values, medium=medium, moving=line.burst is not None)


def _ordered(
    observations: Sequence[Sampled | Gap], end: Fraction | None
) -> tuple[Observation, ...]:
    """In order of time; a gap that ends where a sample lies comes before it, as it did when the
    scores were recorded."""
    ordered = sorted(
        observations, key=lambda observation: (observation.at, isinstance(observation, Sampled))
    )
    last = ordered[-1].at
    return (*ordered, Ended(at=last if end is None else max(end, last)))
