"""What became of events and of safe footage at one operating point, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isnan, nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scanner.evaluate.measures import Floats, Interval
from scanner.evaluate.streams.assemble import Event, Lead, Stream
from scanner.evaluate.streams.footage import Kind, Piece
from scanner.evaluate.streams.rate import Rate
from scanner.types import Label

__all__ = [
    "ROUNDS",
    "SOON",
    "Met",
    "Outcomes",
    "Part",
    "Summary",
    "Watched",
    "more_missed",
    "safe_pieces",
    "summarised",
]

ROUNDS: Final = 1000
"""Of the bootstrap over groups."""
SOON: Final = 3
"""Seconds of media time within which half of the events should be flagged."""
LAST: Final = 20
"""Seconds up to which it is told how many were flagged."""
HOUR: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """One event, and when it was flagged."""

    event: Event
    delay: float
    """Seconds from its onset to the opening; NaN where it was missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One safe piece, and how many incidents opened on it."""

    group: str
    kind: Kind
    seconds: Fraction
    openings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """All that an operating point of one label comes to."""

    label: Label
    met: tuple[Met, ...]
    watched: tuple[Watched, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the events."""

    events: int
    missed: int
    median: float
    """Seconds from onset to flag, of those that were found; NaN where none was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One operating point in figures; intervals are 95 % by bootstrap over groups."""

    label: Label
    events: int
    groups: int
    """Original streams that the events are of."""
    missed: Interval
    parts: Mapping[str, Part]
    """For each ``Lead`` (``after own`` is an onset without a cut), and for each kind of footage
    that shows the event."""
    median: Interval
    """Seconds from onset to flag, of those that were found; NaN where none was."""
    p90: float
    p99: float
    flagged: tuple[float, ...]
    """Share of all events that were flagged within 0, 1, 2 ... ``LAST`` seconds of their onset."""
    false: Mapping[str, Rate]
    """False incidents for each kind of moving footage, and of it all as ``all``."""
    rate: Interval
    """False incidents an hour of it all, as resampled; its upper end says less than ``false`` does
    where there were none."""
    photographs: tuple[int, int]
    """Held pictures that opened an incident, of how many."""

    @property
    def soon(self) -> float:
        """Share of all events that were flagged within ``SOON``."""
        return self.flagged[SOON]


def safe_pieces(streams: Sequence[Stream], label: Label) -> list[tuple[int, int, Piece]]:
    """Each safe piece that counts for a label, with the numbers of its stream and its place there."""
    return [
        (number, place, placed.piece)
        for number, stream in enumerate(streams)
        if stream.event is None
        for place, placed in enumerate(stream.placed)
        if label not in placed.piece.unsafe
    ]


def summarised(outcomes: Outcomes, *, rounds: int = ROUNDS, seed: int = 0) -> Summary:
    """The figures of an operating point."""
    delays = np.array([one.delay for one in outcomes.met])
    groups = [one.event.group for one in outcomes.met]
    moving = [one for one in outcomes.watched if one.kind is not Kind.PHOTOGRAPHS]
    pictures = [one for one in outcomes.watched if one.kind is Kind.PHOTOGRAPHS]
    return Summary(
        label=outcomes.label,
        events=len(delays),
        groups=len(set(groups)),
        missed=resampled(missed_share, delays, groups, rounds=rounds, seed=seed),
        parts=_parts(outcomes.met),
        median=resampled(median_delay, delays, groups, rounds=rounds, seed=seed),
        p90=delay_at(delays, 90),
        p99=delay_at(delays, 99),
        flagged=tuple(
            float(np.mean(delays <= seconds)) if len(delays) else nan for seconds in range(LAST + 1)
        ),
        false={
            **{
                kind: rate_of([one for one in moving if one.kind is kind])
                for kind in _kinds(moving)
            },
            "all": rate_of(moving),
        },
        rate=_resampled_rate(moving, rounds, seed),
        photographs=(sum(one.openings > 0 for one in pictures), len(pictures)),
    )


def _kinds(watched: Sequence[Watched]) -> list[Kind]:
    return [kind for kind in Kind if any(one.kind is kind for one in watched)]


def _parts(met: Sequence[Met]) -> dict[str, Part]:
    by_lead = {
        f"after {lead}": [one.delay for one in met if one.event.lead is lead] for lead in Lead
    }
    by_kind = {f"in {kind}": [one.delay for one in met if one.event.shown is kind] for kind in Kind}
    return {
        name: _part(np.array(delays)) for name, delays in {**by_lead, **by_kind}.items() if delays
    }


def _part(delays: Floats) -> Part:
    return Part(events=len(delays), missed=int(np.isnan(delays).sum()), median=median_delay(delays))


def more_missed(
    outcomes: Outcomes, than: Outcomes, *, rounds: int = ROUNDS, seed: int = 0
) -> Interval:
    """How much larger a share of the same events one operating point misses than another; below 0,
    it misses fewer."""
    ours, theirs = (
        np.isnan([one.delay for one in of.met]).astype(np.float64) for of in (outcomes, than)
    )
    groups = [one.event.group for one in outcomes.met]
    return resampled(
        lambda values: float(values.mean()) if len(values) else nan,
        ours - theirs,
        groups,
        rounds=rounds,
        seed=seed,
    )


def rate_of(watched: Sequence[Watched]) -> Rate:
    """False incidents an hour of this footage."""
    return Rate(
        count=sum(one.openings for one in watched),
        hours=float(sum(one.seconds for one in watched)) / HOUR,
    )


def missed_share(delays: Floats) -> float:
    """Share of the events that were not found."""
    return float(np.mean(np.isnan(delays))) if len(delays) else nan


def median_delay(delays: Floats) -> float:
    """Of those that were found."""
    return delay_at(delays, 50)


def delay_at(delays: Floats, percent: float) -> float:
    """The delay that so many of the found events stay below."""
    found = delays[~np.isnan(delays)]
    return float(np.percentile(found, percent)) if len(found) else nan


def resampled(
    measure: Callable[[Floats], float],
    values: Floats,
    groups: Sequence[str],
    *,
    rounds: int,
    seed: int,
) -> Interval:
    """A measure of values, and its percentile interval when whole groups are drawn; NaN for fewer
    than two groups."""
    value = measure(values)
    members = _members(groups)
    if len(members) < 2 or isnan(value):
        return Interval(value=value, low=nan, high=nan)
    random = np.random.default_rng(seed)
    draws = (
        np.concatenate([members[i] for i in random.integers(0, len(members), len(members))])
        for _ in range(rounds)
    )
    drawn = np.array([measure(values[index]) for index in draws])
    known = drawn[~np.isnan(drawn)]
    low, high = np.percentile(known, (2.5, 97.5)) if len(known) else (nan, nan)
    return Interval(value=value, low=float(low), high=float(high))


def _members(groups: Sequence[str]) -> list[NDArray[np.intp]]:
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    return (
        [np.flatnonzero(member == group) for group in range(int(member.max()) + 1)]
        if len(groups)
        else []
    )


def _resampled_rate(watched: Sequence[Watched], rounds: int, seed: int) -> Interval:
    counted = np.array([[one.openings, float(one.seconds) / HOUR] for one in watched]).reshape(
        -1, 2
    )
    return resampled(_ratio, counted, [one.group for one in watched], rounds=rounds, seed=seed)


def _ratio(counted: Floats) -> float:
    openings, hours = counted.sum(axis=0) if len(counted) else (0.0, 0.0)
    return float(openings / hours) if hours > 0 else nan
