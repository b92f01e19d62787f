"""The level from which on a label may open incidents: one that no ordinary footage reaches.

The level is raised until three conditions hold:

- no moving footage reaches it, night and other changes included;
- the tail of the levels, an exponential fit to the highest windows, stays below a rate per hour;
- a level that the first two conditions give without one source is not reached by that source,
  whichever source is left out. A margin, the same for all, is added until this holds.

Harmless photographs have no rate per hour; at most a small share of them may reach the level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, exp, inf, log
from typing import Final

import numpy as np

from scanner.evaluate.measures import Floats
from scanner.evaluate.streams.assemble import AssembledStream, place_pieces
from scanner.evaluate.streams.levels import TICK, compute_levels, label_samples
from scanner.evaluate.streams.pieces import EventClip, FootageKind, FootagePool, Piece
from scanner.evaluate.streams.rate import Rate
from scanner.risk.policy import Policy
from scanner.types import Label

__all__ = [
    "EventLevel",
    "EventsFound",
    "HalfResult",
    "SafeLevel",
    "SafeLevelLimits",
    "SourceLevels",
    "WindowTail",
    "count_found",
    "event_levels",
    "fit_on_halves",
    "fit_safe_level",
    "fit_window_tail",
    "source_levels",
]

WINDOW: Final = 12
"""Seconds of a window; it counts by its highest level."""
MIN_TAIL_WINDOWS: Final = 5
STEP: Final = 0.1
"""Levels are multiples of this."""
HOUR: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeLevelLimits:
    """The conditions for a safe level, and for delivering a label at it."""

    rate: float = 1.0
    """Estimated incidents per hour, by the tail."""
    tail: float = 0.05
    """The share of windows that the tail is fitted to."""
    pictures: float = 0.005
    """The share of harmless photographs that may open an incident."""
    least: float = 2.0
    """The lowest level, in log-odds over the prior, however clean the footage is."""
    found: float = 0.3
    """The share of events that must still reach the level, or the label is in shadow; and of
    photographs, or it is in shadow for still pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLevels:
    """One label's levels over the safe footage of one source and kind."""

    origin: str
    kind: FootageKind
    hours: float
    highest: Floats
    """The highest level of each window, or of each photograph; -inf if it has none."""

    @property
    def peak(self) -> float:
        """The highest level; an incident opens at any level up to it."""
        return float(self.highest.max(initial=-inf))

    def incidents(self, level: float) -> int:
        """Return the number of incidents that open at a level: runs of windows that reach it, or
        photographs."""
        reached = self.highest >= level
        if self.kind is FootageKind.PHOTOGRAPHS:
            return int(reached.sum())
        return int(reached[0]) + int((reached[1:] & ~reached[:-1]).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTail:
    """The rate falls by a factor of e with each ``scale`` of the level, from ``start`` on."""

    start: float
    scale: float
    rate: float
    """Windows per hour that reach ``start``."""

    def rate_at(self, level: float) -> float:
        """Return the estimated incidents per hour."""
        return self.rate * exp(-(level - self.start) / self.scale)

    def level_at(self, rate: float) -> float:
        """Return the level at which this rate is reached."""
        return self.start + self.scale * log(self.rate / rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeLevel:
    """The level that the rule gives, and the figures behind it."""

    level: float
    peak: float
    """The highest level of moving footage, changed footage included."""
    tail: WindowTail
    margin: float
    """Amount that leaving one source out at a time adds."""
    photographs: float
    """The level that the limit for photographs requires; -inf without photographs."""
    rate: Rate
    """Incidents at the level on distinct moving footage."""
    sources: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfResult:
    """A level that was fitted on one half of the sources, on the other half."""

    level: float
    rate: Rate
    """Incidents on distinct moving footage."""
    found: int
    """Events that reach the level."""
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLevel:
    """One event, and the highest level that its own footage reaches."""

    origin: str
    group: str
    kind: FootageKind
    level: float

    @property
    def is_photograph(self) -> bool:
        """True if a photograph stands for the event, shown for some seconds."""
        return self.kind is FootageKind.PHOTOGRAPHS


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsFound:
    """The events that reach a level. Photographs, held for some seconds, are counted apart, because
    how often streams show one is unknown."""

    on_camera: int
    camera_events: int
    held: int
    photographs: int


def source_levels(pool: FootagePool, label: Label, policy: Policy) -> list[SourceLevels]:
    """Return the label's levels on all footage that is safe for it; the footage of a source is one
    stream, photographs are streams of their own."""
    together: dict[tuple[FootageKind, str], list[Piece]] = defaultdict(list)
    for piece in pool.safe:
        if label not in piece.unsafe_for:
            together[piece.kind, piece.origin or piece.group].append(piece)
    found = []
    for (kind, origin), pieces in sorted(together.items()):
        still = kind is FootageKind.PHOTOGRAPHS
        streams = [[piece] for piece in pieces] if still else [pieces]
        highest = [_window_levels(one, label, policy) for one in streams]
        found.append(
            SourceLevels(
                origin=origin,
                kind=kind,
                hours=float(sum(piece.length for piece in pieces)) / HOUR,
                highest=np.array([one.max() for one in highest]) if still else highest[0],
            )
        )
    return found


def event_levels(clips: Iterable[EventClip], label: Label, policy: Policy) -> list[EventLevel]:
    """Return the level that each event of the label reaches by itself."""
    return [
        EventLevel(
            origin=clip.origin or clip.group,
            group=clip.group,
            kind=clip.kind,
            level=float(_window_levels(clip.pieces, label, policy).max()),
        )
        for clip in clips
        if clip.label == label
    ]


def count_found(events: Iterable[EventLevel], level: float) -> EventsFound:
    """Return how many of the events reach the level."""
    flags: dict[bool, list[bool]] = {False: [], True: []}
    for event in events:
        flags[event.is_photograph].append(event.level >= level)
    return EventsFound(
        on_camera=sum(flags[False]),
        camera_events=len(flags[False]),
        held=sum(flags[True]),
        photographs=len(flags[True]),
    )


def fit_safe_level(
    levels: Sequence[SourceLevels], limits: SafeLevelLimits = SafeLevelLimits()
) -> SafeLevel:
    """Return the lowest level that the rule allows on this footage.

    Raises:
        ValueError: there is too little moving footage for a tail.
    """
    moving = [one for one in levels if one.kind is not FootageKind.PHOTOGRAPHS]
    origins = sorted({one.origin for one in moving})
    base = _base_level(moving, limits)
    margin = 0.0
    for origin in origins if len(origins) > 1 else ():
        others = [one for one in moving if one.origin != origin]
        own = max(one.peak for one in moving if one.origin == origin)
        margin = max(margin, own - _base_level(others, limits))
    photographs = _photograph_level(levels, limits.pictures)
    level = max(limits.least, _round_up(max(base + margin, photographs)))
    distinct = [one for one in moving if one.kind is not FootageKind.CHANGED]
    return SafeLevel(
        level=level,
        peak=max(one.peak for one in moving),
        tail=fit_window_tail(moving, limits.tail),
        margin=margin,
        photographs=photographs,
        rate=Rate(
            count=sum(one.incidents(level) for one in distinct),
            hours=sum(one.hours for one in distinct),
        ),
        sources=len(origins),
    )


def fit_on_halves(
    levels: Sequence[SourceLevels],
    events: Sequence[EventLevel],
    limits: SafeLevelLimits = SafeLevelLimits(),
) -> tuple[HalfResult, ...]:
    """Return what a level that was fitted on one half of the sources does on the other, both ways;
    nothing if a half has too little footage for a fit."""
    moving = [one for one in levels if one.kind is not FootageKind.PHOTOGRAPHS]
    hours: dict[str, float] = defaultdict(float)
    for one in moving:
        hours[one.origin] += one.hours
    ranked = sorted(hours, key=lambda origin: (-hours[origin], origin))
    found = []
    for first in (0, 1):
        half = set(ranked[first::2])
        try:
            fitted = fit_safe_level([one for one in moving if one.origin in half], limits)
        except ValueError:
            return ()
        others = [
            one for one in moving if one.origin not in half and one.kind is not FootageKind.CHANGED
        ]
        elsewhere = [one for one in events if one.origin not in half]
        found.append(
            HalfResult(
                level=fitted.level,
                rate=Rate(
                    count=sum(one.incidents(fitted.level) for one in others),
                    hours=sum(one.hours for one in others),
                ),
                found=sum(one.level >= fitted.level for one in elsewhere),
                events=len(elsewhere),
            )
        )
    return tuple(found)


def fit_window_tail(levels: Sequence[SourceLevels], share: float) -> WindowTail:
    """Fit the tail to this share of the windows, the highest ones, at least five.

    Raises:
        ValueError: there are too few windows.
    """
    windows = np.sort(np.concatenate([np.zeros(0), *(one.highest for one in levels)]))
    windows = windows[np.isfinite(windows)]
    count = max(MIN_TAIL_WINDOWS, ceil(len(windows) * share))
    if len(windows) <= count:
        raise ValueError(f"a tail needs more than {count} windows, got {len(windows)}")
    start = float(windows[-count - 1])
    return WindowTail(
        start=start,
        scale=max(float(np.mean(windows[-count:] - start)), STEP),
        rate=count / sum(one.hours for one in levels),
    )


def _base_level(moving: Sequence[SourceLevels], limits: SafeLevelLimits) -> float:
    """Return the level of the first two conditions."""
    peak = max((one.peak for one in moving), default=-inf)
    return max(peak, fit_window_tail(moving, limits.tail).level_at(limits.rate))


def _photograph_level(levels: Sequence[SourceLevels], share: float) -> float:
    """Return the level that more than ``share`` of the photographs do not exceed."""
    kept = [one.highest for one in levels if one.kind is FootageKind.PHOTOGRAPHS]
    if not kept:
        return -inf
    ranked = np.sort(np.concatenate(kept))[::-1]
    return float(ranked[min(int(share * len(ranked)), len(ranked) - 1)])


def _round_up(level: float) -> float:
    """Return the next multiple of ``STEP`` above the level."""
    return float(round((np.floor(level / STEP) + 1) * STEP, 1))


def _window_levels(pieces: Sequence[Piece], label: Label, policy: Policy) -> Floats:
    """Return the highest level of each window of a stream that shows these pieces."""
    stream = AssembledStream(name="", fold=0, placed=tuple(place_pieces(pieces)))
    found = compute_levels(label_samples(stream, label, policy), policy)
    windows = np.full(int(stream.length // WINDOW) + 1, -inf)
    for at, level in zip(found.at, found.levels, strict=True):
        if level is not None:
            index = min(int(Fraction(at, TICK) // WINDOW), len(windows) - 1)
            windows[index] = max(windows[index], level)
    return windows
