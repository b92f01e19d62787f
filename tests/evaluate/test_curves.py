from __future__ import annotations

import pytest

from scanner.evaluate.curves import curves
from scanner.evaluate.results import thresholds
from tests.evaluate.build import judged, row

SCORES = [("1", 0.9), ("0", 0.8), ("1", 0.7), ("1", 0.7), ("0", 0.7), ("1", 0.2), ("0", 0.1), ("0", 0.05)]
ROWS = [judged(row(str(number), label=label), gun=score) for number, (label, score) in enumerate(SCORES)]


def test_a_curve_holds_the_highest_recall_at_each_share_of_false_positives() -> None:
    (curve,) = curves(ROWS)

    assert curve.false_positives == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert curve.recalls == (0.25, 0.25, 1.0, 1.0, 1.0)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    many = [judged(row(str(number), label=str(number % 2)), gun=(number + 1) / 2001) for number in range(2000)]

    (curve,) = curves(many)

    assert len(curve.recalls) == 300
    assert (curve.false_positives[0], curve.false_positives[-1], curve.recalls[-1]) == (0.0, 1.0, 1.0)


def test_thresholds_tell_how_many_rows_they_are_sure_of() -> None:
    found = {one.rate: (one.allowed, one.threshold, one.recall) for one in thresholds(ROWS)}

    assert found[0.002] == (0, 0.8, pytest.approx(0.25))
