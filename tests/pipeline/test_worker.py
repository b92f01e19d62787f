from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from scanner.errors import DamagedError, DecoderDiedError
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.pipeline.worker import SegmentWorker
from scanner.scoring.options import Reuse
from scanner.stream.inputs import FailedSegment, Job, Outcome
from scanner.types import MediaInfo, ScoredSegment, Segment, SegmentKey, SegmentTimes, StreamId

WINDOWS = 4


class FakeSandbox:
    """A decoder of four windows that dies ``deaths[n]`` times at window *n*."""

    def __init__(self, deaths: dict[int, int], error: Exception | None = None) -> None:
        self._deaths = dict(deaths)
        self._error = error
        self.requests: list[tuple[int, Fraction | None]] = []

    def new_budget(self) -> None:
        return None

    def decode(
        self,
        source: Any,
        request: DecodeRequest,
        *,
        name: str,
        stream: str | None = None,
        init: Any = None,
        previous: Any = (),
        ahead: bool = True,
        budget: object = None,
    ) -> Iterator[DecodedWindow]:
        self.requests.append((request.first_window, request.window))
        for index in range(request.first_window, WINDOWS):
            if self._error is not None:
                raise self._error
            if self._deaths.get(index, 0) > 0:
                self._deaths[index] -= 1
                raise DecoderDiedError(f"{name}: decoder took too long", kind="limit_time")
            times = SegmentTimes(
                first_pts=index, last_pts=index, duration=Fraction(1), time_base=Fraction(1)
            )
            info = MediaInfo(container="mp4", codec="h264", width=2, height=2)
            yield DecodedWindow(
                index=index,
                times=times,
                samples=(),
                unseen=(),
                info=info,
                last=index == WINDOWS - 1,
            )


def work(sandbox: FakeSandbox, *, windowed: bool = True) -> list[Outcome]:
    worker = SegmentWorker(sandbox, (), DecodeRequest(specs=()), Reuse())  # type: ignore[arg-type]
    key = SegmentKey(stream_id=StreamId("s"), sequence=10)
    job = Job(segment=Segment(key=key, source=Path("s.mp4")), name="s.mp4", windowed=windowed)
    return list(worker.score(job))


def results_of(outcomes: list[Outcome]) -> list[object]:
    """Return the sequence of each scored segment and the kind of each failure."""
    return [
        outcome.key.sequence if isinstance(outcome, ScoredSegment) else outcome.kind
        for outcome in outcomes
    ]


def test_windows_of_a_file_are_numbered_from_its_sequence() -> None:
    outcomes = work(FakeSandbox({}))

    assert results_of(outcomes) == [10, 11, 12, 13]
    assert [outcome.last for outcome in outcomes if isinstance(outcome, ScoredSegment)] == [
        False,
        False,
        False,
        True,
    ]


def test_a_decoder_that_died_once_is_resumed_at_its_window() -> None:
    sandbox = FakeSandbox({2: 1})

    outcomes = work(sandbox)

    assert results_of(outcomes) == [10, 11, 12, 13]
    assert [first for first, _ in sandbox.requests] == [0, 2]


def test_a_window_that_kills_its_decoder_twice_is_quarantined_and_the_file_continues() -> None:
    outcomes = work(FakeSandbox({1: 2}))

    assert results_of(outcomes) == [10, "limit_time", 12, 13]
    (failed,) = [outcome for outcome in outcomes if isinstance(outcome, FailedSegment)]
    assert failed.quarantined


def test_a_source_whose_next_window_kills_too_is_given_up() -> None:
    sandbox = FakeSandbox({1: 9, 2: 9})

    assert results_of(work(sandbox)) == [10, "limit_time", "limit_time"]
    assert len(sandbox.requests) == 3


def test_two_separate_bad_windows_are_both_quarantined() -> None:
    assert results_of(work(FakeSandbox({0: 2, 2: 2}))) == ["limit_time", 11, "limit_time", 13]


def test_a_segment_that_kills_its_decoder_twice_is_quarantined_and_not_tried_again() -> None:
    sandbox = FakeSandbox({0: 9})

    assert results_of(work(sandbox, windowed=False)) == ["limit_time"]
    assert sandbox.requests == [(0, None), (0, None)]


def test_an_input_error_is_never_retried() -> None:
    sandbox = FakeSandbox({}, DamagedError("s.mp4: torn"))

    assert results_of(work(sandbox)) == ["damaged"]
    assert len(sandbox.requests) == 1
