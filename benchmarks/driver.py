"""How many segments a second one driver carries: ``python -m benchmarks.driver [--workers 2]``.

The journal, the feed, the dispatch and the committer are those of the service; its workers return
scores at once. With ``--workers`` these are Ray actors, as in the service; without, a thread of
this process, whose processor time is left out.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import median

from sqlalchemy import func, select

from benchmarks.turns import print_machine
from scanner.background import background_thread
from scanner.compose import LoadScorers, Program, WorkerParts, compose
from scanner.pipeline.worker import ScoreJob
from scanner.settings.sections import Settings
from scanner.store.database import Journal, open_journal
from scanner.store.intake import Intake, NewSegment, NewStream
from scanner.store.objects import ObjectStore
from scanner.store.schema import segments
from scanner.store.turns import TurnJournal
from scanner.stream.burst_account import BurstAccount
from scanner.stream.inputs import Job, Outcome
from scanner.stream.state import StreamProgress
from scanner.taxonomy import Taxonomy
from scanner.types import (
    MediaInfo,
    ModelRef,
    ScoredFrame,
    ScoredSegment,
    Scores,
    SegmentTimes,
)
from workers.actors import PoolPlan, fold_quarantined, ray_runner
from workers.commit import TurnCommitter
from workers.decide import DecideRules
from workers.decode import DecodeActor
from workers.delays import Delays
from workers.dispatch import Bounds, StreamWork
from workers.driver import drive
from workers.feed import JournalFeed
from workers.pool import PoolRunner

SECONDS = 4
TICKS = 90_000
LABELS = 8
RULES = DecideRules(patience=3, hole_seconds=10.0, max_age=1e9)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--segments", type=int, default=10)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print_machine()
    total = options.streams * options.segments
    found = [
        _drive_once(options.streams, options.segments, options.workers)
        for _ in range(options.rounds)
    ]
    cpu = median(cpu for cpu, _ in found) / total
    wall = median(wall for _, wall in found) / total
    print(f"{total} segments of {options.streams} streams, median of {options.rounds}:")
    print(f"  {1000 * cpu:.2f} CPU ms of the driver a segment, {1000 * wall:.2f} ms of wall time")
    print(f"  so at most {1 / max(cpu, 1e-9):,.0f} segments a second, {1 / wall:,.0f} seen")


def _drive_once(streams: int, count: int, workers: int) -> tuple[float, float]:
    """Return seconds of processor time and of wall time of the driver, for all segments."""
    program = compose(Settings())
    parts = WorkerParts(load_scorers=tuple, open_score_job=_instant, policies=program.policies)
    with tempfile.TemporaryDirectory() as name, ExitStack() as closing:
        journal = open_journal(Path(name), create=True)
        closing.callback(journal.close)
        worker = _TimedWorker(parts)
        if workers:
            pool = closing.enter_context(ray_runner(parts, PoolPlan(workers=workers)))
        else:
            pool = PoolRunner([worker], Bounds(workers=1), fold_quarantined(parts))
        _run(journal, program, pool, Path(name), partial(_put, journal, 1, workers + 1, "warm"))
        spent = worker.spent
        cpu, wall = _run(
            journal, program, pool, Path(name), partial(_put, journal, count, streams, "s")
        )
        return cpu - (worker.spent - spent), wall


def _run(
    journal: Journal, program: Program, pool: PoolRunner, data: Path, put: partial[None]
) -> tuple[float, float]:
    put()
    turns = TurnJournal(journal)
    turns.take_over()
    feed = JournalFeed(turns, ObjectStore(data / "objects"), RULES, stall_seconds=1e9)
    committer = TurnCommitter(turns, feed, program.policies, Delays())
    wall, cpu = time.perf_counter(), time.process_time()
    with _stopping_when_settled(journal, feed):
        drive(pool, feed, committer)
    return time.process_time() - cpu, time.perf_counter() - wall


def _put(journal: Journal, count: int, streams: int, name: str) -> None:
    """Add rows of segments; their objects are never read."""
    with journal.write() as connection:
        intake = Intake(connection, now=journal.now(), shard_count=journal.shard_count)
        for number in range(streams):
            for sequence in range(count):
                intake.add_segment(
                    NewSegment(
                        stream=NewStream(stream_id=f"{name}{number}", channel=f"c{number}"),
                        sequence=sequence,
                        object="none",
                        bytes=3_000_000,
                        sha256="0" * 64,
                        duration=Fraction(SECONDS),
                    )
                )


@contextmanager
def _stopping_when_settled(journal: Journal, feed: JournalFeed) -> Iterator[None]:
    """Stop the feed once every segment has a verdict."""
    left = select(func.count()).where(segments.c.verdict.is_(None))

    def watch(over: threading.Event) -> None:
        while not over.wait(0.1):
            with journal.read() as connection:
                if not connection.execute(left).scalar_one():
                    break
        feed.stop()

    with background_thread(watch, name="settled"):
        yield


class _TimedWorker:
    """A worker in this process that counts its own processor time."""

    name = "local"

    def __init__(self, parts: WorkerParts) -> None:
        self._actor = DecodeActor(parts)
        self.spent = 0.0

    def work(self, work: Sequence[StreamWork]) -> Iterator[Sequence[StreamProgress]]:
        began = time.thread_time()
        for progress in self._actor.work(work):
            self.spent += time.thread_time() - began
            yield progress
            began = time.thread_time()
        self.spent += time.thread_time() - began

    def end(self) -> None:
        """Do nothing: its thread ends with the run."""


@contextmanager
def _instant(_: LoadScorers) -> Iterator[ScoreJob]:
    yield _score


def _score(job: Job, first: int, _: BurstAccount) -> Iterator[Outcome]:
    """Yield what the scoring of a usual segment returns: two frames, eight labels each."""
    key = job.segment.key
    begins = key.sequence * SECONDS * TICKS
    yield ScoredSegment(
        key=key,
        times=SegmentTimes(
            first_pts=begins,
            last_pts=begins + SECONDS * TICKS - TICKS // 30,
            duration=Fraction(SECONDS),
            time_base=Fraction(1, TICKS),
        ),
        frames=tuple(_frame(begins, second) for second in range(0, SECONDS, 2)),
        unseen=(),
        info=MediaInfo(container="mpegts", codec="h264", width=1920, height=1080),
    )


def _frame(begins: int, second: int) -> ScoredFrame:
    values = dict.fromkeys(Taxonomy.load().labels[:LABELS], 0.01)
    model = ModelRef(name="instant", version="1")
    return ScoredFrame(
        at=Fraction(second),
        pts=begins + second * TICKS,
        keyframe=True,
        scores=(Scores(model=model, values=values),),
    )


if __name__ == "__main__":
    main()
