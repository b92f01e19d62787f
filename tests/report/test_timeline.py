"""Recorded risk is bounded and keeps its peaks."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.report.timeline import RiskRecorder, RiskSeries, thin
from scanner.types import Label

FIRE, GUN = Label("fire"), Label("gun")
risk_lists = st.lists(st.floats(0, 1), min_size=1, max_size=60)


@given(risk_lists, st.integers(3, 20))
def test_thinning_keeps_order_bounds_and_the_highest(risks: list[float], most: int) -> None:
    series = RiskSeries(
        at=tuple(float(at) for at in range(len(risks))),
        risk=tuple(risks),
        level=(None,) * len(risks),
    )

    shown = thin(series, most)

    assert len(shown.at) <= most
    assert list(shown.at) == sorted(set(shown.at))
    assert max(shown.risk) == max(risks)
    assert all(risks[int(at)] == risk for at, risk in zip(shown.at, shown.risk, strict=True))


def test_a_series_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="order of time"):
        RiskSeries(at=(2.0, 1.0), risk=(0.0, 0.0), level=(None, None))


def test_every_sample_is_kept_up_to_the_limit() -> None:
    recorder = RiskRecorder(most=50)
    for at in range(50):
        recorder.add(Fraction(at, 3), {FIRE: at / 50}, {FIRE: None if at < 5 else float(at)})

    series = recorder.series()[FIRE]

    assert series.at == tuple(float(Fraction(at, 3)) for at in range(50))
    assert series.level == (*(None,) * 5, *(float(at) for at in range(5, 50)))


@given(risk_lists, risk_lists)
def test_beyond_the_limit_memory_is_bounded_and_each_label_keeps_its_own_peak(
    fire: list[float], gun: list[float]
) -> None:
    recorder, count = RiskRecorder(most=12), min(len(fire), len(gun))
    for at in range(count):
        recorder.add(Fraction(at), {FIRE: fire[at], GUN: gun[at]}, {})

    series = recorder.series()

    for label, risks in ((FIRE, fire[:count]), (GUN, gun[:count])):
        assert len(series[label].at) <= 12
        assert max(series[label].risk) == max(risks)
        assert (series[label].at[0], series[label].at[-1]) == (0.0, float(count - 1))


def test_the_second_of_two_samples_at_one_instant_counts() -> None:
    recorder = RiskRecorder()
    recorder.add(Fraction(1), {FIRE: 0.9}, {FIRE: 1.0})
    recorder.add(Fraction(1), {FIRE: 0.2}, {FIRE: 0.5})

    assert recorder.series()[FIRE] == RiskSeries(at=(1.0,), risk=(0.2,), level=(0.5,))
