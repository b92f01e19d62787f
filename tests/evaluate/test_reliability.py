from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from scanner.evaluate.comparisons import ScoredRow
from scanner.evaluate.reliability import measure_reliability
from tests.evaluate.build import row, scored


def generate_rows(confidence: float, positives: int = 300) -> list[ScoredRow]:
    """Evidence that is honest at a confidence of 1, one half of the rows being positive; many more
    rows have the label elsewhere."""
    random = np.random.default_rng(3)
    found = []
    for number in range(2 * positives):
        p = float(random.uniform(0.05, 0.95))
        truth = random.random() < p
        odds = (p / (1 - p)) ** confidence
        found.append(
            scored(
                row(f"{number}.jpg", label="1" if truth else "0", group=f"g{number % 40}"),
                gun=odds / (1 + odds),
            )
        )
    return found


def test_calibrated_evidence_lies_on_the_diagonal_whatever_its_prior() -> None:
    (honest,) = measure_reliability(generate_rows(1.0), rounds=50)
    (boastful,) = measure_reliability(generate_rows(4.0), rounds=50)

    assert honest.calibration_error.value < 0.05 < boastful.calibration_error.value
    filled = [one for one in honest.bins if one.count > 30]
    assert all(one.share == pytest.approx(one.mean, abs=0.15) for one in filled)
    assert all(one.share_low <= one.share <= one.share_high for one in filled)


def test_every_row_is_in_one_bin() -> None:
    (one,) = measure_reliability(generate_rows(1.0), rounds=10)

    assert sum(b.count for b in one.bins) == 600 == one.positives + one.negatives


def test_a_frame_of_smoke_says_nothing_of_fire() -> None:
    rows = [
        scored(row("s.jpg", "fire", "smoke"), fire=0.4, smoke=0.9),
        scored(row("f.jpg", "fire", "fire"), fire=0.9, smoke=0.2),
        scored(row("n.jpg", "fire", "normal"), fire=0.1, smoke=0.1),
    ]

    assert {
        one.label: (one.positives, one.negatives) for one in measure_reliability(rows, rounds=10)
    } == {"fire": (1, 1), "smoke": (1, 1)}


def test_a_bin_of_one_group_has_no_interval() -> None:
    rows = [
        scored(row("p.jpg", label="1", group="a"), gun=0.9),
        scored(row("n.jpg", label="0", group="b"), gun=0.1),
    ]

    (one,) = measure_reliability(rows, rounds=10)

    assert all(isnan(b.share_low) for b in one.bins)
