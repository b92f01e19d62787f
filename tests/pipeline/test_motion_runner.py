"""A worker with burst models: which bursts it requests, and how it continues after a death."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scanner.errors import DamagedError, DecoderDiedError, SetupError
from scanner.media.request import BurstRequest, DecodeRequest
from scanner.media.samples import DecodedBursts, DecodedWindow, Sample
from scanner.pipeline.worker import SegmentWorker
from scanner.scoring.options import MAX_BUDGET, BurstSelection, Reuse
from scanner.scoring.scorer import Scorer
from scanner.stream.burst_account import BurstAccount
from scanner.stream.inputs import Job, Outcome
from scanner.testing.scorers import FakeScorer
from scanner.types import (
    Burst,
    FrameSpec,
    Gate,
    Label,
    MediaInfo,
    Medium,
    ScoredFrame,
    ScoredSegment,
    Segment,
    SegmentKey,
    SegmentTimes,
    StreamId,
)

FIGHT, GUN = Label("fight"), Label("gun")
FRAME = FrameSpec(width=8, height=8)
BURST = FrameSpec(width=8, height=8, burst=Burst(frames=4, rate=2))
WINDOWS = 3
ALL = BurstSelection(base_rate=1.0, budget=MAX_BUDGET)
NONE = BurstSelection(base_rate=0.0, budget=MAX_BUDGET)


def image(spec: FrameSpec, level: float) -> Any:
    return np.full(spec.shape, round(level * 255), np.uint8)


class FakeWindows(Iterator[DecodedWindow]):
    def __init__(self, sandbox: FakeSandbox, first: int) -> None:
        self._sandbox = sandbox
        self._indices = iter(range(first, len(sandbox.levels)))
        self._index = first

    def __next__(self) -> DecodedWindow:
        self._index = next(self._indices)
        self._sandbox.may_die(self._index, "window")
        times = SegmentTimes(
            first_pts=0, last_pts=1800, duration=Fraction(2), time_base=Fraction(1, 900)
        )
        images = {FRAME: image(FRAME, self._sandbox.levels[self._index])}
        samples = tuple(
            Sample(at=Fraction(at), pts=at * 900, keyframe=True, images=images) for at in (0, 1)
        )
        info = MediaInfo(container="mp4", codec="h264", width=8, height=8)
        return DecodedWindow(
            index=self._index,
            times=times,
            samples=samples,
            unseen=(),
            info=info,
            last=self._index == len(self._sandbox.levels) - 1,
        )

    def bursts(self, request: BurstRequest) -> DecodedBursts:
        self._sandbox.requested.append(self._index)
        self._sandbox.requests.append(request)
        self._sandbox.may_die(self._index, "burst")
        made = Sample(
            at=Fraction(3, 2),
            pts=1350,
            keyframe=False,
            images={BURST: image(BURST, 0.9)},
            start=Fraction(0),
        )
        frames = self._sandbox.frames_per_burst
        allowed = request.max_frames is None or request.at_least_one
        if allowed or frames + request.frames_per_burst <= (request.max_frames or 0):
            return DecodedBursts(samples=(made,), frames=frames)
        return DecodedBursts()


class FakeSandbox:
    """A decoder of three windows that dies or raises at given windows, or at their bursts."""

    def __init__(
        self,
        *levels: float,
        deaths: dict[tuple[int, str], int] | None = None,
        error: Exception | None = None,
    ) -> None:
        self.levels = levels or (0.0,) * WINDOWS
        self._deaths = dict(deaths or {})
        self._error = error or DecoderDiedError("clip: decoder died")
        self.requested: list[int] = []
        self.requests: list[BurstRequest] = []
        self.frames_per_burst = 10
        self.calls: list[tuple[int, bool]] = []

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
    ) -> FakeWindows:
        self.calls.append((request.first_window, ahead))
        return FakeWindows(self, request.first_window)

    def may_die(self, index: int, when: str) -> None:
        if self._deaths.get((index, when), 0) > 0:
            self._deaths[index, when] -= 1
            raise self._error


def frames_model(*labels: str, **more: Any) -> FakeScorer:
    return FakeScorer(
        *(labels or ("fight", "gun")),
        spec=FRAME,
        name="frames",
        media=(Medium.CAMERA, Medium.SCREEN),
        **more,
    )


def bursts_model(*labels: str, name: str = "bursts", **more: Any) -> FakeScorer:
    return FakeScorer(*(labels or ("fight",)), spec=BURST, name=name, **more)


def work(
    sandbox: FakeSandbox,
    *scorers: Scorer,
    selection: BurstSelection = ALL,
    live: frozenset[Label] = frozenset(),
    first_window: int = 0,
    account: BurstAccount | None = None,
) -> list[Outcome]:
    worker = SegmentWorker(
        sandbox,  # type: ignore[arg-type]
        scorers or (frames_model(), bursts_model()),
        DecodeRequest(specs=(FRAME, BURST)),
        Reuse(),
        selection,
        live,
    )
    key = SegmentKey(stream_id=StreamId("s"), sequence=0)
    job = Job(segment=Segment(key=key, source=Path("clip.mp4")), name="clip", windowed=True)
    return list(worker.score(job, first_window, account))


def frames_of(outcomes: list[Outcome]) -> list[ScoredFrame]:
    return [
        frame
        for outcome in outcomes
        if isinstance(outcome, ScoredSegment)
        for frame in outcome.frames
    ]


def results_of(outcomes: list[Outcome]) -> list[object]:
    return [o.key.sequence if isinstance(o, ScoredSegment) else o.kind for o in outcomes]


def test_each_model_is_given_its_own_inputs() -> None:
    frames, bursts = frames_model(), bursts_model()

    work(FakeSandbox(0.1, 0.2, 0.3), frames, bursts)

    assert frames.scored_times == [0, 0, 0]  # the second frame of each window is like its first
    assert bursts.scored_times == [Fraction(3, 2)] * 3


def test_a_burst_is_in_order_of_time_with_the_medium_of_its_frames_and_supersedes_them() -> None:
    first, second, burst, *_ = frames_of(work(FakeSandbox(0.5, 0.5, 0.5)))

    assert [first.at, second.at, burst.at] == [0, 1, Fraction(3, 2)]
    assert (burst.burst, burst.start, burst.medium) == (
        BURST.burst,
        0,
        {Medium.CAMERA: 1.0, Medium.SCREEN: 0.0},
    )
    assert burst.values == {FIGHT: pytest.approx(0.9, abs=0.01)}
    assert set(first.values) == {GUN}
    assert first.superseded_values == {FIGHT: pytest.approx(0.5, abs=0.01)}


def test_bursts_are_requested_only_of_segments_that_pass_the_gate() -> None:
    sandbox = FakeSandbox(0.1, 0.8, 0.1)

    outcomes = work(
        sandbox, frames_model(), bursts_model(gate=Gate(label=FIGHT, above=0.5)), selection=NONE
    )

    assert sandbox.requested == [1]
    assert [frame.burst is None for frame in frames_of(outcomes)] == [
        True,
        True,
        True,
        True,
        False,
        True,
        True,
    ]
    assert all(set(frame.values) == {FIGHT, GUN} for frame in frames_of(outcomes)[:2])


def test_without_a_burst_model_no_bursts_are_requested() -> None:
    sandbox = FakeSandbox(0.9, 0.9, 0.9)

    work(sandbox, frames_model())

    assert sandbox.requested == []


def test_a_model_runs_by_its_own_gate_only() -> None:
    early, late = (
        bursts_model("fight", name=name, gate=Gate(label=FIGHT, above=above))
        for name, above in (("early", 0.2), ("late", 0.7))
    )

    work(FakeSandbox(0.1, 0.5, 0.9), frames_model(), early, late, selection=NONE)

    assert (len(early.scored_times), len(late.scored_times)) == (2, 1)


def test_a_model_in_shadow_is_recorded_and_changes_nothing() -> None:
    first, _, burst, *_ = frames_of(
        work(FakeSandbox(0.5, 0.5, 0.5), frames_model(), bursts_model(shadow=("fight",)))
    )

    assert set(first.values) == {FIGHT, GUN}
    assert burst.values == {}
    assert [scores.shadow for scores in burst.scores] == [{FIGHT: pytest.approx(0.9, abs=0.01)}]


def test_where_every_model_of_a_label_is_in_shadow_its_policy_is_and_the_bursts_count_there() -> (
    None
):
    first, _, burst, *_ = frames_of(
        work(
            FakeSandbox(0.5, 0.5, 0.5),
            frames_model(shadow=("fight",)),
            bursts_model(shadow=("fight",)),
        )
    )

    assert set(first.values) == {GUN}
    assert set(burst.values) == {FIGHT}


def test_a_frame_model_in_shadow_opens_the_gate_of_one_that_is_live() -> None:
    sandbox = FakeSandbox(0.1, 0.9, 0.1)

    outcomes = work(
        sandbox,
        frames_model(shadow=("fight",)),
        bursts_model(gate=Gate(label=FIGHT, above=0.5)),
        selection=NONE,
    )

    assert sandbox.requested == [1]
    assert [FIGHT in frame.values for frame in frames_of(outcomes)] == [
        False,
        False,
        False,
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("at", range(WINDOWS))
def test_after_a_death_at_a_burst_decoding_resumes_at_the_window_and_no_longer_runs_ahead(
    at: int,
) -> None:
    sandbox = FakeSandbox(deaths={(at, "burst"): 1})

    assert results_of(work(sandbox)) == [0, 1, 2]
    assert sandbox.calls == [(0, True), (at, False)]


def test_a_window_whose_bursts_kill_twice_is_quarantined_and_the_file_continues() -> None:
    outcomes = work(FakeSandbox(deaths={(1, "burst"): 2}))

    assert results_of(outcomes) == [0, "decoder_died", 2]


def test_a_death_while_the_window_before_is_scored_does_not_quarantine_that_one() -> None:
    """The child works ahead and dies at window 1 while the bursts of window 0 are requested; the
    next one does not work ahead, so the death is attributed to window 1."""
    sandbox = FakeSandbox(deaths={(0, "burst"): 1, (1, "window"): 2})

    assert results_of(work(sandbox)) == [0, "decoder_died", 2]


def test_an_error_of_the_source_is_never_retried() -> None:
    sandbox = FakeSandbox(deaths={(1, "burst"): 1}, error=DamagedError("clip: torn"))

    assert results_of(work(sandbox)) == [0, "damaged"]
    assert len(sandbox.calls) == 1


def test_a_model_that_takes_frames_and_bursts_is_a_set_up_error() -> None:
    both = frames_model()
    both.inputs = (FRAME, BURST)  # type: ignore[assignment]

    with pytest.raises(SetupError, match="has inputs of several kinds"):
        work(FakeSandbox(), both)


def test_a_gate_that_can_never_open_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "scanner"):
        work(
            FakeSandbox(),
            frames_model("gun"),
            bursts_model(gate=Gate(label=FIGHT, above=0.5)),
            selection=NONE,
        )

    assert "gate never opens" in caplog.text


# The budget. A window has two samples of 500 units each, and a burst takes 400.

GATED = bursts_model(gate=Gate(label=FIGHT, above=0.5))


def scored_bursts(outcomes: list[Outcome]) -> list[int]:
    return [
        outcome.key.sequence
        for outcome in outcomes
        if isinstance(outcome, ScoredSegment)
        and any(frame.burst is not None for frame in outcome.frames)
    ]


def total_work(outcomes: list[Outcome]) -> tuple[int, int]:
    works = [outcome.work for outcome in outcomes if isinstance(outcome, ScoredSegment)]
    return sum(work.frames for work in works), sum(work.bursts for work in works)


def test_open_gates_of_a_model_in_shadow_take_a_quarter_of_the_frames_work() -> None:
    outcomes = work(
        FakeSandbox(*(0.9,) * 40),
        frames_model(),
        GATED,
        selection=BurstSelection(base_rate=0.0),
    )

    assert scored_bursts(outcomes)[:4] == [1, 3, 4, 6]
    frames, bursts = total_work(outcomes)
    assert frames == 40_000
    assert 10_000 - 400 <= bursts <= 10_000


def test_a_calm_stream_has_saved_for_the_scene_that_opens_the_gate() -> None:
    outcomes = work(
        FakeSandbox(*(0.1,) * 40, *(0.9,) * 40),
        frames_model(),
        GATED,
        selection=BurstSelection(base_rate=0.0),
    )

    assert scored_bursts(outcomes)[:25] == list(range(40, 65))


def test_what_a_stream_saved_more_than_ten_minutes_ago_is_gone() -> None:
    outcomes = work(
        FakeSandbox(*(0.1,) * 1000, *(0.9,) * 1000),
        frames_model(),
        GATED,
        selection=BurstSelection(base_rate=0.0),
    )

    ten_minutes = 300
    for first in range(1000, 2000 - ten_minutes):
        frames, bursts = total_work(outcomes[first : first + ten_minutes])
        assert bursts <= 0.25 * frames * 1.05


def test_a_live_label_has_bursts_from_the_first_window_on_up_to_its_budget() -> None:
    selection = BurstSelection(base_rate=0.0, budget=0.0, live_budget=0.1)
    outcomes = work(
        FakeSandbox(*(0.9,) * 400),
        frames_model(),
        GATED,
        selection=selection,
        live=frozenset({FIGHT}),
    )

    assert scored_bursts(outcomes)[:70] == list(range(70))  # ten minutes pay 75
    assert total_work(outcomes[:300])[1] <= 0.1 * 300 * 1000


def test_a_label_that_is_live_in_another_model_does_not_raise_the_budget() -> None:
    outcomes = work(
        FakeSandbox(*(0.9,) * 4),
        frames_model(),
        bursts_model(gate=Gate(label=FIGHT, above=0.5), shadow=("fight",)),
        selection=BurstSelection(base_rate=0.0),
        live=frozenset({FIGHT}),
    )

    assert scored_bursts(outcomes) == [1, 3]


def test_a_window_decides_the_same_whether_the_file_is_scored_from_the_start_or_from_it() -> None:
    levels = [0.9 if number % 3 else 0.1 for number in range(60)]
    selection = BurstSelection(base_rate=0.1)
    whole = work(FakeSandbox(*levels), frames_model(), GATED, selection=selection)

    account = BurstAccount()
    for number, outcome in enumerate(whole):
        rest = work(
            FakeSandbox(*levels),
            frames_model(),
            GATED,
            selection=selection,
            first_window=number,
            account=account,
        )
        assert rest == whole[number:]
        assert isinstance(outcome, ScoredSegment)
        account = account.record(outcome)
