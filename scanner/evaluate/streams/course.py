"""The course of one label's level over a stream, and when incidents would open at every threshold
at once.

Sweeping thresholds through the fold would fold the same looks hundreds of times. Here a method sees
each look once, and one pass over its levels opens and closes excursions at all thresholds, with the
rules of ``scanner.risk.excursion``. Streams of this package have times in whole milliseconds, so
that sums are exact in integers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scanner.evaluate.measures import Floats
from scanner.evaluate.streams.assemble import Stream
from scanner.risk.medium import COUNTS, LOOKS, weight
from scanner.risk.method import FULL, Look
from scanner.risk.policy import Policy
from scanner.types import Label, Medium

__all__ = ["Course", "course", "looks_at", "opened_at"]

TICK: Final = 1000
NEVER: Final = -(1 << 60)


@dataclass(frozen=True, slots=True)
class Course:
    """A label's levels, one for each look; times in milliseconds."""

    at: tuple[int, ...]
    seconds: tuple[int, ...]
    """Weighted seconds that the look covers, in 1 / (1000 ``FULL``) of one."""
    counted: tuple[int, ...]
    """The last look, up to this one, whose medium counts; ``NEVER`` before the first."""
    levels: tuple[float | None, ...]


def looks_at(stream: Stream, label: Label, policy: Policy) -> tuple[Look, ...]:
    """The looks at one label as the fold makes them of the stream's samples; no matter which method
    judges them."""
    found: list[Look] = []
    recent: tuple[Mapping[Medium, float], ...] = ()
    last: Fraction | None = None
    for sampled in stream.looks():
        if not sampled.moving:
            recent = (
                (*recent, sampled.medium)[-LOOKS:]
                if sampled.medium and sampled.at != last
                else recent
            )
            last = sampled.at
        if label not in sampled.values or (found and found[-1].at == sampled.at):
            continue
        start = sampled.at - policy.hold
        found.append(
            Look(
                start=max(start, found[-1].at) if found else start,
                at=sampled.at,
                llr=policy.llr(sampled.values[label]),
                weight=weight(recent or (sampled.medium,), policy.when) if sampled.medium else FULL,
                cut=sampled.cut,
            )
        )
    return tuple(found)


def course(looks: Sequence[Look], policy: Policy) -> Course:
    """The levels that the policy's method gives to the looks."""
    method = policy.build()
    state = method.empty
    levels: list[float | None] = []
    counted: list[int] = []
    for look in looks:
        state = method.see(state, look)
        levels.append(method.level(state))
        counted.append(
            _ticks(look.at) if look.weight >= COUNTS else counted[-1] if counted else NEVER
        )
    at = tuple(_ticks(look.at) for look in looks)
    covered = tuple(_ticks(look.at - look.start) * look.weight for look in looks)
    return Course(at, covered, tuple(counted), tuple(levels))


def opened_at(
    found: Course, policy: Policy, thresholds: Floats, max_gap: Fraction
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Each look at which an excursion opens, and at which of the thresholds it does."""
    close = thresholds - policy.close_margin
    enough, blind, gap = (
        _ticks(policy.close_after) * FULL,
        _ticks(policy.unseen_end),
        _ticks(max_gap),
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


def _ticks(seconds: Fraction) -> int:
    ticks = seconds * TICK
    if ticks.denominator != 1:
        raise ValueError(f"times of assembled streams are whole milliseconds, got {seconds} s")
    return ticks.numerator
