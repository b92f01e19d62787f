"""Compaction of recorded scores: scores a second, memory, and bytes of a score in the journal and
in Parquet files, which are read again.

    python -m benchmarks.scores [--streams 20] [--segments 250]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory

from sqlalchemy import func, select

from benchmarks.turns import print_machine
from scanner.archive.reader import read_stream
from scanner.risk.policy import Policies, Policy
from scanner.store.database import Journal, open_journal
from scanner.store.schema import turn_records
from scanner.store.score_parts import score_parts
from scanner.stream.inputs import EndTurn, StreamInput
from scanner.types import (
    Label,
    MediaInfo,
    Medium,
    ModelRef,
    ScoredFrame,
    ScoredSegment,
    Scores,
    SegmentKey,
    SegmentTimes,
    StreamId,
)
from tests.archive.build import RecordedRun, run
from tests.store.conftest import FakeClock

LABELS = [Label(f"label_{number}") for number in range(8)]
MODEL = ModelRef(name="frame", version="1.0")
POLICIES = Policies(labels={label: Policy(category="c", open=9.0) for label in LABELS})
FRAMES = 4
TICKS = 90_000


def main() -> None:
    """Record streams, compact them and print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--segments", type=int, default=250)
    given = parser.parse_args()
    print_machine()
    with TemporaryDirectory() as folder:
        clock = FakeClock()
        clock.time = 1_764_374_400.0
        journal = open_journal(Path(folder) / "data", create=True, clock=clock)
        recorded = RecordedRun(
            data=Path(folder) / "data", journal=journal, clock=clock, policies=POLICIES
        )
        for number in range(given.streams):
            name = f"stream-{number}"
            inputs = [*draw_inputs(StreamId(name), given.segments)]
            recorded.record_inputs(name, inputs, step=0.1, batch=50)
        measure(recorded, given.streams)
        journal.close()


def draw_inputs(stream_id: StreamId, count: int) -> Iterator[StreamInput]:
    """Yield segments of 2 s with four samples, each with eight labels and a medium."""
    random = Random(stream_id)
    for sequence in range(count):
        start = sequence * 2 * TICKS
        frames = tuple(draw_frame(random, start, number) for number in range(FRAMES))
        yield ScoredSegment(
            key=SegmentKey(stream_id=stream_id, sequence=sequence),
            times=SegmentTimes(
                first_pts=start,
                last_pts=frames[-1].pts,
                duration=Fraction(2),
                time_base=Fraction(1, TICKS),
                wrap_bits=33,
            ),
            frames=frames,
            unseen=(),
            info=MediaInfo(container="mpegts", codec="h264", width=1280, height=720),
        )
    yield EndTurn(stream_id=stream_id, path=stream_id)


def draw_frame(random: Random, start: int, number: int) -> ScoredFrame:
    share = random.random()
    media = {Medium.CAMERA: share, Medium.RENDERED: 1 - share}
    values = {label: random.random() ** 8 for label in LABELS}
    return ScoredFrame(
        at=Fraction(number, 2),
        pts=start + number * TICKS // 2,
        keyframe=number == 0,
        scores=(Scores(model=MODEL, values=values, medium=media),),
    )


def measure(recorded: RecordedRun, streams: int) -> None:
    """Compact, read everything again from the files, and print figures."""
    recorded.clock.time += 3 * 3600
    memory, cpu, wall = _peak_megabytes(), time.process_time(), time.monotonic()
    run(recorded.archive())
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    turns, scores, size = _totals(recorded.journal)
    packed = _journal_bytes(recorded.journal)
    print(
        f"  {turns} turns, {scores} scores: {scores / cpu:,.0f} scores a CPU second, {wall:.1f} s"
    )
    print(f"  memory grew by {_peak_megabytes() - memory:.0f} MB")
    print(f"  journal {packed / scores:.1f} bytes a score, files {size / scores:.1f}")
    recorded.forget_turns()
    cpu = time.process_time()
    for number in range(streams):
        for _ in read_stream(recorded.journal, recorded.data, f"stream-{number}"):
            pass
    print(f"  read again: {scores / (time.process_time() - cpu):,.0f} scores a CPU second")


def _totals(journal: Journal) -> tuple[int, int, int]:
    columns = score_parts.c
    sums = select(func.sum(columns.turns), func.sum(columns.scores), func.sum(columns.bytes))
    with journal.read() as connection:
        turns, scores, size = connection.execute(sums).one()
    return int(turns), int(scores), int(size)


def _journal_bytes(journal: Journal) -> int:
    with journal.read() as connection:
        return int(
            connection.execute(select(func.sum(func.length(turn_records.c.events)))).scalar_one()
        )


def _peak_megabytes() -> float:
    return getrusage(RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
