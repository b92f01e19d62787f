"""Delays are told by stage, of the last minute only."""

from __future__ import annotations

import pytest

from workers.delays import KEPT_SECONDS, Delays, Progress


def test_delays_have_quantiles_of_the_whole_and_of_each_stage() -> None:
    now = [100.0]
    delays = Delays(now=lambda: now[0])
    for received in range(90, 100):
        delays.add(Progress(received=float(received), placed=received + 0.5))

    found = delays.quantiles()

    assert (found["p50"], found["p95"], found["max"]) == (5.0, 10.0, 10.0)
    assert (found["waiting_p50"], found["waiting_p95"]) == (0.5, 0.5)
    assert found["working_p95"] == pytest.approx(9.5)


def test_old_delays_and_clocks_that_go_back_do_not_count() -> None:
    now = [100.0]
    delays = Delays(now=lambda: now[0])
    delays.add(Progress(received=0.0, placed=1.0))
    now[0] += KEPT_SECONDS + 1
    assert delays.quantiles() == {}

    delays.add(Progress(received=now[0] + 5, placed=now[0] + 5))
    assert set(delays.quantiles().values()) == {0.0}
