"""An hour in one file: in little memory, all of it seen, and its last frame where it belongs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import psutil
import pytest

from samples.facts import SampleFile

from .program import start

pytestmark = pytest.mark.slow

MEGABYTES = 600
"""Memory of the program and all its processes."""
SECONDS = 3600


@pytest.fixture(scope="module", params=[".mp4", ".ts", ".mkv"])
def hour(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    sample_media: Callable[[str], SampleFile],
) -> Path:
    """The packets of one sample again and again, each round later than the one before."""
    path = tmp_path_factory.mktemp("hour") / f"hour{request.param}"
    with (
        av.open(str(sample_media("mp4_short_gops").path)) as source,
        av.open(str(path), "w") as file,
    ):
        track = source.streams.video[0]
        stream = file.add_stream_from_template(track)
        packets = [
            (packet.pts, packet.dts, packet.duration, packet.is_keyframe, bytes(packet))
            for packet in source.demux(track)
            if packet.size
        ]
        assert track.time_base is not None
        length = round(26 / track.time_base)
        for number in range(SECONDS // 26):
            for pts, dts, duration, keyframe, data in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, track.time_base
                packet.pts, packet.dts, packet.duration = (
                    (pts or 0) + number * length,
                    (dts or 0) + number * length,
                    duration,
                )
                packet.is_keyframe = keyframe
                file.mux(packet)
    return path


def test_an_hour_takes_little_memory_and_every_second_of_it_is_seen(hour: Path) -> None:
    peak = 0

    with start("scan", "--json", hour) as process:
        assert process.stdout is not None
        for row in process.stdout:
            last = json.loads(row)
            if last.get("sequence", 0) % 10 == 0:
                peak = max(peak, _memory(process.pid))

    assert last["type"] == "summary"
    assert last["duration"] == pytest.approx(SECONDS // 26 * 26, abs=0.1)
    assert last["coverage"] == 1.0
    assert 50 < peak / 1e6 < MEGABYTES


def _memory(pid: int) -> int:
    """Bytes of the process and of those below it; shared ones count in each."""
    found = 0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        try:
            found += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return found
