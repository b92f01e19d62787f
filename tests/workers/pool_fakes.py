"""Turns that are scripts, a sandbox that runs them, and workers that die where the script tells."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scanner.compose import LoadScorers, WorkerParts
from scanner.errors import DamagedError, DecoderDiedError, QuarantinedError
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow, Sample
from scanner.pipeline.worker import (
    LocalRunner,
    ScoreJob,
    SegmentWorker,
    StreamWorker,
    quarantine,
)
from scanner.records.recording import record_line
from scanner.risk.policy import Policies, Policy
from scanner.scoring.options import Reuse
from scanner.scoring.scorer import Scorer
from scanner.stream.inputs import EndTurn, Job, SegmentTurn, Turn
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import (
    FrameSpec,
    Label,
    MediaInfo,
    Medium,
    ModelRef,
    Scores,
    Segment,
    SegmentKey,
    SegmentTimes,
    Source,
    StreamId,
)
from workers.decode import DecodeActor
from workers.dispatch import Lease, StreamWork
from workers.pool import WorkerDiedError

SPEC = FrameSpec(width=8, height=8)
INFO = MediaInfo(container="script", codec="script", width=8, height=8)
MANY = 10**6
"""Deaths in a row that no test reaches."""
WINDOW = 2
"""Seconds of each window."""
REQUEST = DecodeRequest(specs=(SPEC,))
BRIGHT = Label("bright")
POLICIES = Policies(
    labels={BRIGHT: Policy(category="fire", open=1.0, dwell=Fraction(3), close_after=Fraction(2))}
)
"""Two bright windows open an incident."""


def scripted(
    stream: str = "s",
    sequence: int = 0,
    *,
    windows: int = 1,
    bright: bool = False,
    child_dies: Sequence[int] = (),
    worker_dies: Sequence[int] = (),
    times: int = 1,
    damaged_at: int | None = None,
    marks: Path | None = None,
    late: bool = False,
) -> SegmentTurn:
    """Return the turn of a source with this many windows, a file if there are several.

    Its child or its worker dies the first ``times`` times that it decodes one of the given windows;
    the deaths are counted in files of the folder ``marks``.
    """
    script = {
        "sequence": sequence,
        "windows": windows,
        "bright": bright,
        "child": [*child_dies],
        "worker": [*worker_dies],
        "times": times,
        "damaged": damaged_at,
        "marks": str(marks),
    }
    key = SegmentKey(stream_id=StreamId(stream), sequence=sequence)
    job = Job(
        segment=Segment(key=key, source=json.dumps(script).encode()),
        name=f"{stream}-{sequence}",
        windowed=windows > 1,
    )
    return SegmentTurn(job=job, late=late)


def end(stream: str = "s") -> EndTurn:
    """Return the last turn of a stream."""
    return EndTurn(stream_id=StreamId(stream), path=stream)


def ended(turns: Iterable[Turn]) -> list[Turn]:
    """Return the turns, followed by the end of each of their streams."""
    all_turns = list(turns)
    streams = dict.fromkeys(turn.stream_id for turn in all_turns)
    return [*all_turns, *(end(stream) for stream in streams)]


class WorkerKilledError(BaseException):
    """The death of a worker that shares its process with the test."""


def raise_killed() -> None:
    """Raise an exception in place of dying, in the process of the test."""
    raise WorkerKilledError


def kill_self() -> None:
    """End the own process as an out-of-memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class ScriptSandbox:
    """Runs scripts where the real sandbox decodes."""

    die: Callable[[], None]

    def new_budget(self) -> None:
        return None

    def decode(
        self,
        source: Source,
        request: DecodeRequest,
        *,
        name: str,
        stream: str | None = None,
        init: Source | None = None,
        previous: Sequence[Source] = (),
        ahead: bool = True,
        budget: object = None,
    ) -> Iterator[DecodedWindow]:
        script = json.loads(source if isinstance(source, bytes) else source.read_bytes())
        for window in range(request.first_window, script["windows"]):
            if window in script["child"] and _dies_again(script, name, window):
                raise DecoderDiedError(f"{name}: decoder died")
            if window in script["worker"] and _dies_again(script, name, window):
                self.die()
            if window == script["damaged"]:
                raise DamagedError(f"{name}: damaged at window {window}")
            yield DecodedWindow(
                index=window,
                times=_times(script["sequence"] + window),
                samples=_samples(name, window, bright=script["bright"]),
                unseen=(),
                info=INFO,
                last=window == script["windows"] - 1,
            )


def _dies_again(script: dict[str, Any], name: str, window: int) -> bool:
    """Return whether it dies this time too, and count the death."""
    mark = Path(script["marks"]) / f"{name}-{window}"
    deaths = len(mark.read_text()) if mark.exists() else 0
    if deaths >= script["times"]:
        return False
    mark.write_text("x" * (deaths + 1))
    return True


def _times(sequence: int) -> SegmentTimes:
    first = WINDOW * sequence
    return SegmentTimes(
        first_pts=first, last_pts=first + 1, duration=Fraction(WINDOW), time_base=Fraction(1)
    )


def _samples(name: str, window: int, *, bright: bool) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            at=Fraction(i),
            pts=i,
            keyframe=True,
            images={SPEC: _picture(name, window, i) // 3 + (170 if bright else 0)},
        )
        for i in range(WINDOW)
    )


def _picture(*seed: object) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels = hashlib.shake_128(repr(seed).encode()).digest(8 * 8 * 3)
    return np.frombuffer(pixels, np.uint8).reshape(SPEC.shape)


class MeanScorer:
    """Scores a picture by its mean: cheap, exact, and different for each picture."""

    model = ModelRef(name="mean", version="1")
    inputs = (SPEC,)
    labels = (BRIGHT,)
    media: tuple[Medium, ...] = ()

    def __init__(self) -> None:
        self.batches: list[int] = []

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        self.batches.append(len(batch))
        return [
            Scores(model=self.model, values={BRIGHT: float(sample.images[SPEC].mean()) / 255})
            for sample in batch
        ]


def mean_scorers() -> list[Scorer]:
    return [MeanScorer()]


@contextmanager
def script_score_job(die: Callable[[], None], load: LoadScorers) -> Iterator[ScoreJob]:
    sandbox: Any = ScriptSandbox(die)
    yield SegmentWorker(sandbox, load(), REQUEST, Reuse()).score


HERE = WorkerParts(
    load_scorers=mean_scorers,
    open_score_job=partial(script_score_job, raise_killed),
    policies=POLICIES,
)
"""Parts of a worker in the process of the test."""
AWAY = WorkerParts(
    load_scorers=mean_scorers,
    open_score_job=partial(script_score_job, kill_self),
    policies=POLICIES,
)
"""Parts of a worker in a process of its own."""


def stream_worker() -> StreamWorker:
    """Return the worker with which every runner is compared."""
    with HERE.open_score_job(mean_scorers) as score:
        return StreamWorker(score, POLICIES)


def run_locally(turns: Iterable[Turn]) -> dict[StreamId, list[str]]:
    """Return the events of the turns when one process runs them."""
    return by_stream(LocalRunner(stream_worker()).run(turns))


def by_stream(progress: Iterable[StreamProgress]) -> dict[StreamId, list[str]]:
    """Return each stream's events as exact lines, followed by its last state.

    The result does not depend on how streams mix and how progress is merged.
    """
    events: dict[StreamId, list[str]] = defaultdict(list)
    states: dict[StreamId, StreamState] = {}
    for one in progress:
        stream_id = one.stream_id
        events[stream_id] += [record_line(stream_id, stream_id, event) for event in one.events]
        states[stream_id] = one.state
    return {
        stream_id: [*events[stream_id], json.dumps(states[stream_id].to_json())]
        for stream_id in sorted(events)
    }


def new_work(*turns: Turn, part: int = 0) -> StreamWork:
    """Return the work of a new stream that starts at a part of its first turn."""
    state = StreamState.new(turns[0].stream_id)
    states = [state, *(one.state for one in stream_worker().run_turn(state, turns[0]))]
    return StreamWork(state=states[part], turns=turns)


def fold_quarantined(
    state: StreamState, turn: SegmentTurn, error: QuarantinedError
) -> StreamProgress:
    """Return the progress of a turn that ended its workers."""
    return quarantine(state, turn, error, POLICIES)


def all_progress(lease: Lease) -> list[StreamProgress]:
    """Return the progress of all parts of a lease."""
    worker, progress = stream_worker(), []
    for share in lease.work:
        state = share.state
        for turn in share.turns:
            for one in worker.run_turn(state, turn):
                state = one.state
                progress.append(one)
    return progress


def merge_progress(progress: Iterable[StreamProgress]) -> list[StreamProgress]:
    """Return one progress for each stream, as a worker reports quick parts."""
    last: dict[StreamId, StreamProgress] = {}
    for one in progress:
        before = last.get(one.stream_id)
        events = one.events if before is None else (*before.events, *one.events)
        last[one.stream_id] = replace(one, events=events)
    return list(last.values())


class FakeWorker:
    """A decode actor in this thread, which is started again after a death."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[tuple[StreamWork, ...]] = []
        self._actor = DecodeActor(HERE)

    def work(self, work: Sequence[StreamWork]) -> Iterator[Sequence[StreamProgress]]:
        self.calls.append(tuple(work))
        try:
            yield from self._actor.work(work)
        except WorkerKilledError as error:
            self._actor = DecodeActor(HERE)
            raise WorkerDiedError(f"{self.name} ended") from error

    def end(self) -> None:
        """Do nothing: this worker has no process."""
