from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.evaluate.measures import (
    auc,
    average_precision,
    bootstrap,
    bootstrap_difference,
    calibration_error,
    recall_at,
    threshold_at,
)

ROWS = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=40)


def arrays(rows: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([truth for truth, _ in rows]), np.array([score for _, score in rows])


@given(ROWS)
def test_auc_is_the_share_of_pairs_that_are_in_order(rows: list[tuple[bool, float]]) -> None:
    truths, scores = arrays(rows)
    pairs = [(float(a > b) + float(a == b) / 2) for a in scores[truths] for b in scores[~truths]]

    found = auc(truths, scores)

    assert isnan(found) if not pairs else found == pytest.approx(np.mean(pairs))


def test_average_precision_counts_ties_together() -> None:
    assert average_precision(np.array([True, False]), np.array([0.5, 0.5])) == 0.5


@given(ROWS, st.sampled_from([0.0, 0.01, 0.1, 0.5]))
def test_recall_never_allows_more_false_positives_than_stated(
    rows: list[tuple[bool, float]], rate: float
) -> None:
    truths, scores = arrays(rows)
    found = recall_at(truths, scores, rate)
    if isnan(found):
        return
    best = max(
        float(np.mean(scores[truths] > threshold))
        for threshold in [*scores, -1.0]
        if np.mean(scores[~truths] > threshold) <= rate
    )

    assert found == pytest.approx(best)


def test_probabilities_that_come_true_are_calibrated_and_overconfident_ones_are_not() -> None:
    truths = np.arange(100) < 30

    assert calibration_error(truths, np.full(100, 0.3)) == pytest.approx(0.0)
    assert calibration_error(truths, np.full(100, 0.9)) == pytest.approx(0.6)


def test_an_interval_holds_its_value_and_is_the_same_for_a_seed() -> None:
    random = np.random.default_rng(1)
    truths = random.random(200) < 0.5
    scores = random.random(200) * 0.5 + truths * 0.3
    groups = [str(i % 20) for i in range(200)]

    one, same = (bootstrap(auc, truths, scores, groups, rounds=200) for _ in range(2))

    assert one == same
    assert one.low <= one.value <= one.high


def test_one_group_has_no_interval() -> None:
    found = bootstrap(auc, np.array([True, False]), np.array([0.9, 0.1]), ["a", "a"])

    assert found.value == 1.0
    assert isnan(found.low)


@given(ROWS, st.sampled_from([0.0, 0.01, 0.1, 0.5]))
def test_recall_is_what_lies_above_the_threshold_of_the_same_rate(
    rows: list[tuple[bool, float]], rate: float
) -> None:
    truths, scores = arrays(rows)
    threshold = threshold_at(truths, scores, rate)
    if truths.all():
        assert isnan(threshold)
        return

    assert np.mean(scores[~truths] > threshold) <= rate
    if truths.any():
        assert recall_at(truths, scores, rate) == np.mean(scores[truths] > threshold)


def test_a_paired_difference_has_a_narrower_interval_than_its_sides() -> None:
    random = np.random.default_rng(2)
    truths = random.random(200) < 0.5
    before = random.random(200) * 0.5 + truths * 0.3
    after = before + truths * 0.02
    groups = [str(i % 20) for i in range(200)]

    alone = bootstrap(auc, truths, after, groups, rounds=200)
    paired = bootstrap_difference(auc, truths, before, after, groups, rounds=200)

    assert 0 < paired.low <= paired.value <= paired.high
    assert paired.high - paired.low < alone.high - alone.low
