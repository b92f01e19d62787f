"""What another policy would have made of the same scores: incidents gained, lost, and moved in
time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from scanner.risk.incident import Incident

__all__ = ["Moved", "Pairing", "pair_incidents"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One incident before and after."""

    before: Incident
    after: Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """How two lists of incidents differ; each is in order of time."""

    gained: tuple[Incident, ...]
    lost: tuple[Incident, ...]
    moved: tuple[Moved, ...]
    """Paired, with another start or end."""
    kept: tuple[Moved, ...]
    """Paired, with the same start and end."""


def pair_incidents(before: Iterable[Incident], after: Iterable[Incident]) -> Pairing:
    """Pair incidents of one stream that share a label and touch in time, those that overlap longest
    first; each is paired once.

    An open incident lasts for ever.
    """
    old, new = list(before), list(after)
    pairs = [
        (_overlap(o, n), i, j) for i, o in enumerate(old) for j, n in enumerate(new) if _alike(o, n)
    ]
    partner: dict[int, int] = {}
    for overlap, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if overlap >= 0 and i not in partner and j not in partner.values():
            partner[i] = j
    both = sorted(
        (Moved(before=old[i], after=new[j]) for i, j in partner.items()),
        key=lambda pair: pair.before.start,
    )
    return Pairing(
        gained=_in_time(incident for j, incident in enumerate(new) if j not in partner.values()),
        lost=_in_time(incident for i, incident in enumerate(old) if i not in partner),
        moved=tuple(pair for pair in both if _times(pair.before) != _times(pair.after)),
        kept=tuple(pair for pair in both if _times(pair.before) == _times(pair.after)),
    )


def _alike(one: Incident, other: Incident) -> bool:
    return one.stream_id == other.stream_id and bool({*one.labels} & {*other.labels})


def _overlap(one: Incident, other: Incident) -> Fraction | float:
    """Seconds in both; below 0 where they do not touch."""
    ends = [incident.end for incident in (one, other) if incident.end is not None]
    start = max(one.start, other.start)
    return min(ends) - start if ends else float("inf")


def _times(incident: Incident) -> tuple[Fraction, Fraction | None]:
    return incident.start, incident.end


def _in_time(incidents: Iterable[Incident]) -> tuple[Incident, ...]:
    return tuple(sorted(incidents, key=lambda incident: incident.start))
