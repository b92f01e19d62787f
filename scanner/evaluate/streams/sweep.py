"""One label, one way to fold its scores, all thresholds: what every event and every safe piece come
to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scanner.evaluate.measures import Floats
from scanner.evaluate.streams.assemble import Event, Stream
from scanner.evaluate.streams.course import course, looks_at, opened_at
from scanner.evaluate.streams.footage import Kind, Piece
from scanner.evaluate.streams.live import delay_of, place_of
from scanner.evaluate.streams.outcome import HOUR, Met, Outcomes, Watched, safe_pieces
from scanner.risk.method import Look
from scanner.risk.policy import Policy
from scanner.types import Label

__all__ = [
    "ONE_LOOK",
    "REFERENCES",
    "THRESHOLDS",
    "Candidate",
    "Material",
    "Sweep",
    "families",
    "gather",
    "sweep",
]

THRESHOLDS: Final[Floats] = np.round(np.arange(-40, 141) / 10, 1)
"""Levels at which incidents could open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A method with its parameters."""

    method: str
    window: Fraction = Fraction(12)
    dwell: Fraction = Fraction(5, 2)
    tuning: Mapping[str, float] = field(default_factory=dict)

    def applied(self, policy: Policy) -> Policy:
        """The policy with this method."""
        return replace(
            policy, method=self.method, window=self.window, dwell=self.dwell, tuning=self.tuning
        )

    def __str__(self) -> str:
        said = (
            {"W": float(self.window), "D": float(self.dwell)}
            if self.method == "dwell"
            else self.tuning
        )
        return (
            f"{self.method} {', '.join(f'{key} {value:g}' for key, value in said.items())}".strip()
        )


def _tuned(method: str, *tunings: Mapping[str, float]) -> tuple[Candidate, ...]:
    return tuple(Candidate(method=method, tuning=tuning) for tuning in tunings)


ONE_LOOK: Final = "dwell, one look"
REFERENCES: Final = frozenset({"single look", ONE_LOOK})
"""For comparison only: one picture may be enough for them, and what that costs in a thousand hours
cannot be seen in one."""
DWELLS: Final = tuple(
    Candidate(method="dwell", window=Fraction(window), dwell=Fraction(dwell))
    for dwell in ("2.5", "1.5", "2", "3.5", "5", "0.5")
    for window in (12, 8, 20)
)
OTHERS: Final[Mapping[str, tuple[Candidate, ...]]] = {
    "k_of_n": _tuned(
        "k_of_n", {"k": 2, "n": 3}, {"k": 2, "n": 4}, {"k": 3, "n": 5}, {"k": 4, "n": 7}
    ),
    "median": _tuned("median", {"n": 3}, {"n": 5}),
    "decay": _tuned("decay", {"tau": 2}, {"tau": 4}, {"tau": 8}),
    "two_state": _tuned("two_state", {"tau": 2}, {"tau": 4}, {"tau": 8}),
    "cut_aware": _tuned("cut_aware", {"cap": 4}, {"cap": 6}, {"cap": 8}),
    "single look": _tuned("k_of_n", {"k": 1, "n": 1}),
}


def families(policy: Policy) -> dict[str, tuple[Candidate, ...]]:
    """What is compared, by the method's name.

    Dwell asks for two looks where it asks for more than one can cover.
    """
    floor = tuple(one for one in DWELLS if one.dwell > policy.hold)
    return {"dwell": floor, **OTHERS, ONE_LOOK: tuple(one for one in DWELLS if one not in floor)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One label's share of the streams: its events, what is safe for it, and the looks at both."""

    label: Label
    policy: Policy
    """Whose method and threshold are to be found; the rest of it holds."""
    max_gap: Fraction
    events: tuple[Event, ...]
    event_folds: NDArray[np.intp]
    pieces: tuple[Piece, ...]
    piece_folds: NDArray[np.intp]
    still: NDArray[np.bool_]
    """Which pieces are photographs."""
    hours: Floats
    """Of each piece."""
    looks: tuple[tuple[Stream, tuple[Look, ...]], ...]
    """Of the events' streams, then of the safe ones."""
    places: Mapping[tuple[str, int], int]
    """Which of ``pieces`` is shown, by a stream's name and the number of the place in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What a candidate comes to at each of ``THRESHOLDS``."""

    candidate: Candidate
    delays: Floats
    """Events x thresholds, seconds; NaN where the event is missed."""
    openings: NDArray[np.int64]
    """Safe pieces x thresholds."""

    def outcomes(self, material: Material, index: int) -> Outcomes:
        """What one threshold comes to."""
        return chosen_outcomes(material, self.delays[:, index], self.openings[:, index])


def chosen_outcomes(material: Material, delays: Floats, openings: NDArray[np.int64]) -> Outcomes:
    """Delays of the events and openings on the pieces, as nouns."""
    met = tuple(
        Met(event=event, delay=float(delay))
        for event, delay in zip(material.events, delays, strict=True)
    )
    watched = tuple(
        Watched(group=piece.group, kind=piece.kind, seconds=piece.length, openings=int(count))
        for piece, count in zip(material.pieces, openings, strict=True)
    )
    return Outcomes(label=material.label, met=met, watched=watched)


def gather(streams: Sequence[Stream], label: Label, policy: Policy, max_gap: Fraction) -> Material:
    """A label's events and safe pieces, and the looks at them."""
    staged = [
        stream for stream in streams if stream.event is not None and stream.event.label == label
    ]
    safe = [stream for stream in streams if stream.event is None]
    found = safe_pieces(safe, label)
    pieces = tuple(piece for _, _, piece in found)
    return Material(
        label=label,
        policy=policy,
        max_gap=max_gap,
        events=tuple(stream.event for stream in staged if stream.event is not None),
        event_folds=np.array([stream.fold for stream in staged], dtype=np.intp),
        pieces=pieces,
        piece_folds=np.array([safe[number].fold for number, _, _ in found], dtype=np.intp),
        still=np.array([piece.kind is Kind.PHOTOGRAPHS for piece in pieces], dtype=np.bool_),
        hours=np.array([float(piece.length) / HOUR for piece in pieces]),
        looks=tuple((stream, looks_at(stream, label, policy)) for stream in (*staged, *safe)),
        places={
            (safe[number].name, place): index for index, (number, place, _) in enumerate(found)
        },
    )


def sweep(material: Material, candidate: Candidate) -> Sweep:
    """The candidate over all looks and thresholds."""
    policy = candidate.applied(material.policy)
    delays: list[Floats] = []
    openings = np.zeros((len(material.pieces), len(THRESHOLDS)), dtype=np.int64)
    for stream, looks in material.looks:
        risen = list(opened_at(course(looks, policy), policy, THRESHOLDS, material.max_gap))
        if stream.event is not None:
            delays.append(_delays(stream.event, risen))
            continue
        for at, rising in risen:
            place = material.places.get((stream.name, place_of(stream, Fraction(at, 1000))))
            if place is not None:
                openings[place] += rising
    return Sweep(
        candidate=candidate, delays=np.array(delays).reshape(-1, len(THRESHOLDS)), openings=openings
    )


def _delays(event: Event, risen: Sequence[tuple[int, NDArray[np.bool_]]]) -> Floats:
    """Delay to the first opening that is owed to the event, at each threshold."""
    found = np.full(len(THRESHOLDS), nan)
    for at, rising in risen:
        delay = delay_of(event, [Fraction(at, 1000)])
        found[rising & np.isnan(found)] = delay
    return found
