"""Whether a later measurement is slower or faster than an earlier one, and which stage is.

Pure. A figure is processor time for one unit, divided by the reference work that was measured
beside it, which takes out the speed of the machine at that moment. Rounds in turn (``--against``)
are compared round by round as well.

A change is claimed only if its interval lies beyond a margin: between two files the machine, the
layout of memory and what else runs differ by some percent though nothing was changed. On a full
machine caches are shared with what runs beside, which differs by much more, and no reference work
has the same share of it: there the margin is wider.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, inf
from statistics import median
from typing import Any, Final

from scanner.errors import SetupError

__all__ = [
    "BETWEEN_FILES",
    "IN_TURN",
    "Change",
    "compare_documents",
    "compare_rounds",
    "describe_change",
]

BETWEEN_FILES: Final = 0.07
"""Margin of a comparison of two files."""
BUSY_SHARE: Final = 0.5
"""Share of the machine that others may use before the margin grows."""
FULL_MACHINE: Final = 0.12
"""Margin of a comparison of two files of which one was measured while others used all of it."""
IN_TURN: Final = 0.015
"""Margin of a comparison in turn."""
_RESAMPLES: Final = 1000
_COVERAGE: Final = 0.99
_MACHINE: Final = ("cpu", "cores", "memory_bytes", "gpus")
_LEAST_SHARE: Final = 0.02
"""Stages below this share of a result's time are not judged."""

Document = Mapping[str, Any]
Figures = Mapping[str, Sequence[float]]
"""Values of each repeat by stage; the whole is the empty name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Speed of one result: earlier time over later time, so that below 1 is slower."""

    bench: str
    name: str
    stage: str
    """Name of the stage that explains most of the change; empty where stages are not told
    apart."""
    speed: float
    low: float
    high: float
    """Interval of 99 %."""
    stage_speed: float
    """Speed of that stage alone."""
    margin: float

    @property
    def verdict(self) -> str:
        """``slower``, ``faster``, or ``same`` if neither is sure."""
        if self.high < 1.0 / (1.0 + self.margin):
            return "slower"
        return "faster" if self.low > 1.0 + self.margin else "same"


def compare_documents(old: Document, new: Document) -> tuple[Change, ...]:
    """Compare the results of the same names of two documents.

    Raises:
        SetupError: the machine or the work differs, so that a ratio would say nothing.
    """
    _check_same(old, new)
    before = {_key(old, one): one for one in old["results"]}
    changes: list[Change] = []
    margin = _margin_between(old, new)
    for result in new["results"]:
        key = _key(new, result)
        figures = (_figures(before[key]), _figures(result))
        changes.append(_compare(key, *figures, margin=margin, paired=False))
    return tuple(changes)


def _margin_between(old: Document, new: Document) -> float:
    """Return the margin for two files, by what others used of the machine meanwhile."""
    others = max(float(one.get("load", {}).get("others", 0.0)) for one in (old, new))
    full = max(0.0, others - BUSY_SHARE) / (1.0 - BUSY_SHARE)
    return BETWEEN_FILES + (FULL_MACHINE - BETWEEN_FILES) * full


def compare_rounds(rounds: Sequence[tuple[Document, Document]]) -> tuple[Change, ...]:
    """Compare pairs of documents, (earlier, later), each measured one after the other.

    Raises:
        SetupError: the work of the two differs.
    """
    for old, new in rounds:
        _check_same(old, new)
    keys = [_key(rounds[0][1], result) for result in rounds[0][1]["results"]]
    return tuple(
        _compare(
            key,
            _medians([old for old, _ in rounds], key),
            _medians([new for _, new in rounds], key),
            margin=IN_TURN,
            paired=True,
        )
        for key in keys
    )


def describe_change(change: Change) -> str:
    """Return the change as one line.

    >>> describe_change(Change(bench="decode", name="a", stage="child", speed=0.8, low=0.78,
    ...     high=0.82, stage_speed=0.75, margin=0.07))
    'decode, a: speed 0.80 (0.78 to 0.82), slower, mostly child (0.75)'
    """
    text = f"{change.bench}, {change.name}: speed {change.speed:.2f}"
    text += f" ({change.low:.2f} to {change.high:.2f}), {change.verdict}"
    if change.stage and change.verdict != "same":
        text += f", mostly {change.stage} ({change.stage_speed:.2f})"
    return text


def _check_same(old: Document, new: Document) -> None:
    """Refuse documents whose ratio says nothing."""
    for key in _MACHINE:
        before, after = old["machine"].get(key), new["machine"].get(key)
        if (before or None) != (after or None):
            raise SetupError(f"another machine: {key} was {before}, is {after}; measure both here")
    shared = old["settings"].keys() & new["settings"].keys()
    for key, before, after in (
        ("bench", old["bench"], new["bench"]),
        ("input", old["input"], new["input"]),
        *((f"settings.{name}", old["settings"][name], new["settings"][name]) for name in shared),
    ):
        if before != after:
            raise SetupError(f"other work: {key} was {before}, is {after}; measure the same")
    names = [{_key(document, one) for one in document["results"]} for document in (old, new)]
    if missing := sorted(names[1] - names[0]):
        raise SetupError(f"other work: no earlier result {', '.join(missing[0])}; measure the same")


def _key(document: Document, result: Mapping[str, Any]) -> tuple[str, str]:
    """Return the benchmark and name of a result; documents of 0.1 name the benchmark once."""
    return result.get("bench") or document["bench"], result["name"]


def _figures(result: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return each repeat's time for one unit, in units of the reference work beside it."""
    figures: dict[str, list[float]] = {}
    for run in result["runs"]:
        scale = run["units"] * (run.get("reference_seconds") or 1.0)
        figures.setdefault("", []).append(run["cpu_seconds"] / scale)
        for stage, seconds in run.get("stages", {}).items():
            figures.setdefault(stage, []).append(seconds / scale)
    return figures


def _medians(documents: Sequence[Document], key: tuple[str, str]) -> dict[str, list[float]]:
    """Return the median of each document's repeats, by stage."""
    medians: dict[str, list[float]] = {}
    for document in documents:
        result = next(one for one in document["results"] if _key(document, one) == key)
        for stage, values in _figures(result).items():
            medians.setdefault(stage, []).append(median(values))
    return medians


def _compare(
    key: tuple[str, str], old: Figures, new: Figures, *, margin: float, paired: bool
) -> Change:
    speed, low, high = _interval(old[""], new[""], paired=paired)
    stage = _changed_stage(old, new)
    return Change(
        bench=key[0],
        name=key[1],
        stage=stage,
        speed=speed,
        low=low,
        high=high,
        stage_speed=_speed(old[stage], new[stage], paired=paired) if stage else speed,
        margin=margin,
    )


def _changed_stage(old: Figures, new: Figures) -> str:
    """Return the stage whose time changed most, in time and not in percent."""
    whole = median(new[""])
    stages = [
        name
        for name in new
        if name and name in old and max(median(new[name]), median(old[name])) > _LEAST_SHARE * whole
    ]
    return max(stages, key=lambda name: abs(median(new[name]) - median(old[name])), default="")


def _interval(
    old: Sequence[float], new: Sequence[float], *, paired: bool
) -> tuple[float, float, float]:
    """Return the speed and its interval: of the median of rounds, or by bootstrap; the same values
    give the same interval."""
    if paired:
        return _speed(old, new, paired=True), *_median_interval(_ratios(old, new))
    generator = random.Random(0)
    speeds = sorted(
        _speed(generator.choices(old, k=len(old)), generator.choices(new, k=len(new)), paired=False)
        for _ in range(_RESAMPLES)
    )
    edge = round((1 - _COVERAGE) / 2 * (_RESAMPLES - 1))
    return _speed(old, new, paired=False), speeds[edge], speeds[-1 - edge]


def _median_interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the interval of the median, whatever the distribution: each ratio lies above the
    median as a coin falls. With fewer than eight there is none of 99 %, so that nothing is claimed.

    >>> _median_interval([1.1] * 7)
    (0.0, inf)
    >>> _median_interval([0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.1])
    (0.9, 1.1)
    """
    ordered, size = sorted(ratios), len(ratios)
    chance, rank = 0.5**size, 0  # that at most ``rank`` ratios lie below the median
    while chance <= (1 - _COVERAGE) / 2:
        rank += 1
        chance += comb(size, rank) * 0.5**size
    return (ordered[rank - 1], ordered[-rank]) if rank else (0.0, inf)


def _speed(old: Sequence[float], new: Sequence[float], *, paired: bool) -> float:
    """Return the ratio of times, of medians or, in turn, the median ratio of the rounds."""
    if paired:
        return median(_ratios(old, new))
    return median(old) / median(new)


def _ratios(old: Sequence[float], new: Sequence[float]) -> list[float]:
    """Return the ratio of each round."""
    return [before / after for before, after in zip(old, new, strict=True) if after]
