"""Events and states survive their codecs, and a stream continues from any checkpoint."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples.facts import SampleFile
from scanner.compose import compose, local_runner
from scanner.errors import DamagedError, FormatError, QuarantinedError
from scanner.pipeline.scan import PathFailed, scan
from scanner.records.events import dump_event, load_event
from scanner.records.recording import input_of, read_record, record_line
from scanner.risk.methods import METHODS
from scanner.risk.observation import Signal
from scanner.risk.policy import Policies
from scanner.settings.sections import Settings
from scanner.stream.advance import advance
from scanner.stream.events import StreamEvent
from scanner.stream.inputs import (
    EndTurn,
    LateSegment,
    LostTurn,
    MissingTurn,
    SegmentArrived,
    SignalTurn,
    StallTurn,
    StreamInput,
)
from scanner.stream.state import StreamState
from scanner.types import Medium, Segment, SegmentKey, StreamId
from tests.stream.build import FIRE, POLICIES, STREAM, failed, segment

KINDS = ["scored"] * 6 + ["picture", "failed", "lost", "missing", "late", "signal", "stall"]
"""Kinds of input of a drawn stream, the common one more often."""
SCORES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=4)


@st.composite
def stream_inputs(draw: st.DrawFn) -> list[StreamInput]:
    """Inputs of every kind, in an order that a stream may have."""
    inputs: list[StreamInput] = []
    for sequence in range(draw(st.integers(1, 10))):
        key = SegmentKey(stream_id=STREAM, sequence=sequence)
        scored = segment(
            sequence,
            dict(enumerate(draw(SCORES))),
            bursts=draw(st.dictionaries(st.integers(0, 2), st.floats(0.0, 1.0), max_size=2)),
            medium=draw(st.sampled_from([{}, {Medium.CAMERA: 0.25, Medium.SCREEN: 0.75}])),
            discontinuity=draw(st.booleans()),
        )
        declared: dict[str, Any] = {
            "duration": draw(st.sampled_from([None, Fraction(2), Fraction(1001, 500)])),
            "discontinuity": draw(st.booleans()),
        }
        scored = replace(scored, declared=declared["duration"])
        match draw(st.sampled_from(KINDS)):
            case "scored":
                inputs.append(scored)
            case "picture":
                inputs.append(segment(sequence, {0: 0.5}, seconds=0, first_pts=0, still=True))
            case "failed":
                torn = failed(sequence, DamagedError("s: torn"))
                inputs.append(replace(torn, **declared))
            case "lost":
                kind = draw(st.sampled_from([None, "transient"]))
                inputs.append(LostTurn(key=key, kind=kind, **declared))
            case "missing":
                inputs.append(MissingTurn(stream_id=STREAM, first=sequence, last=sequence))
            case "late":
                quarantined = failed(sequence, QuarantinedError("s: twice"))
                inputs.append(LateSegment(outcome=draw(st.sampled_from([scored, quarantined]))))
            case "signal":
                at = Fraction(draw(st.integers(0, 50)))
                signal = Signal(at=at, name="chat", ratio=20.0, until=at + 9)
                inputs.append(SignalTurn(stream_id=STREAM, signal=signal))
            case "stall":
                inputs.append(StallTurn(stream_id=STREAM))
    return [*inputs, EndTurn(stream_id=STREAM, path="s")]


def folded(inputs: list[StreamInput], policies: Policies = POLICIES) -> list[StreamEvent]:
    state, events = StreamState.new(STREAM), list[StreamEvent]()
    for given_ in inputs:
        state, caused = advance(state, given_, policies)
        events += caused
    return events


@given(stream_inputs())
def test_every_event_is_read_as_it_was_written(inputs: list[StreamInput]) -> None:
    events = folded(inputs)

    rows = [record_line("path", STREAM, event) for event in events]

    assert list(read_record(rows)) == [("path", STREAM, event) for event in events]


@given(stream_inputs())
def test_events_give_back_the_inputs_that_caused_them(inputs: list[StreamInput]) -> None:
    events = folded(inputs)

    assert [one for event in events if (one := input_of(event, path="s")) is not None] == inputs


@given(stream_inputs(), st.sampled_from(sorted(METHODS)))
def test_a_stream_continues_from_the_checkpoint_after_any_input(
    inputs: list[StreamInput], method: str
) -> None:
    policies = Policies(labels={FIRE: replace(POLICIES.labels[FIRE], method=method)})
    state, events = StreamState.new(STREAM), list[StreamEvent]()
    for given_ in inputs:
        state, caused = advance(state, given_, policies)
        events += caused
        text = json.dumps(state.to_json())
        restored = StreamState.from_json(json.loads(text))
        assert restored == state
        assert json.dumps(restored.to_json()) == text
        state = restored

    assert events == folded(inputs, policies)


CONTINUE = """
import json, sys
from scanner.records.events import dump_event, load_event
from scanner.records.recording import input_of
from scanner.risk.policy import Policies, Policy
from scanner.stream.advance import advance
from scanner.stream.state import StreamState

given = json.load(sys.stdin)
labels = {"fire": Policy(category="hazard", severity=2, open=2.0)}
state, out = StreamState.from_json(given["state"]), []
for row in given["events"]:
    one = input_of(load_event(row), path="s")
    if one is not None:
        state, caused = advance(state, one, Policies(labels=labels))
        out += [dump_event(event) for event in caused]
print(json.dumps(out))
heavy = {"numpy", "av", "cv2", "onnxruntime", "ray", "httpx"} & sys.modules.keys()
assert not heavy, heavy
"""


def test_a_fresh_process_without_a_media_library_continues_to_the_same_bytes() -> None:
    burning, quiet = dict.fromkeys(range(4), 0.99), dict.fromkeys(range(4), 0.01)
    scores = [quiet, burning, burning, quiet, quiet, quiet, quiet]
    inputs: list[StreamInput] = [segment(i, one) for i, one in enumerate(scores)]
    inputs.append(EndTurn(stream_id=STREAM, path="s"))
    state = StreamState.new(STREAM)
    for one in inputs[:3]:
        state, _ = advance(state, one, POLICIES)
    later = state
    rest: list[StreamEvent] = []
    for one in inputs[3:]:
        later, caused = advance(later, one, POLICIES)
        rest += caused

    result = {"state": state.to_json(), "events": [dump_event(event) for event in rest]}
    run = subprocess.run(
        [sys.executable, "-c", CONTINUE],
        input=json.dumps(result),
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.strip() == json.dumps([dump_event(event) for event in rest])


@pytest.mark.parametrize("name", ["mp4_h264_b_frames", "ts_wrap"])
def test_a_recorded_scan_replays_to_the_same_events(
    name: str, sample_media: Callable[[str], SampleFile]
) -> None:
    path = sample_media(name).path
    program = compose(Settings())
    key = SegmentKey(stream_id=StreamId("clip"), sequence=0)
    arrival = SegmentArrived(
        path="clip",
        segment=Segment(key=key, source=Path(path)),
        name="clip",
        windowed=True,
        last=True,
    )
    with local_runner(program) as runner:
        events = [one.event for one in scan([arrival], runner)]
    kept = [event for event in events if not isinstance(event, PathFailed)]

    read = [event for *_, event in read_record(record_line("clip", key.stream_id, e) for e in kept)]
    inputs = [one for event in read if (one := input_of(event, path="clip")) is not None]
    state, again = StreamState.new(key.stream_id), list[StreamEvent]()
    for one in inputs:
        state, caused = advance(state, one, program.policies)
        again += caused

    assert again == kept


@pytest.mark.parametrize("row", ["", "{}", "[1]", '{"v": 2}', '{"v": 1, "path": "a"}', "\0"])
def test_a_row_that_is_no_record_is_refused(row: str) -> None:
    if not row:
        assert list(read_record([row])) == []
        return
    with pytest.raises(FormatError, match="record"):
        list(read_record([row]))


def test_a_state_of_another_version_is_refused() -> None:
    data = StreamState.new(STREAM).to_json()

    with pytest.raises(FormatError, match="version 1, this release reads 2"):
        StreamState.from_json({**data, "version": 1})


def test_a_state_with_a_float_for_a_time_is_refused() -> None:
    data = StreamState.new(STREAM).to_json()
    data["clock"]["end"] = [0.5, 1]

    with pytest.raises(FormatError, match="two integers"):
        StreamState.from_json(data)


def test_an_event_that_is_loaded_equals_the_one_that_was_dumped() -> None:
    (event, *_) = folded([segment(0, {0: 0.5})])

    assert load_event(json.loads(json.dumps(dump_event(event)))) == event


def test_damaged_pictures_are_recorded_and_not_folded() -> None:
    intact = segment(0, {0: 0.5})
    with_damage = replace(intact, damaged=segment(0, {1: 0.99}).frames)

    (event, *others), (expected, *expected_others) = folded([with_damage]), folded([intact])

    assert others == expected_others
    assert load_event(json.loads(json.dumps(dump_event(event)))) == event
    assert event == replace(expected, segment=with_damage)  # type: ignore[call-arg]
