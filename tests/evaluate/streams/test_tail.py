from __future__ import annotations

from math import isnan

import pytest

from scanner.evaluate.streams.sweep import Candidate
from scanner.evaluate.streams.tail import Tail, fit_tail
from tests.evaluate.streams.test_fit import material, sweep_of

DWELL = Candidate(method="dwell")


def test_the_rate_falls_by_e_with_each_scale() -> None:
    tail = Tail(start=1.0, scale=0.5, rate=20.0)

    assert tail.rate_at(1.5) == pytest.approx(20.0 / 2.71828, rel=1e-4)
    assert tail.rate_at(tail.level_at(0.1)) == pytest.approx(0.1)


def test_the_tail_is_fitted_to_the_highest_pieces() -> None:
    levels = [3.0, 2.5, 2.5, 2.0, 2.0, 2.0, 1.5, 1.5, 1.5, 1.5, 1.0, 0.0]

    tail = fit_tail(material(hours=0.1, pieces=12), sweep_of(DWELL, [5.0] * 10, levels))

    assert (tail.start, tail.scale, tail.rate) == (1.0, pytest.approx(1.0), pytest.approx(10 / 1.2))


def test_few_pieces_have_no_tail() -> None:
    assert isnan(fit_tail(material(), sweep_of(DWELL, [5.0] * 10, [1.0] * 10)).scale)
