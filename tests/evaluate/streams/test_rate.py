from __future__ import annotations

from math import exp, inf

import pytest

from scanner.evaluate.streams.rate import Rate, upper_mean


@pytest.mark.parametrize(
    ("count", "upper"),
    [(0, 2.9957), (1, 4.7439), (2, 6.2958), (5, 10.5130), (20, 29.0620), (100, 118.0790)],
)
def test_the_upper_bound_equals_the_published_tables(count: int, upper: float) -> None:
    assert upper_mean(count) == pytest.approx(upper, abs=1e-3)


def test_at_the_upper_bound_the_count_has_a_probability_of_one_in_twenty() -> None:
    mean = upper_mean(1)

    assert exp(-mean) * (1 + mean) == pytest.approx(0.05)


def test_nothing_seen_in_half_an_hour_bounds_the_rate_at_six_an_hour() -> None:
    rate = Rate(count=0, hours=0.5)

    assert (rate.value, round(rate.upper, 2)) == (0.0, 5.99)


def test_a_rate_over_zero_hours_is_not_bounded() -> None:
    assert Rate(count=0, hours=0.0).upper == inf
