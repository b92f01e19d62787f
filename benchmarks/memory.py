"""What an hour of video and a thousand segments take in memory: ``python -m benchmarks.memory``.

The hour is a minute of 640x360 put together sixty times with its clock running on, scanned by the
command line in a process of its own and its child; both are watched. The segments go through one
runner, whose child is replaced on the way.
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

from benchmarks.clips import clip
from benchmarks.turns import tell_machine
from scanner.bench.family import descendants
from scanner.media.synthetic import SyntheticClip
from scanner.runner import Finished, Job, local_runner
from scanner.settings.sections import Settings
from scanner.types import ScoredSegment, Segment, SegmentKey, StreamId

MINUTE = SyntheticClip(width=640, height=360, seconds=60, bits=300_000)
SHORT = SyntheticClip(width=640, height=360, seconds=2, bits=300_000)
REPEATS = 60
MOST_MIB = 600
SEGMENTS, EACH = 1000, 100
MOST_GROWTH = 1.05
"""Of the last hundreds over the first ones after the warm-up."""
PAUSE = 0.25
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process tree, in MiB.

    What processes share counts in each for ``rss``, and once for ``pss``.
    """

    rss: float
    pss: float


def main() -> None:
    """Measure, print, and end with status 1 where a goal is missed."""
    tell_machine()
    with tempfile.TemporaryDirectory() as folder:
        kept = [_flat(), _hour(Path(folder))]
    sys.exit(not all(kept))


def _hour(folder: Path) -> bool:
    """Scan an hour, and look at the tree a few times a second."""
    film = folder / "hour.ts"
    _loop(clip(MINUTE), film, REPEATS)
    print(f"{REPEATS} minutes, {film.stat().st_size / MIB:.0f} MiB")
    command = [sys.executable, "-m", "workers.cli", "scan", "--json", str(film)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as scan:
        seen = list(_watched(scan))
    rss, pss = max(memory.rss for memory in seen), max(memory.pss for memory in seen)
    kept = scan.returncode in (0, 3) and rss < MOST_MIB
    print(
        f"highest of {len(seen)} looks: RSS {rss:.0f} MiB, PSS {pss:.0f} MiB, goal < {MOST_MIB}: {_word(kept)}"
    )
    return kept


def _watched(scan: subprocess.Popen[bytes]) -> Iterator[Memory]:
    while scan.poll() is None:
        yield _memory([scan.pid, *descendants(scan.pid)])
        time.sleep(PAUSE)


def _flat() -> bool:
    """Segments one after another, and the memory after each hundred."""
    path, scored, seen = clip(SHORT), 0, []
    with local_runner(Settings()) as runner:
        for outcome in runner.run(_jobs(path)):
            scored += isinstance(outcome, ScoredSegment)
            if isinstance(outcome, Finished) and scored % EACH == 0:
                seen.append(_memory([os.getpid(), *descendants()]).pss)
    print(
        f"PSS after each {EACH} of {len(seen) * EACH} segments: {', '.join(f'{mib:.0f}' for mib in seen)} MiB"
    )
    growth = max(seen[-3:]) / max(seen[:3])
    print(
        f"last three over first three: {growth:.3f}, goal <= {MOST_GROWTH}: {_word(growth <= MOST_GROWTH)}"
    )
    return growth <= MOST_GROWTH


def _jobs(path: Path) -> Iterator[Job]:
    for number in range(SEGMENTS):
        key = SegmentKey(stream_id=StreamId("stream"), sequence=number)
        yield Job(segment=Segment(key=key, source=path), name=path.name, windowed=False)


def _loop(source: Path, out: Path, times: int) -> None:
    """The packets of ``source`` so often, one after another on one clock."""
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
    """KiB by kind; nothing for a process that is gone."""
    try:
        rows = [
            row.split()
            for row in Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()[1:]
        ]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows}


def _word(kept: bool) -> str:
    return "kept" if kept else "MISSED"


if __name__ == "__main__":
    main()
