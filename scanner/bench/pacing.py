"""Arrivals at a fixed rate, and the latency of each.

The rate does not depend on how fast the work is done (an open loop): what waits for work that is
slow counts as latency. A latency begins when the segment is due, not when it is taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from scanner.bench.bench_input import BenchInput
from scanner.bench.measure import Latency
from scanner.bench.pipeline_bench import MeasuredRunner, scan_segments, segment_arrival
from scanner.compose import Program
from scanner.report.lines import FrameLine, Line
from scanner.stream.inputs import Arrival

__all__ = ["LiveTrial", "PacedTime", "find_most_streams", "pace_segments", "pace_work"]

MOST_STREAMS: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class PacedTime:
    """Time as two functions, so that a test can run minutes in no time."""

    now: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep

    def wait_until(self, due: float) -> None:
        """Return at ``due``, or at once if that has passed."""
        if (left := due - self.now()) > 0:
            self.sleep(left)


def pace_work(
    work: Callable[[], object], *, rate: float, seconds: float, clock: PacedTime | None = None
) -> Latency:
    """Do the work ``rate`` times a second for this long, one after another."""
    clock = clock or PacedTime()
    began, latencies = clock.now(), []
    for number in range(max(1, round(rate * seconds))):
        due = began + number / rate
        clock.wait_until(due)
        work()
        latencies.append(clock.now() - due)
    return Latency.of(latencies, rate=rate)


def pace_segments(
    video: BenchInput,
    program: Program,
    measured: MeasuredRunner,
    *,
    streams: int,
    seconds: float,
    give_up: float = float("inf"),
    clock: PacedTime | None = None,
) -> Latency:
    """Send segments of several streams as they would come live, evenly spread, and return the
    latencies from when a segment is complete to when its lines are there.

    A trial ends early once a latency exceeds ``give_up`` seconds.

    Raises:
        DamagedError: a segment could not be scanned.
    """
    pace = _SegmentPace(video, streams=streams, give_up=give_up, clock=clock or PacedTime())
    count = max(streams, round(pace.rate * seconds))
    for lines in scan_segments(program, pace.arrivals(count), measured.runner):
        pace.receive(lines)
    return Latency.of(pace.latencies, rate=pace.rate)


class _SegmentPace:
    """Yields segments when they are due, and takes the time of their first lines."""

    def __init__(
        self, video: BenchInput, *, streams: int, give_up: float, clock: PacedTime
    ) -> None:
        self.rate = streams / video.seconds
        self.latencies: list[float] = []
        self._video = video
        self._streams = streams
        self._give_up = give_up
        self._clock = clock
        self._dues: dict[tuple[str, int], float] = {}
        self._overloaded = False

    def arrivals(self, count: int) -> Iterator[Arrival]:
        """Yield segments, those of all streams in turn, until the latencies grow too long."""
        began = self._clock.now()
        for number in range(count):
            if self._overloaded:
                return
            turn, stream = divmod(number, self._streams)
            due = began + number / self.rate
            self._clock.wait_until(due)
            arrival = segment_arrival(self._video, stream, turn)
            self._dues[arrival.path, arrival.segment.key.sequence] = due
            yield arrival

    def receive(self, lines: Iterable[Line]) -> None:
        """Take the time of a segment's first line."""
        for line in lines:
            if not isinstance(line, FrameLine):
                continue
            due = self._dues.pop((line.path, line.sequence), None)
            if due is not None:
                self.latencies.append(self._clock.now() - due)
                self._overloaded = self._overloaded or self.latencies[-1] > self._give_up


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTrial:
    """One number of streams that was tried."""

    streams: int
    latency: Latency


def find_most_streams(
    attempt: Callable[[int], Latency], *, bound: float, guess: int
) -> tuple[int, tuple[LiveTrial, ...]]:
    """Return the largest number of streams whose 95th percentile stays within ``bound`` seconds,
    0 if not even one stream's does, and all trials.

    The number is doubled or halved from ``guess`` until the bound lies between two, and then
    narrowed to a tenth.
    """
    trials: list[LiveTrial] = []

    def holds(streams: int) -> bool:
        latency = attempt(streams)
        trials.append(LiveTrial(streams=streams, latency=latency))
        return latency.p95 <= 1000 * bound

    low, high = 0, max(1, guess)
    while high <= MOST_STREAMS and holds(high):
        low, high = high, 2 * high
    while low == 0 and high > 1:
        middle = high // 2
        low, high = (middle, high) if holds(middle) else (0, middle)
    while low and high - low > max(1, low // 10):
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low, tuple(trials)
