"""Memory of an hour of video and of a thousand segments: ``python -m benchmarks.memory``.

The hour is a minute of 640x360 repeated sixty times on one clock; the command line scans it in a
process of its own, which is watched together with its child. The segments go through one runner,
whose child is replaced on the way.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from benchmarks.clips import get_clip
from benchmarks.turns import print_machine
from scanner.bench.process_tree import descendants
from scanner.compose import compose, local_runner
from scanner.media.synthetic import SyntheticClip
from scanner.settings.sections import Settings
from scanner.stream.events import SegmentScored
from scanner.stream.inputs import Job, SegmentTurn
from scanner.types import Segment, SegmentKey, StreamId

MINUTE = SyntheticClip(width=640, height=360, seconds=60, bits=300_000)
SHORT = SyntheticClip(width=640, height=360, seconds=2, bits=300_000)
REPEATS = 60
MAX_MIB = 600
SEGMENTS, READ_EVERY = 1000, 100
MAX_GROWTH = 1.05
"""Limit of the last hundreds of segments over the first ones after the warm-up."""
PAUSE = 0.25
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a process tree in MiB.

    Shared pages count once per process in ``rss``, and once in all in ``pss``.
    """

    rss: float
    pss: float


def main() -> None:
    """Measure, print, and exit with status 1 if a goal is missed."""
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        met = [_measure_segments(), _measure_hour(Path(folder))]
    sys.exit(not all(met))


def _measure_hour(folder: Path) -> bool:
    """Scan an hour of video, and read the process tree's memory a few times per second."""
    film = folder / "hour.ts"
    _repeat_packets(get_clip(MINUTE), film, REPEATS)
    print(f"{REPEATS} minutes, {film.stat().st_size / MIB:.0f} MiB")
    command = [sys.executable, "-m", "workers.cli", "scan", "--json", str(film)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as scan:
        readings = list(_watch_memory(scan))
    rss, pss = max(memory.rss for memory in readings), max(memory.pss for memory in readings)
    met = scan.returncode in (0, 3) and rss < MAX_MIB
    print(
        f"highest of {len(readings)} readings: RSS {rss:.0f} MiB, PSS {pss:.0f} MiB,"
        f" goal < {MAX_MIB}: {_verdict(met)}"
    )
    return met


def _watch_memory(scan: subprocess.Popen[bytes]) -> Iterator[Memory]:
    while scan.poll() is None:
        yield _memory([scan.pid, *descendants(scan.pid)])
        time.sleep(PAUSE)


def _measure_segments() -> bool:
    """Scan segments one after another, and read the memory after every hundred."""
    path, scored, readings = get_clip(SHORT), 0, []
    with local_runner(compose(Settings())) as runner:
        for progress in runner.run(_turns(path)):
            scored += sum(isinstance(event, SegmentScored) for event in progress.events)
            if scored % READ_EVERY == 0:
                readings.append(_memory([os.getpid(), *descendants()]).pss)
    sizes = ", ".join(f"{mib:.0f}" for mib in readings)
    print(f"PSS after each {READ_EVERY} of {len(readings) * READ_EVERY} segments: {sizes} MiB")
    growth = max(readings[-3:]) / max(readings[:3])
    print(
        f"last three over first three: {growth:.3f}, goal <= {MAX_GROWTH}:"
        f" {_verdict(growth <= MAX_GROWTH)}"
    )
    return growth <= MAX_GROWTH


def _turns(path: Path) -> Iterator[SegmentTurn]:
    for number in range(SEGMENTS):
        key = SegmentKey(stream_id=StreamId("stream"), sequence=number)
        segment = Segment(key=key, source=path)
        yield SegmentTurn(job=Job(segment=segment, name=path.name, windowed=False))


def _repeat_packets(source: Path, out: Path, times: int) -> None:
    """Write the packets of ``source`` repeatedly, on one clock."""
    with av.open(str(out), "w", format="mpegts") as container:
        stream = None
        for number in range(times):
            with av.open(str(source), "r") as piece:
                track = piece.streams.video[0]
                stream = stream or container.add_stream_from_template(track)
                shift = round(number * MINUTE.seconds / (track.time_base or 1))
                for packet in piece.demux(track):
                    if packet.pts is not None and packet.dts is not None:
                        packet.pts, packet.dts, packet.stream = (
                            packet.pts + shift,
                            packet.dts + shift,
                            stream,
                        )
                        container.mux(packet)


def _memory(processes: list[int]) -> Memory:
    sizes = [_sizes(pid) for pid in processes]
    return Memory(*(sum(size.get(kind, 0) for size in sizes) / 1024 for kind in ("Rss:", "Pss:")))


def _sizes(pid: int) -> dict[str, int]:
    """Return KiB by kind; empty for a process that has ended."""
    try:
        rows = [
            row.split()
            for row in Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()[1:]
        ]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows}


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main()
