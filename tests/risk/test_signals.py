from __future__ import annotations

import math
from fractions import Fraction

import pytest

from scanner.risk.fold import fold_observation
from scanner.risk.incident import Closed, Opened
from scanner.risk.observation import Signal
from tests.risk.streams import (
    FIRE,
    GUN,
    fold,
    kinds,
    policies,
    samples,
    seconds,
    time_passes,
    two,
)

RULES = policies()


def report(at: float, ratio: float = 20.0, until: float = 1000) -> Signal:
    return Signal(at=Fraction(at), name="report", ratio=ratio, until=Fraction(until))


def test_a_signal_in_force_adds_its_log_ratio_to_a_known_level() -> None:
    almost = samples(seconds(0.8, 5))

    assert fold(almost, RULES)[1] == []
    assert kinds(fold([*almost, report(5)], RULES)[1]) == [Opened]
    assert fold([report(0, until=1), *samples(seconds(0.8, 5), start=1)], RULES)[1] == []


def test_a_signal_alone_opens_only_where_the_policy_allows_it() -> None:
    assert fold([report(0, ratio=1e5)], RULES)[1] == []
    assert kinds(fold([report(0, ratio=1e5)], policies(may_open_on_signal=True))[1]) == [Opened]
    assert fold([report(0, ratio=10)], policies(may_open_on_signal=True))[1] == []


def test_a_later_signal_of_the_same_name_replaces_the_earlier_one() -> None:
    risk = fold([report(0), report(1), report(2)], RULES)[0]

    assert len(risk.signals) == 1


@pytest.mark.parametrize(
    ("ratio", "until"), [(0.0, 9), (float("nan"), 9), (float("inf"), 9), (2.0, 0)]
)
def test_a_signal_without_a_likelihood_ratio_or_a_duration_is_refused(
    ratio: float, until: int
) -> None:
    with pytest.raises(ValueError, match="signal report"):
        report(0, ratio=ratio, until=until)


def test_a_signal_concerns_the_labels_that_it_names() -> None:
    risk = fold(
        [
            Signal(
                at=Fraction(0),
                name="report",
                ratio=20.0,
                until=Fraction(9),
                labels=frozenset({GUN}),
            )
        ],
        two(),
    )[0]

    assert (risk.boost(FIRE), risk.boost(GUN)) == (0.0, pytest.approx(math.log(20)))


def test_a_signal_that_is_over_is_forgotten() -> None:
    assert fold([report(0, until=2), time_passes(2)], RULES)[0].signals == ()


def test_an_incident_that_a_signal_opened_ends_as_unseen_thirty_seconds_after_that() -> None:
    opened = fold([*samples(seconds(0.8, 5)), time_passes(20), report(20)], RULES)[0]

    assert len(opened.incidents) == 1
    assert fold_observation(opened, time_passes(49), RULES)[1] == ()
    assert [type(event) for event in fold_observation(opened, time_passes(50), RULES)[1]] == [
        Closed
    ]
