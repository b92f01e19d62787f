from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import FormatError
from scanner.pipeline.replay import (
    StillChange,
    compare_stills,
    fold,
    inputs_of_lines,
    inputs_of_record,
)
from scanner.pipeline.scan import PathFailed, ScanEvent
from scanner.records.recording import read_record, record_line
from scanner.report.line_text import dumps, read_lines
from scanner.report.lines import IncidentLine, SummaryLine, incident_line
from scanner.risk.policy import Policies
from scanner.types import Medium
from tests.stream.build import FIRE, POLICIES, STREAM, arrived, lines, scan_events, segment

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

    assert [incident_line("s", incident) for incident in again.incidents] == [
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

    assert [incident_line("s", incident) for incident in again.incidents] == [
        line for line in found if isinstance(line, IncidentLine)
    ]


def test_a_lower_threshold_gains_an_incident() -> None:
    segments = [segment(i, dict.fromkeys(range(4), 0.8)) for i in range(3)]
    found = lines(
        scan_events([arrived(one.key.sequence) for one in segments], *segments, policies=POLICIES)
    )
    lower = Policies(labels={FIRE: replace(POLICIES.labels[FIRE], open=1.0)})

    observed = inputs_of_lines(found)

    before, after = fold(observed, POLICIES), fold(observed, lower)

    assert (len(before.incidents), len(after.incidents)) == (0, 1)


def rows_of(events: Iterable[ScanEvent]) -> list[str]:
    return [
        record_line("s", STREAM, one.event)
        for one in events
        if not isinstance(one.event, PathFailed)
    ]


def test_a_still_is_judged_again_by_its_scores() -> None:
    still = segment(0, {0: 0.99}, seconds=0, still=True, whole_file=True)
    events = scan_events([arrived(last=True)], still)
    rows = rows_of(events)
    strict = Policies(labels={FIRE: replace(POLICIES.labels[FIRE], still=0.995)})

    for recorded in (inputs_of_lines(lines(events)), inputs_of_record(read_record(rows))):
        before, after = fold(recorded, POLICIES), fold(recorded, strict)

        assert (before.stills, after.stills) == ({STREAM: (FIRE,)}, {STREAM: ()})
        assert compare_stills(before, after) == (
            StillChange(stream_id=STREAM, change="lost", labels=(FIRE,)),
        )
        assert [change.change for change in compare_stills(after, before)] == ["gained"]


def test_a_stream_whose_scan_was_interrupted_ends_with_what_was_recorded() -> None:
    segments = [segment(i, dict.fromkeys(range(4), 0.99)) for i in range(3)]
    events = scan_events([arrived(one.key.sequence) for one in segments], *segments)
    rows = rows_of(events)

    for recorded in (
        inputs_of_lines(line for line in lines(events) if not isinstance(line, SummaryLine)),
        inputs_of_record(read_record(rows[:-2])),
    ):
        assert not recorded[STREAM].complete
        assert len(fold(recorded, POLICIES).incidents) == 1


def test_a_stream_that_was_recorded_twice_is_refused() -> None:
    events = scan_events([arrived(last=True)], segment(0, dict.fromkeys(range(4), 0.99)))
    rows = rows_of(events)

    with pytest.raises(FormatError, match="more than once"):
        inputs_of_record(read_record([*rows, *rows]))
    with pytest.raises(FormatError, match="more than once"):
        inputs_of_lines([*lines(events), *lines(events)])
