"""Delays, misses and false incidents, computed by hand."""

from __future__ import annotations

from fractions import Fraction
from math import isnan, nan

import numpy as np
import pytest

from scanner.evaluate.streams.assemble import Event, Lead
from scanner.evaluate.streams.footage import Kind
from scanner.evaluate.streams.live import delay_of, fold_stream, incident_rates, outcomes
from scanner.evaluate.streams.outcome import (
    Met,
    Outcomes,
    Watched,
    delay_at,
    more_missed,
    resampled,
    summarised,
)
from scanner.types import Span
from tests.evaluate.streams.made import FIGHT, piece, policies, stream

EVENT = Event(
    label=FIGHT,
    group="g",
    span=Span(start=Fraction(20), end=Fraction(26)),
    lead=Lead.OWN,
    shown=Kind.ORDINARY,
)


def met(*delays: float, group: str = "g", lead: Lead = Lead.OWN) -> tuple[Met, ...]:
    event = Event(label=FIGHT, group=group, span=EVENT.span, lead=lead, shown=Kind.ORDINARY)
    return tuple(Met(event=event, delay=delay) for delay in delays)


@pytest.mark.parametrize(
    ("openings", "delay"),
    [
        ([20], 0.0),
        ([23], 3.0),
        ([36], 16.0),
        ([30, 24], 4.0),
        ([], nan),
        ([19], nan),
        ([37], nan),
        ([19, 22], 2.0),
    ],
)
def test_an_event_is_found_by_what_opens_from_its_onset_to_a_little_after_its_end(
    openings: list[int], delay: float
) -> None:
    assert delay_of(EVENT, [Fraction(at) for at in openings]) == pytest.approx(delay, nan_ok=True)


def test_a_fight_is_found_at_the_second_look_and_the_scene_before_is_not_flagged() -> None:
    shown = stream(
        piece([0.02] * 10),
        piece([0.99] * 4),
        piece([0.02] * 6),
        event=Span(start=Fraction(20), end=Fraction(28)),
    )
    safe = stream(piece([0.02] * 10), name="safe")

    found = outcomes([fold_stream(one, policies()) for one in (shown, safe)], FIGHT)

    assert [one.delay for one in found.met] == [2.0]
    assert [(one.seconds, one.openings) for one in found.watched] == [(20, 0)]


def test_an_incident_that_was_open_before_the_onset_finds_nothing() -> None:
    shown = stream(
        piece([0.99] * 10), piece([0.99] * 4), event=Span(start=Fraction(20), end=Fraction(28))
    )

    assert isnan(outcomes([fold_stream(shown, policies())], FIGHT).met[0].delay)


def test_a_false_incident_is_owed_to_the_piece_that_is_shown_when_it_opens() -> None:
    safe = stream(
        piece([0.02] * 4, name="a"), piece([0.99] * 4, name="b"), piece([0.02] * 4, name="c")
    )

    watched = outcomes([fold_stream(safe, policies())], FIGHT).watched

    assert [one.openings for one in watched] == [0, 1, 0]


def test_labels_in_shadow_deliver_no_incident_and_are_measured_all_the_same() -> None:
    safe = stream(piece([0.99] * 4))

    folded = [fold_stream(safe, policies(shadow=True))]

    assert incident_rates(folded)["ordinary"].count == 0
    assert sum(one.openings for one in outcomes(folded, FIGHT).watched) == 1


def test_a_summary_tells_misses_delays_and_rates() -> None:
    watched = (
        Watched(group="a", kind=Kind.ORDINARY, seconds=Fraction(1800), openings=1),
        Watched(group="b", kind=Kind.GAMES, seconds=Fraction(1800), openings=0),
        Watched(group="c", kind=Kind.PHOTOGRAPHS, seconds=Fraction(8), openings=1),
        Watched(group="d", kind=Kind.PHOTOGRAPHS, seconds=Fraction(8), openings=0),
    )
    found = Outcomes(
        label=FIGHT,
        met=(*met(1.0, 2.0, 3.0, nan, group="a"), *met(5.0, nan, group="b", lead=Lead.GAMES)),
        watched=watched,
    )

    told = summarised(found, rounds=50)

    assert (told.events, told.groups, told.missed.value) == (6, 2, pytest.approx(1 / 3))
    assert (told.median.value, told.soon) == (2.5, 0.5)
    assert (
        told.parts["after own"].missed,
        told.parts["after games"].missed,
        told.parts["after games"].median,
    ) == (1, 1, 5.0)
    assert (told.false["ordinary"].count, told.false["games"].count, told.false["all"].hours) == (
        1,
        0,
        1.0,
    )
    assert told.photographs == (1, 2)


def test_groups_are_drawn_whole() -> None:
    found = Outcomes(
        label=FIGHT, met=(*met(*[1.0] * 50, group="a"), *met(*[nan] * 50, group="b")), watched=()
    )

    missed = summarised(found, rounds=200).missed

    assert (missed.value, missed.low, missed.high) == (0.5, 0.0, 1.0)


def test_one_group_has_no_interval() -> None:
    assert isnan(
        summarised(Outcomes(label=FIGHT, met=met(1.0, nan), watched=()), rounds=10).missed.low
    )


def test_no_event_found_has_no_delay() -> None:
    assert isnan(delay_at(np.array([nan, nan]), 50))


def test_two_operating_points_are_compared_on_the_same_events() -> None:
    one, other = (
        Outcomes(label=FIGHT, met=met(*delays), watched=())
        for delays in ((nan, nan, 1.0, 1.0), (nan, 1.0, 1.0, 1.0))
    )

    assert more_missed(one, other, rounds=10).value == 0.25


def test_the_bootstrap_is_that_of_its_seed() -> None:
    values, groups = np.array([0.0, 1.0, 1.0, 0.0]), ["a", "b", "c", "d"]

    first, second = (
        resampled(lambda drawn: float(drawn.mean()), values, groups, rounds=100, seed=3)
        for _ in range(2)
    )

    assert first == second
