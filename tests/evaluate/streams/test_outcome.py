"""Delays, misses and false incidents, computed by hand."""

from __future__ import annotations

from fractions import Fraction
from math import isnan, nan

import numpy as np
import pytest

from scanner.evaluate.streams.assemble import EventLead, StagedEvent
from scanner.evaluate.streams.folding import delay_of, fold_stream, incident_rates, label_outcomes
from scanner.evaluate.streams.outcome import (
    EventOutcome,
    LabelOutcomes,
    PieceOutcome,
    delay_percentile,
    more_missed,
    resample,
    summarize,
)
from scanner.evaluate.streams.pieces import FootageKind
from scanner.types import Span
from tests.evaluate.streams.build import FIGHT, piece, policies, stream

EVENT = StagedEvent(
    label=FIGHT,
    group="g",
    span=Span(start=Fraction(20), end=Fraction(26)),
    lead=EventLead.OWN,
    shown=FootageKind.ORDINARY,
)


def events(
    *delays: float, group: str = "g", lead: EventLead = EventLead.OWN
) -> tuple[EventOutcome, ...]:
    event = StagedEvent(
        label=FIGHT, group=group, span=EVENT.span, lead=lead, shown=FootageKind.ORDINARY
    )
    return tuple(EventOutcome(event=event, delay=delay) for delay in delays)


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
def test_an_event_is_detected_by_an_opening_from_its_onset_to_shortly_after_its_end(
    openings: list[int], delay: float
) -> None:
    assert delay_of(EVENT, [Fraction(at) for at in openings]) == pytest.approx(delay, nan_ok=True)


def test_a_fight_is_detected_at_the_second_sample_and_the_scene_before_is_not_flagged() -> None:
    shown = stream(
        piece([0.02] * 10),
        piece([0.99] * 4),
        piece([0.02] * 6),
        event=Span(start=Fraction(20), end=Fraction(28)),
    )
    safe = stream(piece([0.02] * 10), name="safe")

    found = label_outcomes([fold_stream(one, policies()) for one in (shown, safe)], FIGHT)

    assert [one.delay for one in found.events] == [2.0]
    assert [(one.seconds, one.openings) for one in found.pieces_watched] == [(20, 0)]


def test_an_incident_that_was_open_before_the_onset_detects_nothing() -> None:
    shown = stream(
        piece([0.99] * 10), piece([0.99] * 4), event=Span(start=Fraction(20), end=Fraction(28))
    )

    assert isnan(label_outcomes([fold_stream(shown, policies())], FIGHT).events[0].delay)


def test_a_false_incident_counts_for_the_piece_at_its_opening() -> None:
    safe = stream(
        piece([0.02] * 4, name="a"), piece([0.99] * 4, name="b"), piece([0.02] * 4, name="c")
    )

    pieces_watched = label_outcomes([fold_stream(safe, policies())], FIGHT).pieces_watched

    assert [one.openings for one in pieces_watched] == [0, 1, 0]


def test_labels_in_shadow_deliver_no_incident_and_are_measured() -> None:
    safe = stream(piece([0.99] * 4))

    folded = [fold_stream(safe, policies(shadow=True))]

    assert incident_rates(folded)["ordinary"].count == 0
    assert sum(one.openings for one in label_outcomes(folded, FIGHT).pieces_watched) == 1


def test_a_summary_has_misses_delays_and_rates() -> None:
    pieces_watched = (
        PieceOutcome(group="a", kind=FootageKind.ORDINARY, seconds=Fraction(1800), openings=1),
        PieceOutcome(group="b", kind=FootageKind.GAMES, seconds=Fraction(1800), openings=0),
        PieceOutcome(group="c", kind=FootageKind.PHOTOGRAPHS, seconds=Fraction(8), openings=1),
        PieceOutcome(group="d", kind=FootageKind.PHOTOGRAPHS, seconds=Fraction(8), openings=0),
    )
    found = LabelOutcomes(
        label=FIGHT,
        events=(
            *events(1.0, 2.0, 3.0, nan, group="a"),
            *events(5.0, nan, group="b", lead=EventLead.GAMES),
        ),
        pieces_watched=pieces_watched,
    )

    on_progress = summarize(found, rounds=50)

    assert (on_progress.events, on_progress.groups, on_progress.missed.value) == (
        6,
        2,
        pytest.approx(1 / 3),
    )
    assert (on_progress.median.value, on_progress.soon) == (2.5, 0.5)
    assert (
        on_progress.parts["after own"].missed,
        on_progress.parts["after games"].missed,
        on_progress.parts["after games"].median,
    ) == (1, 1, 5.0)
    assert (
        on_progress.false["ordinary"].count,
        on_progress.false["games"].count,
        on_progress.false["all"].hours,
    ) == (
        1,
        0,
        1.0,
    )
    assert on_progress.photographs == (1, 2)


def test_whole_groups_are_resampled() -> None:
    found = LabelOutcomes(
        label=FIGHT,
        events=(*events(*[1.0] * 50, group="a"), *events(*[nan] * 50, group="b")),
        pieces_watched=(),
    )

    missed = summarize(found, rounds=200).missed

    assert (missed.value, missed.low, missed.high) == (0.5, 0.0, 1.0)


def test_one_group_has_no_interval() -> None:
    assert isnan(
        summarize(
            LabelOutcomes(label=FIGHT, events=events(1.0, nan), pieces_watched=()), rounds=10
        ).missed.low
    )


def test_without_a_detected_event_there_is_no_delay() -> None:
    assert isnan(delay_percentile(np.array([nan, nan]), 50))


def test_two_operating_points_are_compared_on_the_same_events() -> None:
    one, other = (
        LabelOutcomes(label=FIGHT, events=events(*delays), pieces_watched=())
        for delays in ((nan, nan, 1.0, 1.0), (nan, 1.0, 1.0, 1.0))
    )

    assert more_missed(one, other, rounds=10).value == 0.25


def test_a_seed_determines_the_bootstrap() -> None:
    values, groups = np.array([0.0, 1.0, 1.0, 0.0]), ["a", "b", "c", "d"]

    first, second = (
        resample(lambda drawn: float(drawn.mean()), values, groups, rounds=100, seed=3)
        for _ in range(2)
    )

    assert first == second
