"""Arrivals at a fixed rate, with a clock that passes no time."""

from __future__ import annotations

import pytest

from scanner.bench.measure import Latency
from scanner.bench.pacing import PacedTime, find_most_streams, pace_work


class StoppedClock:
    """A clock that advances only when someone sleeps or works."""

    def __init__(self) -> None:
        self.at = 100.0

    def advance(self, seconds: float) -> None:
        self.at += seconds

    @property
    def time(self) -> PacedTime:
        return PacedTime(now=lambda: self.at, sleep=self.advance)


def test_work_that_keeps_up_has_its_own_length_as_latency() -> None:
    clock = StoppedClock()

    latency = pace_work(lambda: clock.advance(0.05), rate=10, seconds=2, clock=clock.time)

    assert (latency.count, latency.rate) == (20, 10)
    assert latency.p50 == pytest.approx(50)
    assert latency.most == pytest.approx(50)


def test_work_that_does_not_keep_up_waits_longer_each_time() -> None:
    clock = StoppedClock()

    latency = pace_work(lambda: clock.advance(0.2), rate=10, seconds=2, clock=clock.time)

    assert latency.most == pytest.approx(1000 * (20 * 0.2 - 19 * 0.1))
    assert latency.p95 > latency.p50 > 1000


@pytest.mark.parametrize("capacity", [0, 1, 2, 7, 40, 1000])
@pytest.mark.parametrize("guess", [1, 16, 300])
def test_the_most_streams_are_found_to_a_tenth(capacity: int, guess: int) -> None:
    tried: list[int] = []

    def attempt(streams: int) -> Latency:
        tried.append(streams)
        return Latency.of([0.5 if streams <= capacity else 9.0], rate=streams)

    most, trials = find_most_streams(attempt, bound=2.0, guess=guess)

    assert capacity * 0.89 <= most <= capacity
    assert [trial.streams for trial in trials] == tried
    assert len(tried) < 20


def test_percentiles_are_those_of_the_ordered_latencies() -> None:
    latency = Latency.of((0.001 * n for n in range(101)), rate=1)

    assert (latency.p50, latency.p95, latency.p99, latency.most) == (50, 95, 99, 100)
