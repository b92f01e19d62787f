"""Choices on sweeps that are written down, where the right answer is plain to see."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from scanner.evaluate.streams.assemble import EventLead, StagedEvent
from scanner.evaluate.streams.fit import (
    FalseIncidentLimits,
    choose_point,
    cross_validate,
    lowest_allowed,
)
from scanner.evaluate.streams.outcome import missed_share
from scanner.evaluate.streams.pieces import FootageKind, Piece
from scanner.evaluate.streams.sweep import THRESHOLDS, Candidate, LabelMaterial, ThresholdSweep
from scanner.risk.observation import Sampled
from scanner.risk.policy import Policy
from scanner.types import Span
from tests.evaluate.streams.build import FIGHT

DWELL, MEDIAN = Candidate(method="dwell"), Candidate(method="median", tuning={"n": 3})


def material(hours: float = 0.1, pictures: int = 0, pieces: int = 10) -> LabelMaterial:
    """Ten cameras, two in each fold, each with an event and safe footage."""
    span = Span(start=Fraction(20), end=Fraction(30))
    events = tuple(
        StagedEvent(
            label=FIGHT, group=f"g{k}", span=span, lead=EventLead.OWN, shown=FootageKind.ORDINARY
        )
        for k in range(10)
    )
    kinds = [FootageKind.ORDINARY] * pieces + [FootageKind.PHOTOGRAPHS] * pictures
    sample = Sampled(at=Fraction(0), values={FIGHT: 0.1})
    seconds = Fraction(round(hours * 3600))
    pieces_shown = tuple(
        Piece(name=str(k), group=f"g{k % 10}", kind=kind, length=seconds, samples=(sample,))
        for k, kind in enumerate(kinds)
    )
    return LabelMaterial(
        label=FIGHT,
        policy=Policy(category="violence"),
        max_gap=Fraction(2),
        events=events,
        event_folds=np.arange(10) % 5,
        pieces=pieces_shown,
        piece_folds=np.arange(len(pieces_shown)) % 5,
        still=np.array([kind is FootageKind.PHOTOGRAPHS for kind in kinds]),
        hours=np.full(len(pieces_shown), float(seconds) / 3600),
        samples=(),
        places={},
    )


def sweep_of(
    candidate: Candidate, peaks: list[float], safe: list[float], delay: float = 2.0
) -> ThresholdSweep:
    """Events with these highest levels, and safe pieces with those."""
    delays = np.where(np.array(peaks)[:, None] >= THRESHOLDS, delay, np.nan)
    return ThresholdSweep(
        candidate=candidate,
        delays=delays,
        openings=(np.array(safe)[:, None] >= THRESHOLDS).astype(np.int64),
    )


def test_with_too_few_hours_the_threshold_allows_no_false_incident() -> None:
    found = sweep_of(DWELL, [5.0] * 10, [0.0] * 9 + [2.0])

    index = lowest_allowed(
        material(), found, FalseIncidentLimits(rate=0.1), np.ones(10, dtype=bool)
    )

    assert THRESHOLDS[index] == pytest.approx(2.1)


def test_with_enough_hours_the_upper_bound_limits_false_incidents() -> None:
    found = sweep_of(DWELL, [5.0] * 10, [0.0] * 7 + [1.0, 2.0, 3.0])

    index = lowest_allowed(
        material(hours=5.0), found, FalseIncidentLimits(rate=0.1), np.ones(10, dtype=bool)
    )

    assert THRESHOLDS[index] == pytest.approx(2.1), (
        "one in 50 h is below 0.1 an hour with 95 %, two are not"
    )


def test_a_share_of_the_photographs_may_open() -> None:
    found = sweep_of(DWELL, [5.0] * 10, [0.0] * 10 + [1.0] * 99 + [4.0])

    index = lowest_allowed(
        material(pictures=100), found, FalseIncidentLimits(pictures=0.01), np.ones(110, dtype=bool)
    )

    assert THRESHOLDS[index] == pytest.approx(1.1)


def test_the_method_that_misses_fewest_is_chosen() -> None:
    weak, strong = sweep_of(DWELL, [0.5] * 10, [1.0] * 10), sweep_of(MEDIAN, [3.0] * 10, [1.0] * 10)

    choice = choose_point(material(), [weak, strong], FalseIncidentLimits(), range(5))

    assert (choice.candidate, choice.threshold) == (MEDIAN, pytest.approx(1.1))


def test_ties_go_to_the_shorter_delay_and_then_to_the_first() -> None:
    slow, quick = (
        sweep_of(DWELL, [3.0] * 10, [1.0] * 10, delay=4.0),
        sweep_of(MEDIAN, [3.0] * 10, [1.0] * 10, delay=2.0),
    )

    assert (
        choose_point(material(), [slow, quick], FalseIncidentLimits(), range(5)).candidate == MEDIAN
    )
    assert (
        choose_point(material(), [slow, slow], FalseIncidentLimits(), range(5)).candidate == DWELL
    )


def test_a_margin_is_added_if_other_groups_would_have_opened() -> None:
    found = sweep_of(DWELL, [5.0] * 10, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 2.0])

    choice = choose_point(material(), [found], FalseIncidentLimits(), range(5))

    assert choice.margin > 0.0
    assert choice.threshold == pytest.approx(2.1 + choice.margin)


def test_outer_groups_have_no_part_in_the_selection() -> None:
    safe = [1.0] * 10
    usual = sweep_of(DWELL, [5.0] * 10, safe)
    odd = sweep_of(DWELL, [5.0] * 10, [9.0 if fold == 0 else 1.0 for fold in np.arange(10) % 5])

    (_, before), (_, after) = (
        cross_validate(material(), [one], FalseIncidentLimits()) for one in (usual, odd)
    )

    assert before[0] == after[0], "what fold 0 shows does not move its own threshold"
    assert before[1] != after[1]


def test_outer_folds_report_the_results_of_their_own_selection() -> None:
    found = sweep_of(DWELL, [5.0] * 5 + [0.0] * 5, [1.0] * 10)

    outcomes, choices = cross_validate(material(), [found], FalseIncidentLimits())

    assert set(choices) == set(range(5))
    assert missed_share(np.array([one.delay for one in outcomes.events])) == 0.5
    assert sum(one.openings for one in outcomes.pieces_watched) == 0
