"""An unexpected error, over what one stream's decoder answered, ends that segment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scanner.errors import SetupError
from scanner.pipeline.worker import LocalRunner, ScoreJob, StreamWorker
from scanner.risk.policy import Policies
from scanner.stream.advance import advance
from scanner.stream.burst_account import BurstAccount
from scanner.stream.events import SegmentFailed, SegmentScored
from scanner.stream.inputs import Job, Outcome
from scanner.stream.state import StreamState
from tests.workers.pool_fakes import POLICIES, end, scripted, stream_worker


def failing(score: ScoreJob, stream: str, window: int, error: Exception) -> ScoreJob:
    """Return a scorer that raises over one window of a stream."""

    def run(job: Job, first: int, account: BurstAccount) -> Iterator[Outcome]:
        for outcome in score(job, first, account):
            key = outcome.key
            if (key.stream_id, key.sequence) == (stream, window):
                raise error
            yield outcome

    return run


def test_an_unexpected_error_over_one_stream_changes_no_other() -> None:
    score = failing(stream_worker()._score, "bad", 1, OverflowError("int too large"))
    turns = [scripted("good"), scripted("bad", windows=3), scripted("good", 1), end("bad")]

    events = [
        (one.stream_id, event)
        for one in LocalRunner(StreamWorker(score, POLICIES)).run(turns)
        for event in one.events
    ]

    scored = [(s, e.segment.key.sequence) for s, e in events if isinstance(e, SegmentScored)]
    failed = [(s, e.key.sequence, e.kind) for s, e in events if isinstance(e, SegmentFailed)]
    assert scored == [("good", 0), ("bad", 0), ("good", 1)]
    assert failed == [("bad", 1, "unexpected")]


def test_values_that_cannot_be_folded_fail_their_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    def overflow(state: StreamState, part: object, policies: Policies) -> object:
        if getattr(getattr(part, "key", None), "sequence", None) == 1 and hasattr(part, "frames"):
            raise OverflowError("int too large to convert to float")
        return advance(state, part, policies)

    monkeypatch.setattr("scanner.pipeline.worker.advance", overflow)
    turns = [scripted("s", number) for number in range(3)]

    events = [
        event for one in LocalRunner(stream_worker()).run([*turns, end()]) for event in one.events
    ]

    assert [e.segment.key.sequence for e in events if isinstance(e, SegmentScored)] == [0, 2]
    (failed,) = [event for event in events if isinstance(event, SegmentFailed)]
    assert failed.kind == "unexpected"
    assert (
        failed.message == "s/1: unexpected error: OverflowError: int too large to convert to float"
    )


def test_an_error_of_the_operator_ends_the_scan() -> None:
    score = failing(stream_worker()._score, "s", 0, SetupError("no room"))

    with pytest.raises(SetupError):
        list(LocalRunner(StreamWorker(score, POLICIES)).run([scripted("s")]))
