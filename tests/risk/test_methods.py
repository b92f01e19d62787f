from __future__ import annotations

from fractions import Fraction
from math import exp, log, tanh
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.risk.method import FULL, LabelSample, Method
from scanner.risk.methods import METHODS
from scanner.risk.methods.decay import Decay
from scanner.risk.methods.dwell import Dwell
from scanner.risk.methods.ranked import KOfN, Median
from scanner.risk.methods.two_state import CutAware, OddsFilter, TwoState
from scanner.risk.policy import Policy
from tests.risk.streams import quick

W, D = Fraction(12), Fraction(5, 2)


def state_after(
    method: Method[Any], *llrs: float, step: float = 0.5, weight: int = FULL, cut: bool = False
) -> Any:
    """Return the state after samples with these llrs, one every ``step`` seconds; the first covers
    2 s, as a stream's first one does."""
    state, start = method.empty, Fraction(-2)
    for k, llr in enumerate(llrs):
        at = Fraction(step) * k
        state = method.update(state, LabelSample(start, at, llr, weight, cut))
        start = at
    return state


def level(method: Method[Any], *llrs: float, **how: Any) -> float | None:
    return method.level(state_after(method, *llrs, **how))


@pytest.mark.parametrize("name", METHODS)
def test_no_method_knows_a_level_before_the_floor_and_each_knows_one_after_it(name: str) -> None:
    method = Policy(category="x", method=name).build()

    assert level(method) is None
    assert method.short_level(method.empty) is None
    assert method.support(method.empty) is None
    assert level(method, 3.0) is None
    assert method.short_level(state_after(method, 3.0)) is None
    assert method.short_level(state_after(method, 3.0, 3.0, step=0.25)) is not None
    assert level(method, *[3.0] * 6) is not None


@pytest.mark.parametrize("name", METHODS)
def test_every_method_knows_which_samples_support_its_level(name: str) -> None:
    method = Policy(category="x", method=name).build()

    support = method.support(state_after(method, *[-8.0] * 5, *[5.0] * 6))

    assert support is not None
    assert Fraction(5, 2) <= support.first < support.last == 5


@pytest.mark.parametrize("name", ["two_state", "cut_aware", "decay"])
def test_the_first_sample_of_a_stream_supports_the_level_from_time_zero(name: str) -> None:
    method = Policy(category="c", method=name).build()

    support = method.support(state_after(method, *[4.0] * 8))

    assert support is not None
    assert support.first <= 0


@pytest.mark.parametrize("name", METHODS)
def test_a_sample_without_weight_changes_no_level(name: str) -> None:
    method = Policy(category="x", method=name).build()
    state = state_after(method, *[1.0] * 8)

    after = method.update(state, LabelSample(Fraction(7, 2), Fraction(4), 9.0, 0, False))

    assert method.level(after) == method.level(state)


@pytest.mark.parametrize(
    ("name", "tuning"),
    [
        ("dwell", {"k": 3}),
        ("two_state", {"tau": 0}),
        ("cut_aware", {"cap": -1}),
        ("decay", {"tau": float("nan")}),
        ("k_of_n", {"k": 6}),
        ("median", {"n": 2.5}),
    ],
)
def test_tuning_that_a_method_does_not_have_or_cannot_work_with_is_refused(
    name: str, tuning: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match=r"tuning|must be"):
        Policy(category="x", method=name, tuning=tuning).build()


def test_dwell_is_the_highest_llr_that_covers_the_floor() -> None:
    assert level(Dwell(window=W, dwell=D), 0.0, 5.0, 4.0, 3.0, 2.0, 1.0) == 1.0
    assert level(Dwell(window=W, dwell=D), 5.0, 4.0, 3.0) == 4.0


def test_dwell_counts_covered_seconds_with_their_weight() -> None:
    assert level(Dwell(window=W, dwell=D), *[5.0] * 7, weight=FULL // 2) == 5.0
    assert level(Dwell(window=W, dwell=D), *[5.0] * 6, weight=FULL // 2) is None


def test_dwell_joins_equal_samples() -> None:
    assert len(state_after(Dwell(window=W, dwell=D), *[1.0] * 100)) == 1


def test_the_start_of_a_window_of_dwell_is_not_in_the_window() -> None:
    method = Dwell(window=Fraction(4), dwell=Fraction(0))

    assert level(method, 9.0, 1.0, 1.0, 1.0, 1.0, step=1) == 1.0
    assert level(method, 0.0, 9.0, 1.0, 1.0, 1.0, step=1) == 9.0


def test_samples_older_than_the_window_support_no_level() -> None:
    method = Dwell(window=W, dwell=D)

    assert method.support(state_after(method, *[1.0] * 101)) == (38, 50)


@pytest.mark.parametrize("name", ["two_state", "decay", "cut_aware"])
def test_samples_from_before_the_label_ended_support_no_level(name: str) -> None:
    method = Policy(category="x", method=name).build()

    support = method.support(state_after(method, *[5.0] * 6, *[-8.0] * 200, *[5.0] * 6))

    assert support == (103, Fraction(211, 2))


def test_k_of_n_counts_no_sample_older_than_the_window() -> None:
    assert level(KOfN(window=W, dwell=D, k=2, n=3), 9.0, 9.0, step=20) is None
    assert level(KOfN(window=W, dwell=D, k=2, n=3), 9.0, 9.0, step=5) == 9.0


def test_k_of_n_is_the_kth_highest_of_the_last_n() -> None:
    assert level(KOfN(window=W, dwell=D, k=2, n=3), 9.0, 1.0, 3.0, 2.0) == 2.0


def test_the_median_is_that_of_the_last_three() -> None:
    assert level(Median(window=W, dwell=D), 9.0, 1.0, 3.0, 2.0) == 2.0


def test_decay_is_the_logit_of_a_decaying_mean() -> None:
    assert level(Decay(window=W, dwell=D), *[2.0] * 9) == pytest.approx(2.0)
    mean = exp(-1) / (1 + exp(2)) + (1 - exp(-1)) / (1 + exp(-2))

    method = Decay(window=W, dwell=D, tau=4.0)
    state = method.update(
        method.empty, LabelSample(Fraction(-1000), Fraction(0), -2.0, FULL, False)
    )
    state = method.update(state, LabelSample(Fraction(0), Fraction(4), 2.0, FULL, False))

    assert method.level(state) == pytest.approx(log(mean / (1 - mean)))


def test_decay_starts_anew_after_a_hole_as_long_as_the_window() -> None:
    method = Decay(window=W, dwell=D)
    state = method.update(
        state_after(method, *[5.0] * 9),
        LabelSample(Fraction(100), Fraction(102), -5.0, FULL, False),
    )

    assert method.level(state) is None


def odds_filter(rate_in: float = 1 / 3600) -> OddsFilter:
    return OddsFilter(dwell=D, rate_in=rate_in, rate_out=1 / 10, tau=4.0)


def test_the_filter_agrees_with_its_equation_where_that_does_not_cancel() -> None:
    rate_in, rate_out, rho, h, odds = 1 / 36, 1 / 10, 0.5, 2.0, 0.3
    m = (rho - rate_out + rate_in) / 2
    d = (m * m + rate_in * rate_out) ** 0.5
    t = tanh(d * h) / d

    assert odds_filter(rate_in).evolve(odds, h, rho) == pytest.approx(
        (odds * (1 + m * t) + rate_in * t) / (odds * rate_out * t + 1 - m * t)
    )


@quick
@given(st.floats(1e-6, 1e6), st.floats(0.0, 50.0), st.floats(0.0, 50.0), st.floats(-0.25, 1.5))
def test_the_filter_composes_exactly_under_any_cutting(
    odds: float, one: float, other: float, rho: float
) -> None:
    evolve = odds_filter().evolve
    at_once = evolve(odds, one + other, rho)
    in_two = evolve(evolve(odds, one, rho), other, rho)

    assert in_two == pytest.approx(at_once, rel=1e-9)


def test_the_filter_returns_to_rest_without_samples() -> None:
    method = TwoState(window=W, dwell=D)
    state = method.update(
        state_after(method, *[5.0] * 9),
        LabelSample(Fraction(1000), Fraction(1000), 5.0, FULL, False),
    )

    assert method.level(state) == pytest.approx(0.0, abs=1e-6)


def test_a_harmless_static_picture_adds_no_more_than_the_cap_of_its_scene() -> None:
    static = [1.386] * 200  # p = 0.8, twice a second

    capped = level(CutAware(window=W, dwell=D, cap=4.0), *static)

    filtered = level(TwoState(window=W, dwell=D), *static)
    assert capped is not None
    assert filtered is not None
    assert capped < 2.0
    assert filtered > 4.0


def test_every_new_scene_may_add_evidence() -> None:
    one_scene = level(CutAware(window=W, dwell=D, cap=4.0), *[3.0] * 40)
    many = level(CutAware(window=W, dwell=D, cap=4.0), *[3.0] * 40, cut=True)

    assert one_scene is not None
    assert many is not None
    assert many > one_scene + 3.0
