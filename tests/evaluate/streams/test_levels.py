"""The sweep gives the same levels and openings as the product's own fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.evaluate.streams.assemble import AssembledStream
from scanner.evaluate.streams.folding import fold_stream
from scanner.evaluate.streams.levels import compute_levels, find_openings, label_samples
from scanner.risk.fold import fold_observation
from scanner.risk.methods import METHODS
from scanner.risk.observation import Sampled
from scanner.risk.policy import Policies
from scanner.risk.stream import StreamRisk
from scanner.types import Medium, StreamId
from tests.evaluate.streams.build import FIGHT, piece, policies, stream

THRESHOLDS = np.array([-1.0, 0.0, 1.0, 2.3, 4.0])
steps = st.sampled_from(
    [Fraction(1, 2), Fraction(1), Fraction(1501, 1000), Fraction(2), Fraction(3)]
)
media = st.sampled_from(
    [{}, {Medium.CAMERA: 1.0}, {Medium.RENDERED: 1.0}, {Medium.CAMERA: 0.375, Medium.SCREEN: 0.625}]
)


@st.composite
def made_streams(draw: st.DrawFn, most: int = 40) -> AssembledStream:
    """One long piece: samples at any times, some cuts by joining two, some bursts, some samples
    without a score of the label."""
    return stream(*(draw(_pieces(most // 2)) for _ in range(draw(st.integers(1, 2)))))


@st.composite
def _pieces(draw: st.DrawFn, most: int) -> object:
    at, samples = Fraction(0), []
    for _ in range(draw(st.integers(1, most))):
        values = (
            {FIGHT: draw(st.sampled_from([0.0, 0.1, 0.6, 0.8, 0.95, 0.999, 1.0]))}
            if draw(st.integers(0, 5))
            else {}
        )
        samples.append(
            Sampled(at=at, values=values, medium=draw(media), is_burst=draw(st.integers(0, 5)) == 0)
        )
        at += draw(steps)
    return replace(piece([0.0]), samples=tuple(samples), length=at)


def by_the_fold(assembled: AssembledStream, rules: Policies) -> list[float | None]:
    """The label's level after each sample of it."""
    risk, levels = StreamRisk(stream_id=StreamId("s")), []
    for observation in assembled.samples():
        before = risk.labels[FIGHT].at if FIGHT in risk.labels else None
        risk, _ = fold_observation(risk, observation, rules)
        if FIGHT in risk.labels and risk.labels[FIGHT].at != before:
            levels.append(risk.labels[FIGHT].level)
    return levels


def openings(
    assembled: AssembledStream, rules: Policies, thresholds: Sequence[float]
) -> list[list[Fraction]]:
    """When the sweep says that an incident opens, for each threshold."""
    policy = rules.labels[FIGHT]
    swept = list(
        find_openings(
            compute_levels(label_samples(assembled, FIGHT, policy), policy),
            policy,
            np.array(thresholds),
            rules.max_gap,
        )
    )
    return [
        [Fraction(at, 1000) for at, rising in swept if rising[index]]
        for index in range(len(thresholds))
    ]


@pytest.mark.parametrize("method", sorted(METHODS))
@settings(max_examples=40, deadline=None)
@given(assembled=made_streams(), camera_only=st.booleans())
def test_levels_equal_those_of_the_fold(
    method: str, assembled: AssembledStream, camera_only: bool
) -> None:
    rules = policies(
        method=method, open=99.0, when=frozenset({Medium.CAMERA}) if camera_only else None
    )

    assert list(
        compute_levels(
            label_samples(assembled, FIGHT, rules.labels[FIGHT]), rules.labels[FIGHT]
        ).levels
    ) == by_the_fold(assembled, rules)


@pytest.mark.parametrize("method", ["dwell", "k_of_n", "median", "decay"])
@settings(max_examples=40, deadline=None)
@given(assembled=made_streams(), camera_only=st.booleans())
def test_incidents_open_at_the_same_times_as_in_the_fold(
    method: str, assembled: AssembledStream, camera_only: bool
) -> None:
    rules = [
        policies(
            method=method,
            open=float(threshold),
            when=frozenset({Medium.CAMERA}) if camera_only else None,
        )
        for threshold in THRESHOLDS
    ]

    by_fold = [[at for _, at in fold_stream(assembled, one).openings] for one in rules]

    assert openings(assembled, rules[0], THRESHOLDS) == by_fold


def test_an_incident_that_has_closed_opens_again() -> None:
    assembled = stream(piece([0.99] * 3 + [0.01] * 15 + [0.99] * 3))

    assert openings(assembled, policies(), [2.0]) == [[2, 38]]


def test_an_incident_opens_at_the_second_sample_that_supports_it() -> None:
    assembled = stream(piece([0.01] * 4 + [0.9] * 4))

    assert openings(assembled, policies(), [2.0, 2.3]) == [[10], []]


def test_times_that_are_not_whole_milliseconds_are_refused() -> None:
    assembled = stream(
        replace(piece([0.9]), samples=(replace(piece([0.9]).samples[0], at=Fraction(1, 3)),))
    )

    with pytest.raises(ValueError, match="whole milliseconds"):
        compute_levels(
            label_samples(assembled, FIGHT, policies().labels[FIGHT]), policies().labels[FIGHT]
        )
