"""The level of one label over a stream, and the openings of incidents at all thresholds at once.

Running the fold once for each threshold would fold the same samples hundreds of times. Here a
method processes each sample once, and one pass over its levels opens and closes excursions at all
thresholds, with the rules of ``scanner.risk.excursion``. Streams of this package have times in
whole milliseconds, so that sums are exact in integers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scanner.evaluate.measures import Floats
from scanner.evaluate.streams.assemble import AssembledStream
from scanner.risk.medium import COUNTS, MEDIA_KEPT, weight_of
from scanner.risk.method import FULL, LabelSample
from scanner.risk.policy import Policy
from scanner.types import Label, Medium

__all__ = [
    "TICK",
    "LevelSeries",
    "compute_levels",
    "find_openings",
    "label_samples",
    "ticks_of",
]

TICK: Final = 1000
NEVER: Final = -(1 << 60)


@dataclass(frozen=True, slots=True)
class LevelSeries:
    """A label's levels, one for each sample; times in milliseconds."""

    at: tuple[int, ...]
    seconds: tuple[int, ...]
    """Weighted seconds that the sample covers, in units of 1 / (1000 ``FULL``) seconds."""
    counted: tuple[int, ...]
    """Time of the latest sample, up to this one, whose medium counts; ``NEVER`` before the
    first."""
    levels: tuple[float | None, ...]


def label_samples(stream: AssembledStream, label: Label, policy: Policy) -> tuple[LabelSample, ...]:
    """Return the method's input for one label, as the fold derives it from the stream's samples; it
    is the same for all methods."""
    found: list[LabelSample] = []
    recent: tuple[Mapping[Medium, float], ...] = ()
    last: Fraction | None = None
    for sampled in stream.samples():
        if not sampled.is_burst:
            recent = (
                (*recent, sampled.medium)[-MEDIA_KEPT:]
                if sampled.medium and sampled.at != last
                else recent
            )
            last = sampled.at
        if label not in sampled.values or (found and found[-1].at == sampled.at):
            continue
        start = sampled.at - policy.hold
        found.append(
            LabelSample(
                start=max(start, found[-1].at) if found else start,
                at=sampled.at,
                llr=policy.llr(sampled.values[label]),
                weight=weight_of(recent or (sampled.medium,), policy.when)
                if sampled.medium
                else FULL,
                cut=sampled.cut,
            )
        )
    return tuple(found)


def compute_levels(samples: Sequence[LabelSample], policy: Policy) -> LevelSeries:
    """Return the levels that the policy's method gives to the samples."""
    method = policy.build()
    state = method.empty
    levels: list[float | None] = []
    counted: list[int] = []
    for sample in samples:
        state = method.update(state, sample)
        levels.append(method.level(state))
        counted.append(
            ticks_of(sample.at) if sample.weight >= COUNTS else counted[-1] if counted else NEVER
        )
    at = tuple(ticks_of(sample.at) for sample in samples)
    covered = tuple(ticks_of(sample.at - sample.start) * sample.weight for sample in samples)
    return LevelSeries(at, covered, tuple(counted), tuple(levels))


def find_openings(
    found: LevelSeries, policy: Policy, thresholds: Floats, max_gap: Fraction
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield each time at which an excursion opens, with the thresholds at which it does."""
    close = thresholds - policy.close_margin
    enough, blind, gap = (
        ticks_of(policy.close_after) * FULL,
        ticks_of(policy.unseen_end),
        ticks_of(max_gap),
    )
    is_open = np.zeros(len(thresholds), dtype=np.bool_)
    quiet = np.zeros(len(thresholds), dtype=np.int64)
    since = np.zeros(len(thresholds), dtype=np.int64)
    before = NEVER
    for at, seconds, counted, level in zip(
        found.at, found.seconds, found.counted, found.levels, strict=True
    ):
        is_open &= at - gap - np.maximum(before, since) < blind
        before = counted
        if level is None:
            continue
        carried = (level >= thresholds) | (is_open & (level >= close))
        rising = carried & ~is_open
        quiet = np.where(carried, 0, np.where(is_open, quiet + seconds, 0))
        is_open = carried | (is_open & (quiet < enough))
        if rising.any():
            since[rising] = at
            yield at, rising


def ticks_of(seconds: Fraction) -> int:
    """Return a time in milliseconds.

    Raises:
        ValueError: it is not a whole number of them.
    """
    ticks = seconds * TICK
    if ticks.denominator != 1:
        raise ValueError(f"times of assembled streams are whole milliseconds, got {seconds} s")
    return ticks.numerator
