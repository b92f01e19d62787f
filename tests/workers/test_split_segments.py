"""Segments that do not begin with keyframes, on Ray workers: the segments before them travel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scanner.compose import compose, local_runner, scan_lines, worker_parts
from scanner.report.lines import GapLine, SummaryLine
from scanner.settings.sections import ModelSettings, Settings
from scanner.stream.inputs import Arrival, SegmentArrived, StreamStarted
from scanner.types import Segment, SegmentKey, Source, StreamId
from tests.media.build import encode
from tests.media.cutting import cut_transport_stream
from workers.actors import PoolPlan, open_pool


def arrivals(sources: Sequence[Source]) -> Iterator[Arrival]:
    stream = StreamId("s")
    yield StreamStarted(path="s", stream_id=stream)
    for number, source in enumerate(sources):
        segment = Segment(key=SegmentKey(stream_id=stream, sequence=number), source=source)
        yield SegmentArrived(path="s", segment=segment, name=f"s/{number}")


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
