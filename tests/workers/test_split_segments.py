"""Segments that do not begin with keyframes, on Ray workers and in the service: the segments before
them travel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.compose import compose, local_runner, scan_lines, worker_parts
from scanner.delivery.retention import deletable
from scanner.pipeline.scan import PathFailed, scan
from scanner.records.recording import record_line
from scanner.report.lines import GapLine, SummaryLine
from scanner.settings.sections import ModelSettings, Settings
from scanner.store.retention import RetentionJournal
from scanner.stream.inputs import (
    Arrival,
    FilesSkipped,
    Job,
    SegmentArrived,
    SegmentTurn,
    StreamStarted,
)
from scanner.types import Segment, SegmentKey, Source, StreamId
from tests.media.build import encode
from tests.media.cutting import cut_transport_stream
from tests.workers.journal_runs import JournalWorld
from workers.actors import PoolPlan, open_pool


def arrivals(sources: Sequence[Source]) -> Iterator[Arrival]:
    stream = StreamId("s")
    yield StreamStarted(path="s", stream_id=stream)
    for number, source in enumerate(sources):
        segment = Segment(key=SegmentKey(stream_id=stream, sequence=number), source=source)
        yield SegmentArrived(path="s", segment=segment, name=f"s/{number}")


SECONDS = 20
CARD_ONLY = Settings(models=ModelSettings(names=()))


@pytest.fixture(scope="module")
def segments() -> list[Source]:
    """Segments of 2 s of a stream with a keyframe every 10 s."""
    whole = encode(frames=30 * SECONDS, gop=300, bframes=2)
    return [*cut_transport_stream(whole, range(0, 30 * SECONDS, 60))]


def as_scanned(sources: Sequence[Source]) -> list[str]:
    """Return the exact lines of the events of a scan."""
    with local_runner(compose(CARD_ONLY)) as runner:
        return [
            record_line("s", StreamId("s"), one.event)
            for one in scan(arrivals(sources), runner)
            if not isinstance(one.event, PathFailed | FilesSkipped)
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[JournalWorld]:
    world = JournalWorld(tmp_path / "data")
    yield world
    world.close()


def put(world: JournalWorld, sources: Sequence[Source], *, first: int = 0) -> None:
    stream = StreamId("s")
    world.put(
        SegmentTurn(
            job=Job(
                segment=Segment(key=SegmentKey(stream_id=stream, sequence=n), source=source),
                name=str(n),
                windowed=False,
            )
        )
        for n, source in enumerate(sources, first)
    )


@pytest.mark.parametrize("deaths", [[], [0], [1, 0, 2]], ids=str)
def test_the_service_gives_the_events_of_a_scan_whenever_its_driver_dies(
    segments: list[Source], world: JournalWorld, deaths: list[int]
) -> None:
    parts = worker_parts(compose(CARD_ONLY))
    put(world, segments)
    world.end("s", len(segments) - 1)

    for commits in deaths:
        world.drive(commits=commits, parts=parts)
    world.drive(parts=parts)

    assert world.events() == as_scanned(segments)
    assert '"no_keyframe"' not in "".join(world.events())


def test_segments_that_come_one_by_one_are_decoded_from_those_before(
    segments: list[Source], world: JournalWorld
) -> None:
    parts = worker_parts(compose(CARD_ONLY))

    for number, segment in enumerate(segments[:4]):
        put(world, [segment], first=number)
        world.drive(parts=parts)
    world.end("s", 3)
    world.drive(parts=parts)

    assert world.events() == as_scanned(segments[:4])


def test_the_segments_that_the_next_one_needs_are_not_deleted(
    segments: list[Source], world: JournalWorld
) -> None:
    parts = worker_parts(compose(CARD_ONLY))
    put(world, segments[:8])  # keyframes lie in segments 0 and 5
    world.drive(parts=parts)
    world.clock.time += 100_000

    media = RetentionJournal(world.journal).media_of("s", before=world.clock())
    old = deletable(
        replace(media, last_arrival=world.clock()), now=world.clock(), reach=0, segment_seconds=1
    )

    assert media.needed_from == 5
    assert old == [0, 1, 2, 3, 4]


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("are_files", [False, True])
def test_workers_say_what_one_process_says(
    are_files: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    segments: list[Source] = [
        *cut_transport_stream(encode(frames=600, gop=300, bframes=2), range(0, 600, 60))
    ]
    if are_files:
        for number, segment in enumerate(segments):
            assert isinstance(segment, bytes)
            Path(f"{number}.ts").write_bytes(segment)
        segments = [Path(f"{number}.ts") for number in range(len(segments))]
    program = compose(Settings(models=ModelSettings(names=())))

    with local_runner(program) as runner:
        here = list(scan_lines(program, arrivals(segments), runner))
    with open_pool(worker_parts(program), PoolPlan(workers=2)) as pool:
        there = list(scan_lines(program, arrivals(segments), pool))

    assert there == here
    assert not [line for line in here if isinstance(line, GapLine)]
    (summary,) = (line for line in here if isinstance(line, SummaryLine))
    assert summary.coverage == 1.0
