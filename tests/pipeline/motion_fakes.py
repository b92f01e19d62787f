"""A decoder with bursts that follows a script, and a worker that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from scanner.errors import DecoderDiedError
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
