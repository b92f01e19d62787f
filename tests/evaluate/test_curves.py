from __future__ import annotations

import pytest

from scanner.evaluate.curves import build_curves
from scanner.evaluate.results import find_thresholds
from tests.evaluate.build import row, scored

SCORES = [
    ("1", 0.9),
    ("0", 0.8),
    ("1", 0.7),
    ("1", 0.7),
    ("0", 0.7),
    ("1", 0.2),
    ("0", 0.1),
    ("0", 0.05),
]
ROWS = [
    scored(row(str(number), label=label), gun=score) for number, (label, score) in enumerate(SCORES)
]


def test_a_curve_holds_the_highest_recall_at_each_share_of_false_positives() -> None:
    (curve,) = build_curves(ROWS)

    assert curve.false_positives == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert curve.recalls == (0.25, 0.25, 1.0, 1.0, 1.0)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    many = [
        scored(row(str(number), label=str(number % 2)), gun=(number + 1) / 2001)
        for number in range(2000)
    ]

    (curve,) = build_curves(many)

    assert len(curve.recalls) == 300
    assert (curve.false_positives[0], curve.false_positives[-1], curve.recalls[-1]) == (
        0.0,
        1.0,
        1.0,
    )


def test_a_threshold_reports_how_many_negatives_it_allows() -> None:
    found = {one.rate: (one.allowed, one.threshold, one.recall) for one in find_thresholds(ROWS)}

    assert found[0.002] == (0, 0.8, pytest.approx(0.25))


def test_each_label_has_thresholds_of_its_own() -> None:
    rows = [
        scored(row("s.jpg", "fire", "smoke"), fire=0.4, smoke=0.9),
        scored(row("f.jpg", "fire", "fire"), fire=0.9, smoke=0.2),
        scored(row("n.jpg", "fire", "normal"), fire=0.3, smoke=0.1),
    ]

    found = {
        one.label: (one.threshold, one.recall) for one in find_thresholds(rows) if one.rate == 0.05
    }

    assert found == {"fire": (0.3, 1.0), "smoke": (0.1, 1.0)}
