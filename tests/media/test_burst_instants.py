from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scanner.media.bursts import plan_burst_instants
from scanner.types import BURST_INTERVAL, Burst

EIGHT = Burst(frames=8, rate=5)

bursts = st.builds(Burst, frames=st.integers(2, 32), rate=st.integers(1, 30))
lengths = st.fractions(0, 100, max_denominator=90_000)


def starts(last: Fraction | int, burst: Burst = EIGHT) -> list[float]:
    return [float(instants[0]) for instants in plan_burst_instants(Fraction(last), burst)]


def test_bursts_follow_each_other_from_the_windows_start() -> None:
    assert starts(Fraction(597, 100)) == [0, 2, 4]
    assert plan_burst_instants(Fraction(2), EIGHT) == (
        tuple(Fraction(step, 5) for step in range(8)),
    )


def test_the_last_burst_moves_back_to_the_end_if_that_would_be_left_out() -> None:
    assert starts(5) == [0, 2, 3.6]


def test_a_short_window_has_one_burst_that_is_spread_over_it() -> None:
    assert plan_burst_instants(Fraction(7, 10), EIGHT) == (
        tuple(Fraction(step, 10) for step in range(8)),
    )


def test_a_window_of_less_than_half_a_burst_has_none() -> None:
    assert starts(Fraction(69, 100)) == []
    assert starts(0) == []


@given(lengths, bursts)
def test_every_instant_lies_within_its_window_and_they_rise(last: Fraction, burst: Burst) -> None:
    for instants in plan_burst_instants(last, burst):
        assert len(instants) == burst.frames
        assert instants[0] >= 0
        assert instants[-1] <= last
        assert all(earlier < later for earlier, later in pairwise(instants))


@given(lengths, bursts)
def test_no_hole_is_longer_than_bursts_lie_apart(last: Fraction, burst: Burst) -> None:
    found = plan_burst_instants(last, burst)

    assert all(later[0] - earlier[0] <= BURST_INTERVAL for earlier, later in pairwise(found))
    assert bool(found) == (last >= burst.length / 2)
    if last >= burst.length:
        assert last - found[-1][-1] <= max(BURST_INTERVAL - burst.length, 0)


@given(lengths, bursts)
def test_the_first_bursts_do_not_depend_on_the_windows_length(last: Fraction, burst: Burst) -> None:
    if last < burst.length:
        return
    longer = plan_burst_instants(last + 10, burst)

    assert (
        plan_burst_instants(last, burst)[:-1] == longer[: len(plan_burst_instants(last, burst)) - 1]
    )
