"""One label and one method at all thresholds: the outcome of every event and every safe piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scanner.evaluate.measures import Floats
from scanner.evaluate.streams.assemble import AssembledStream, StagedEvent
from scanner.evaluate.streams.folding import delay_of, place_of
from scanner.evaluate.streams.levels import compute_levels, find_openings, label_samples
from scanner.evaluate.streams.outcome import (
    HOUR,
    EventOutcome,
    LabelOutcomes,
    PieceOutcome,
    safe_pieces,
)
from scanner.evaluate.streams.pieces import FootageKind, Piece
from scanner.risk.method import LabelSample
from scanner.risk.policy import Policy
from scanner.types import Label

__all__ = [
    "ONE_SAMPLE",
    "REFERENCES",
    "THRESHOLDS",
    "Candidate",
    "LabelMaterial",
    "ThresholdSweep",
    "candidate_families",
    "gather_material",
    "sweep_thresholds",
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

    def apply_to(self, policy: Policy) -> Policy:
        """Return the policy with this method."""
        return replace(
            policy, method=self.method, window=self.window, dwell=self.dwell, tuning=self.tuning
        )

    def __str__(self) -> str:
        parameters = (
            {"W": float(self.window), "D": float(self.dwell)}
            if self.method == "dwell"
            else self.tuning
        )
        values = ", ".join(f"{key} {value:g}" for key, value in parameters.items())
        return f"{self.method} {values}".strip()


def _candidates(method: str, *tunings: Mapping[str, float]) -> tuple[Candidate, ...]:
    return tuple(Candidate(method=method, tuning=tuning) for tuning in tunings)


ONE_SAMPLE: Final = "dwell, one sample"
REFERENCES: Final = frozenset({"single sample", ONE_SAMPLE})
"""Listed for comparison only: one picture may be enough for these methods, and the cost of that
over a thousand hours cannot be seen in one hour."""
DWELL_CANDIDATES: Final = tuple(
    Candidate(method="dwell", window=Fraction(window), dwell=Fraction(dwell))
    for dwell in ("2.5", "1.5", "2", "3.5", "5", "0.5")
    for window in (12, 8, 20)
)
OTHER_METHODS: Final[Mapping[str, tuple[Candidate, ...]]] = {
    "k_of_n": _candidates(
        "k_of_n", {"k": 2, "n": 3}, {"k": 2, "n": 4}, {"k": 3, "n": 5}, {"k": 4, "n": 7}
    ),
    "median": _candidates("median", {"n": 3}, {"n": 5}),
    "decay": _candidates("decay", {"tau": 2}, {"tau": 4}, {"tau": 8}),
    "two_state": _candidates("two_state", {"tau": 2}, {"tau": 4}, {"tau": 8}),
    "cut_aware": _candidates("cut_aware", {"cap": 4}, {"cap": 6}, {"cap": 8}),
    "single sample": _candidates("k_of_n", {"k": 1, "n": 1}),
}


def candidate_families(policy: Policy) -> dict[str, tuple[Candidate, ...]]:
    """Return the candidates to compare, by method name.

    Candidates of ``dwell`` require two samples, that is, a dwell longer than one sample covers.
    """
    floor = tuple(one for one in DWELL_CANDIDATES if one.dwell > policy.hold)
    return {
        "dwell": floor,
        **OTHER_METHODS,
        ONE_SAMPLE: tuple(one for one in DWELL_CANDIDATES if one not in floor),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMaterial:
    """One label's share of the streams: its events, the pieces that are safe for it, and the
    samples of both."""

    label: Label
    policy: Policy
    """The policy whose method and threshold are varied; its other values hold."""
    max_gap: Fraction
    events: tuple[StagedEvent, ...]
    event_folds: NDArray[np.intp]
    pieces: tuple[Piece, ...]
    piece_folds: NDArray[np.intp]
    still: NDArray[np.bool_]
    """Which pieces are photographs."""
    hours: Floats
    """Hours of each piece."""
    samples: tuple[tuple[AssembledStream, tuple[LabelSample, ...]], ...]
    """Those of the events' streams, then those of the safe ones."""
    places: Mapping[tuple[str, int], int]
    """The index in ``pieces``, by a stream's name and the piece's index there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdSweep:
    """A candidate's outcomes at each of ``THRESHOLDS``."""

    candidate: Candidate
    delays: Floats
    """Events x thresholds, seconds; NaN if the event is missed."""
    openings: NDArray[np.int64]
    """Safe pieces x thresholds."""


def chosen_outcomes(
    material: LabelMaterial, delays: Floats, openings: NDArray[np.int64]
) -> LabelOutcomes:
    """Return the outcomes for given delays of the events and openings on the pieces."""
    events = tuple(
        EventOutcome(event=event, delay=float(delay))
        for event, delay in zip(material.events, delays, strict=True)
    )
    pieces_watched = tuple(
        PieceOutcome(group=piece.group, kind=piece.kind, seconds=piece.length, openings=int(count))
        for piece, count in zip(material.pieces, openings, strict=True)
    )
    return LabelOutcomes(label=material.label, events=events, pieces_watched=pieces_watched)


def gather_material(
    streams: Sequence[AssembledStream], label: Label, policy: Policy, max_gap: Fraction
) -> LabelMaterial:
    """Return a label's events and safe pieces, and the samples of both."""
    staged = [
        stream for stream in streams if stream.event is not None and stream.event.label == label
    ]
    safe = [stream for stream in streams if stream.event is None]
    found = safe_pieces(safe, label)
    pieces = tuple(piece for _, _, piece in found)
    return LabelMaterial(
        label=label,
        policy=policy,
        max_gap=max_gap,
        events=tuple(stream.event for stream in staged if stream.event is not None),
        event_folds=np.array([stream.fold for stream in staged], dtype=np.intp),
        pieces=pieces,
        piece_folds=np.array([safe[number].fold for number, _, _ in found], dtype=np.intp),
        still=np.array([piece.kind is FootageKind.PHOTOGRAPHS for piece in pieces], dtype=np.bool_),
        hours=np.array([float(piece.length) / HOUR for piece in pieces]),
        samples=tuple(
            (stream, label_samples(stream, label, policy)) for stream in (*staged, *safe)
        ),
        places={
            (safe[number].name, place): index for index, (number, place, _) in enumerate(found)
        },
    )


def sweep_thresholds(material: LabelMaterial, candidate: Candidate) -> ThresholdSweep:
    """Run the candidate over all samples, at all thresholds."""
    policy = candidate.apply_to(material.policy)
    delays: list[Floats] = []
    openings = np.zeros((len(material.pieces), len(THRESHOLDS)), dtype=np.int64)
    for stream, samples in material.samples:
        openings_found = list(
            find_openings(compute_levels(samples, policy), policy, THRESHOLDS, material.max_gap)
        )
        if stream.event is not None:
            delays.append(_event_delays(stream.event, openings_found))
            continue
        for at, rising in openings_found:
            place = material.places.get((stream.name, place_of(stream, Fraction(at, 1000))))
            if place is not None:
                openings[place] += rising
    return ThresholdSweep(
        candidate=candidate, delays=np.array(delays).reshape(-1, len(THRESHOLDS)), openings=openings
    )


def _event_delays(
    event: StagedEvent, openings_found: Sequence[tuple[int, NDArray[np.bool_]]]
) -> Floats:
    """Return the delay to the first opening that detects the event, at each threshold."""
    found = np.full(len(THRESHOLDS), nan)
    for at, rising in openings_found:
        delay = delay_of(event, [Fraction(at, 1000)])
        found[rising & np.isnan(found)] = delay
    return found
