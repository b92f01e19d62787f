"""A child that its input has taken over lies in every way that a review found: it harms its own
stream, and no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import pytest

from samples.facts import SampleFile
from scanner.compose import compose, decode_request, load_configured_scorers
from scanner.pipeline.worker import LocalRunner, SegmentWorker, StreamWorker
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.sandbox import Sandbox
from scanner.settings.sections import ModelSettings, Settings
from scanner.stream.events import SegmentFailed
from scanner.stream.inputs import Job, SegmentTurn, Turn
from scanner.types import Segment, SegmentKey, StreamId
from tests.sandbox.hostile_tasks import TASKS, window_message
from tests.workers.pool_fakes import by_stream, ended

PROGRAM = compose(Settings(models=ModelSettings(names=())))
"""The test card only."""
LIES: dict[str, Sequence[bytes]] = {
    "a sample beyond its window": [window_message(samples=[[10**7, 1, 0, True]])],
    "more windows than one segment has": [
        window_message(index=n, begins=[n, 1], last=False) for n in range(3)
    ],
    "a still after a window": [
        window_message(last=False),
        window_message(
            index=1, begins=[1, 1], info=["a", "b", 1, 1, True], times=[0, 0, 0, 1, 1, 90, 33]
        ),
    ],
    "a last frame that lies centuries after its window": [
        window_message(times=[0, 2**33 - 1, 1, 1, 1, 1, 33], has_keyframe=False)
    ],
    "a fraction that takes forever to read": [window_message(begins=["1e1000000000", 1])],
    "an infinite time": [window_message().replace(b"1920", b"1e400")],
    "an error line of megabytes": [
        json.dumps({"call": 1, "error": ["DamagedError", "damaged", "x" * 1_900_000]}).encode()
    ],
    "a kind of its own": [
        json.dumps({"call": 1, "error": ["DamagedError", "all_clear", "x"]}).encode()
    ],
    "an error of the operator": [
        json.dumps({"call": 1, "error": ["SetupError", "setup", "x"]}).encode()
    ],
    "the end of another call": [json.dumps({"call": 2, "end": True}).encode()],
    "no window at all": [json.dumps({"call": 1, "end": True}).encode()],
    "a window twice": [window_message(), window_message()],
    "a second request for memory": [json.dumps({"call": 1, "large": True}).encode()] * 2,
    "a request for memory of another call": [json.dumps({"call": 2, "large": True}).encode()],
    "nested without end": [b"[" * 100_000],
}


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[[Sequence[Turn]], dict[StreamId, list[str]]]]:
    """Run turns as a scan does, in children that a source of the form ``LIE`` takes over."""
    limits = SandboxLimits(wall_seconds=1.0)
    scorers = load_configured_scorers(PROGRAM.settings)
    with Sandbox(limits, tasks=TASKS) as sandbox:
        request = decode_request(PROGRAM.settings, scorers)
        worker = SegmentWorker(sandbox, scorers, request, PROGRAM.settings.reuse)
        runner = LocalRunner(StreamWorker(worker.score, PROGRAM.policies))
        yield lambda turns: by_stream(runner.run(turns))


def turn_of(source: bytes, stream: str, sequence: int, *, windowed: bool = False) -> SegmentTurn:
    key = SegmentKey(stream_id=StreamId(stream), sequence=sequence)
    return SegmentTurn(
        job=Job(segment=Segment(key=key, source=source), name=str(key), windowed=windowed)
    )


@pytest.mark.parametrize("windowed", [False, True], ids=["segment", "file"])
@pytest.mark.parametrize("answers", LIES.values(), ids=LIES)
def test_a_lie_ends_no_scan_and_changes_no_other_stream(
    answers: Sequence[bytes],
    windowed: bool,
    run: Callable[[Sequence[Turn]], dict[StreamId, list[str]]],
    sample_media: Callable[[str], SampleFile],
) -> None:
    honest = sample_media("ts_h264").path.read_bytes()
    alone = ended([turn_of(honest, "honest", number) for number in range(3)])
    lie = b"LIE" + b"\n".join(answers)
    liar = turn_of(lie, "liar", 0, windowed=windowed)

    expected = run(alone)
    found = run(ended([alone[0], liar, *alone[1:3]]))

    assert found[StreamId("honest")] == expected[StreamId("honest")]
    verdicts = found[StreamId("liar")]
    assert any(SegmentFailed.__name__ in line for line in verdicts)
    assert all(len(line) < 4000 for line in verdicts)
