from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scanner.evaluate.streams.pieces import FootageKind, FootagePool, build_pool
from scanner.evaluate.streams.safe_level import (
    EventLevel,
    EventsFound,
    SafeLevelLimits,
    SourceLevels,
    count_found,
    event_levels,
    fit_on_halves,
    fit_safe_level,
    fit_window_tail,
    source_levels,
)
from tests.evaluate.streams.build import FIGHT, piece, policies, recordings_of_cameras

POLICY = policies().labels[FIGHT]
CALM = [-4.0 + number / 100 for number in range(100)]


def source(
    origin: str,
    highest: list[float],
    kind: FootageKind = FootageKind.ORDINARY,
    hours: float = 1.0,
) -> SourceLevels:
    return SourceLevels(origin=origin, kind=kind, hours=hours, highest=np.array(highest))


def test_no_source_reaches_the_safe_level() -> None:
    sources = [source("a", CALM), source("b", [*CALM, 1.0]), source("c", [*CALM, 0.9])]

    fitted = fit_safe_level(sources)

    assert fitted.level > fitted.peak == 1.0
    assert fitted.rate.count == 0
    assert (fitted.rate.hours, fitted.sources) == (3.0, 3)


def test_a_level_fitted_without_a_source_and_raised_by_the_margin_is_not_reached_by_it() -> None:
    lonely = [source("a", CALM), source("b", CALM), source("c", [*CALM, 5.0])]
    together = [source("a", [*CALM, 5.0]), source("b", CALM), source("c", [*CALM, 5.0])]

    without = fit_safe_level(lonely[:2])

    assert fit_safe_level(together).margin == 0.0
    assert fit_safe_level(lonely).margin == pytest.approx(5.0 - max(without.peak, -3.0), abs=0.5)
    assert fit_safe_level(lonely).level > fit_safe_level(together).level


def test_night_counts_for_the_level_and_not_for_the_hours() -> None:
    day = [source("a", CALM), source("b", CALM)]
    night = [
        source("a", [*CALM, 3.0], FootageKind.CHANGED),
        source("b", [3.0], FootageKind.CHANGED),
    ]

    assert fit_safe_level([*day, *night]).level > 3.0 > fit_safe_level(day).level
    assert fit_safe_level([*day, *night]).rate.hours == 2.0


def test_a_heavy_tail_raises_the_level_above_every_level_that_was_seen() -> None:
    heavy = [source("a", list(np.linspace(-1, 2, 40)), hours=0.1), source("b", CALM, hours=0.1)]

    fitted = fit_safe_level(heavy)

    assert fitted.level > 2.0
    assert fitted.tail.rate_at(fitted.level) < 1.0


def test_at_most_a_small_share_of_photographs_may_reach_the_level() -> None:
    sources = [source("a", CALM), source("b", CALM)]
    few = source("p", [0.0] * 199 + [4.0], FootageKind.PHOTOGRAPHS)
    many = source("p", [0.0] * 190 + [4.0] * 10, FootageKind.PHOTOGRAPHS)

    assert 0.0 < fit_safe_level([*sources, few]).level < 4.0
    assert fit_safe_level([*sources, many]).level > 4.0


def test_the_tail_is_fitted_to_the_highest_windows() -> None:
    tail = fit_window_tail([source("a", list(np.arange(200.0)), hours=2.0)], share=0.05)

    assert (tail.start, tail.scale, tail.rate) == (189.0, pytest.approx(5.5), 5.0)
    assert tail.rate_at(tail.level_at(0.25)) == pytest.approx(0.25)


def test_too_little_footage_has_no_tail() -> None:
    with pytest.raises(ValueError, match="more than 5 windows"):
        fit_safe_level([source("a", [0.0] * 5)])


def test_neighbouring_windows_that_reach_a_level_are_one_incident() -> None:
    assert source("a", [3.0, 3.0, 0.0, 3.0]).incidents(2.0) == 2
    assert source("a", [3.0, 3.0], FootageKind.PHOTOGRAPHS).incidents(2.0) == 2


def test_each_half_of_the_sources_is_judged_by_the_level_of_the_other() -> None:
    sources = [source(name, [*CALM, peak]) for name, peak in zip("abcd", (0, 0, 9, 0), strict=True)]
    events = [
        EventLevel(origin=name, group=name, kind=FootageKind.ORDINARY, level=4.0) for name in "abcd"
    ]

    first, second = fit_on_halves(sources, events)

    assert (first.rate.count, second.rate.count) == (0, 1)
    assert (first.found, first.events, second.found) == (0, 2, 2)


def test_events_on_camera_and_photographs_are_counted_apart() -> None:
    events = [
        EventLevel(origin="o", group="g", kind=kind, level=level)
        for kind in (FootageKind.ORDINARY, FootageKind.FRAMES, FootageKind.PHOTOGRAPHS)
        for level in (1.0, 4.0)
    ]

    assert count_found(events, 4.0) == EventsFound(
        on_camera=2, camera_events=4, held=1, photographs=2
    )


def test_levels_of_a_source_are_those_of_its_pieces_in_one_stream() -> None:
    pool = FootagePool(
        safe=(
            piece([0.9] * 6, name="1", group="x"),
            piece([0.9] * 6, name="2", group="y"),
            piece([0.1] * 6, name="3", group="z", kind=FootageKind.PHOTOGRAPHS),
        ),
        event_clips=(),
    )
    alike = FootagePool(safe=tuple(replace(one, origin="o") for one in pool.safe), event_clips=())

    assert [len(one.highest) for one in source_levels(pool, FIGHT, POLICY)] == [2, 2, 1]
    assert [len(one.highest) for one in source_levels(alike, FIGHT, POLICY)] == [3, 1]


def test_events_reach_levels_that_calm_footage_does_not() -> None:
    pool = build_pool(recordings_of_cameras(30))
    levels = source_levels(pool, FIGHT, POLICY)
    events = event_levels(pool.event_clips, FIGHT, POLICY)

    fitted = fit_safe_level(levels, SafeLevelLimits(rate=10.0))

    assert len(events) == 30
    assert all(event.level > fitted.level for event in events)
