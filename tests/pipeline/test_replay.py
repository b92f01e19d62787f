from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scanner.pipeline.replay import fold, inputs_of_lines
from scanner.report.lines import IncidentLine, dumps, incident_line, read_lines
from scanner.risk.policy import Policies
from scanner.types import Medium
from tests.stream.build import FIRE, POLICIES, arrived, lines, scan_events, segment

SCORES = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4)


@given(st.lists(SCORES, min_size=1, max_size=8), st.sets(st.integers(1, 7)))
def test_recorded_scores_replay_to_the_same_incidents(
    streams: list[list[float]], lost: set[int]
) -> None:
    segments = [
        segment(i, dict(enumerate(scores))) for i, scores in enumerate(streams) if i not in lost
    ]

    found = lines(
        scan_events([arrived(one.key.sequence) for one in segments], *segments, policies=POLICIES)
    )
    again = fold(inputs_of_lines(read_lines(dumps(line) for line in found)), POLICIES)

    assert [incident_line("s", incident) for incident in again] == [
        line for line in found if isinstance(line, IncidentLine)
    ]


MEDIA = st.sampled_from(
    [{}, {Medium.CAMERA: 1.0}, {Medium.SCREEN: 1.0}, {Medium.CAMERA: 0.5, Medium.SCREEN: 0.5}]
)
Stretch = tuple[list[float], dict[float, float], dict[Medium, float]]
"""Scores of a segment's frames, of its bursts by their start, and its medium."""
STRETCHES = st.tuples(SCORES, st.dictionaries(st.integers(0, 3), st.floats(0.0, 1.0)), MEDIA)


@given(st.lists(STRETCHES, min_size=1, max_size=8), st.sets(st.integers(1, 7)), st.booleans())
def test_recorded_bursts_replay_to_the_same_incidents(
    stretches: list[Stretch], lost: set[int], gated: bool
) -> None:
    policies = Policies(
        labels={
            FIRE: replace(POLICIES.labels[FIRE], when=frozenset({Medium.CAMERA}) if gated else None)
        }
    )
    segments = [
        segment(i, dict(enumerate(scores)), bursts=bursts, medium=medium)
        for i, (scores, bursts, medium) in enumerate(stretches)
        if i not in lost
    ]

    found = lines(
        scan_events([arrived(one.key.sequence) for one in segments], *segments, policies=policies)
    )
    again = fold(inputs_of_lines(read_lines(dumps(line) for line in found)), policies)

    assert [incident_line("s", incident) for incident in again] == [
        line for line in found if isinstance(line, IncidentLine)
    ]


def test_a_lower_threshold_gains_an_incident() -> None:
    segments = [segment(i, dict.fromkeys(range(4), 0.8)) for i in range(3)]
    found = lines(
        scan_events([arrived(one.key.sequence) for one in segments], *segments, policies=POLICIES)
    )
    lower = Policies(labels={FIRE: replace(POLICIES.labels[FIRE], open=1.0)})

    observed = inputs_of_lines(found)

    assert (len(fold(observed, POLICIES)), len(fold(observed, lower))) == (0, 1)


def test_stills_are_not_replayed() -> None:
    found = lines(
        scan_events(
            [arrived(last=True)], segment(0, {0: 0.99}, seconds=0, still=True, whole_file=True)
        )
    )

    assert inputs_of_lines(found) == {}
