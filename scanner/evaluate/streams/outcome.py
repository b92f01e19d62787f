"""Outcomes of events and safe footage at one operating point, and their summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import nan
from typing import Final

import numpy as np

from scanner.evaluate.measures import Floats, Interval, bootstrap_statistic
from scanner.evaluate.streams.assemble import AssembledStream, EventLead, StagedEvent
from scanner.evaluate.streams.pieces import FootageKind, Piece
from scanner.evaluate.streams.rate import Rate
from scanner.types import Label

__all__ = [
    "FAST_SECONDS",
    "ROUNDS",
    "EventOutcome",
    "EventSubset",
    "LabelOutcomes",
    "OutcomeSummary",
    "PieceOutcome",
    "more_missed",
    "safe_pieces",
    "summarize",
]

ROUNDS: Final = 1000
"""Number of bootstrap rounds over groups."""
FAST_SECONDS: Final = 3
"""Seconds of media time within which half of the events should be flagged."""
MAX_DELAY: Final = 20
"""Seconds up to which the share of flagged events is reported."""
HOUR: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOutcome:
    """One event, and when it was flagged."""

    event: StagedEvent
    delay: float
    """Seconds from its onset to the opening; NaN if it was missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceOutcome:
    """One safe piece, and the number of incidents that opened on it."""

    group: str
    kind: FootageKind
    seconds: Fraction
    openings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOutcomes:
    """The outcomes of one label at an operating point."""

    label: Label
    events: tuple[EventOutcome, ...]
    pieces_watched: tuple[PieceOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSubset:
    """Figures of some of the events."""

    events: int
    missed: int
    median: float
    """Seconds from onset to flag of the detected events; NaN if there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeSummary:
    """One operating point in figures; intervals are 95 % by bootstrap over groups."""

    label: Label
    events: int
    groups: int
    """Number of original streams with events."""
    missed: Interval
    parts: Mapping[str, EventSubset]
    """By ``EventLead`` (``after own`` is an onset without a cut), and by the kind of footage that
    shows the event."""
    median: Interval
    """Seconds from onset to flag of the detected events; NaN if there are none."""
    p90: float
    p99: float
    flagged: tuple[float, ...]
    """Share of all events that were flagged within 0, 1, 2 ... ``MAX_DELAY`` seconds of their
    onset."""
    false: Mapping[str, Rate]
    """False incidents for each kind of moving footage, and for all of it as ``all``."""
    rate: Interval
    """False incidents per hour of all moving footage, resampled; without any, its upper end says
    less than ``false``."""
    photographs: tuple[int, int]
    """Photographs that opened an incident, and their total."""

    @property
    def soon(self) -> float:
        """Share of all events that were flagged within ``FAST_SECONDS``."""
        return self.flagged[FAST_SECONDS]


def safe_pieces(streams: Sequence[AssembledStream], label: Label) -> list[tuple[int, int, Piece]]:
    """Return each safe piece that counts for a label, with the index of its stream and its index
    there."""
    return [
        (number, place, placed.piece)
        for number, stream in enumerate(streams)
        if stream.event is None
        for place, placed in enumerate(stream.placed)
        if label not in placed.piece.unsafe_for
    ]


def summarize(outcomes: LabelOutcomes, *, rounds: int = ROUNDS, seed: int = 0) -> OutcomeSummary:
    """Return the figures of an operating point."""
    delays = np.array([one.delay for one in outcomes.events])
    groups = [one.event.group for one in outcomes.events]
    moving = [one for one in outcomes.pieces_watched if one.kind is not FootageKind.PHOTOGRAPHS]
    pictures = [one for one in outcomes.pieces_watched if one.kind is FootageKind.PHOTOGRAPHS]
    return OutcomeSummary(
        label=outcomes.label,
        events=len(delays),
        groups=len(set(groups)),
        missed=resample(missed_share, delays, groups, rounds=rounds, seed=seed),
        parts=_parts(outcomes.events),
        median=resample(median_delay, delays, groups, rounds=rounds, seed=seed),
        p90=delay_percentile(delays, 90),
        p99=delay_percentile(delays, 99),
        flagged=tuple(
            float(np.mean(delays <= seconds)) if len(delays) else nan
            for seconds in range(MAX_DELAY + 1)
        ),
        false={
            **{
                kind: rate_of([one for one in moving if one.kind is kind])
                for kind in _kinds(moving)
            },
            "all": rate_of(moving),
        },
        rate=_bootstrap_rate(moving, rounds, seed),
        photographs=(sum(one.openings > 0 for one in pictures), len(pictures)),
    )


def _kinds(pieces_watched: Sequence[PieceOutcome]) -> list[FootageKind]:
    return [kind for kind in FootageKind if any(one.kind is kind for one in pieces_watched)]


def _parts(events: Sequence[EventOutcome]) -> dict[str, EventSubset]:
    by_lead = {
        f"after {lead}": [one.delay for one in events if one.event.lead is lead]
        for lead in EventLead
    }
    by_kind = {
        f"in {kind}": [one.delay for one in events if one.event.shown is kind]
        for kind in FootageKind
    }
    return {
        name: _part(np.array(delays)) for name, delays in {**by_lead, **by_kind}.items() if delays
    }


def _part(delays: Floats) -> EventSubset:
    return EventSubset(
        events=len(delays), missed=int(np.isnan(delays).sum()), median=median_delay(delays)
    )


def more_missed(
    outcomes: LabelOutcomes, than: LabelOutcomes, *, rounds: int = ROUNDS, seed: int = 0
) -> Interval:
    """Return the difference in the share of missed events between two operating points on the same
    events; negative if ``outcomes`` misses fewer."""
    ours, theirs = (
        np.isnan([one.delay for one in of.events]).astype(np.float64) for of in (outcomes, than)
    )
    groups = [one.event.group for one in outcomes.events]
    return resample(
        lambda values: float(values.mean()) if len(values) else nan,
        ours - theirs,
        groups,
        rounds=rounds,
        seed=seed,
    )


def rate_of(pieces_watched: Sequence[PieceOutcome]) -> Rate:
    """Return the rate of false incidents on this footage."""
    return Rate(
        count=sum(one.openings for one in pieces_watched),
        hours=float(sum(one.seconds for one in pieces_watched)) / HOUR,
    )


def missed_share(delays: Floats) -> float:
    """Return the share of events that were not detected."""
    return float(np.mean(np.isnan(delays))) if len(delays) else nan


def median_delay(delays: Floats) -> float:
    """Return the median delay of the detected events."""
    return delay_percentile(delays, 50)


def delay_percentile(delays: Floats, percent: float) -> float:
    """Return a percentile of the delays of the detected events."""
    found = delays[~np.isnan(delays)]
    return float(np.percentile(found, percent)) if len(found) else nan


def resample(
    measure: Callable[[Floats], float],
    values: Floats,
    groups: Sequence[str],
    *,
    rounds: int,
    seed: int,
) -> Interval:
    """Return a measure of values, and its percentile interval over resampled groups; NaN for fewer
    than two groups."""
    return bootstrap_statistic(
        lambda index: measure(values[index]), groups, seed=seed, rounds=rounds
    )


def _bootstrap_rate(pieces_watched: Sequence[PieceOutcome], rounds: int, seed: int) -> Interval:
    counted = np.array(
        [[one.openings, float(one.seconds) / HOUR] for one in pieces_watched]
    ).reshape(-1, 2)
    return resample(
        _ratio, counted, [one.group for one in pieces_watched], rounds=rounds, seed=seed
    )


def _ratio(counted: Floats) -> float:
    openings, hours = counted.sum(axis=0) if len(counted) else (0.0, 0.0)
    return float(openings / hours) if hours > 0 else nan
