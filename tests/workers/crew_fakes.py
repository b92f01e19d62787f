"""Jobs that are scripts, a sandbox that plays them, and hands that die when told to."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from scanner.errors import DamagedError, DecoderDiedError
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow, Sample
from scanner.runner import Job, SegmentWorker
from scanner.scoring.options import Reuse
from scanner.scoring.scorer import Scorer
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
from workers.crew import HandDiedError
from workers.decode import DecodeActor, Recipe
from workers.dispatch import News
from workers.leases import Work

SPEC = FrameSpec(width=8, height=8)
INFO = MediaInfo(container="script", codec="script", width=8, height=8)
TIMES = SegmentTimes(first_pts=0, last_pts=1, duration=Fraction(2), time_base=Fraction(1))
REQUEST = DecodeRequest(specs=(SPEC,))


def scripted(
    stream: str = "s",
    sequence: int = 0,
    *,
    windows: int = 1,
    child_dies: Sequence[int] = (),
    worker_dies: Sequence[int] = (),
    times: int = 1,
    damaged_at: int | None = None,
    marks: Path | None = None,
) -> Job:
    """A job of so many windows; on those named its child or its worker dies, the first ``times``
    times (counted in ``marks``)."""
    script = {
        "windows": windows,
        "child": [*child_dies],
        "worker": [*worker_dies],
        "times": times,
        "damaged": damaged_at,
        "marks": str(marks),
    }
    key = SegmentKey(stream_id=StreamId(stream), sequence=sequence)
    return Job(
        segment=Segment(key=key, source=json.dumps(script).encode()),
        name=f"{stream}-{sequence}",
        windowed=windows > 1,
    )


class WorkerKilledError(Exception):
    """What a killed process would be."""


def killed() -> None:
    """In the same process: an exception in place of the signal."""
    raise WorkerKilledError


def kill_self() -> None:
    """In a process of its own: what an out-of-memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class ScriptSandbox:
    """Plays scripts where the real one would decode."""

    die: Callable[[], None]

    def decode(
        self,
        source: Source,
        request: DecodeRequest,
        *,
        name: str,
        init: Source | None = None,
        ahead: bool = True,
    ) -> Iterator[DecodedWindow]:
        assert isinstance(source, bytes)
        script = json.loads(source)
        for window in range(request.first_window, script["windows"]):
            if window in script["child"] and _once_more(script, name, window):
                raise DecoderDiedError(f"{name}: decoder died")
            if window in script["worker"] and _once_more(script, name, window):
                self.die()
            if window == script["damaged"]:
                raise DamagedError(f"{name}: damaged at window {window}")
            yield DecodedWindow(
                index=window,
                times=TIMES,
                samples=_samples(name, window),
                unseen=(),
                info=INFO,
                last=window == script["windows"] - 1,
            )


def _once_more(script: dict[str, object], name: str, window: int) -> bool:
    """Whether it dies this time too; each death leaves a mark."""
    mark = Path(str(script["marks"])) / f"{name}-{window}"
    deaths = len(mark.read_text()) if mark.exists() else 0
    if deaths >= int(str(script["times"])):
        return False
    mark.write_text("x" * (deaths + 1))
    return True


def _samples(name: str, window: int) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            at=Fraction(i),
            pts=i,
            keyframe=True,
            images={SPEC: np.frombuffer(_pixels(name, window, i), np.uint8).reshape(SPEC.shape)},
        )
        for i in range(2)
    )


def _pixels(*what: object) -> bytes:
    return hashlib.shake_128(repr(what).encode()).digest(8 * 8 * 3)


class MeanScorer:
    """Scores a picture by its mean: cheap, exact, and different for each picture."""

    model = ModelRef(name="mean", version="1")
    inputs = (SPEC,)
    labels = (Label("bright"),)
    media: tuple[Medium, ...] = ()

    def __init__(self) -> None:
        self.batches: list[int] = []

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        self.batches.append(len(batch))
        return [
            Scores(
                model=self.model, values={self.labels[0]: float(sample.images[SPEC].mean()) / 255}
            )
            for sample in batch
        ]


@contextmanager
def script_worker(die: Callable[[], None], scorers: Sequence[Scorer]) -> Iterator[SegmentWorker]:
    yield SegmentWorker(ScriptSandbox(die), scorers, REQUEST, Reuse())  # type: ignore[arg-type]


def mean_scorers() -> list[Scorer]:
    return [MeanScorer()]


HERE = Recipe(scorers=mean_scorers, worker=partial(script_worker, killed))
"""Everything in this process."""
AWAY = Recipe(scorers=mean_scorers, worker=partial(script_worker, kill_self))
"""For an actor with a process of its own."""


class FakeHand:
    """A decode actor in this thread, that dies and is made anew like a real one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[tuple[Work, ...]] = []
        self._actor = DecodeActor(HERE)

    def work(self, work: Sequence[Work]) -> Iterator[Sequence[News]]:
        self.calls.append(tuple(work))
        try:
            yield from self._actor.work(work)
        except WorkerKilledError as why:
            self._actor = DecodeActor(HERE)
            raise HandDiedError(f"{self.name} ended") from why

    def end(self) -> None:
        """Nothing lasts."""


def shifted(job: Job, first_window: int) -> Work:
    """The work of a job that goes on from a window."""
    return replace(Work(ticket=0, job=job, shard=0), first_window=first_window)
