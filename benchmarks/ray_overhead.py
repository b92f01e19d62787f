"""Cost of the Ray path compared with the single process: ``python benchmarks/ray_overhead.py
SEGMENT [--models FOLDER]``.

The same segment many times, as many streams, through ``LocalRunner`` and through Ray actors, in
turns. Processor time of this process, the actors and their sandboxed children is counted; Ray's own
daemons are counted apart, because they cost by the second and not by the segment. Both paths are
warm: imports, models and first children are not counted.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from scanner.compose import compose, local_runner, worker_parts
from scanner.settings.sections import ModelSettings, Settings
from scanner.stream.events import SegmentScored
from scanner.stream.inputs import Job, Runner, SegmentTurn
from scanner.types import Segment, SegmentKey, StreamId
from workers.actors import PoolPlan, ray_runner

STREAMS = 20
TICK = 1000 / os.sysconf("SC_CLK_TCK")
ALONE = ("this process", "children")
"""Processes that work when the single process does; the actors' idle threads, which run meanwhile,
are not its cost."""
ON_RAY = (*ALONE, "actors")
ALL = (*ON_RAY, "daemons")


def main() -> None:
    """Measure and print a table."""
    options = _options()
    program = compose(Settings(models=ModelSettings(dir=options.models)))
    parts, plan = worker_parts(program), PoolPlan(workers=options.workers)
    begun = time.perf_counter()
    with local_runner(program) as local, ray_runner(parts, plan) as ray:
        print(f"Ray started in {time.perf_counter() - begun:.1f} s")
        for runner in (local, ray):
            _cost(runner, options.segment, 32 * options.workers)
        rounds = [
            (
                _cost(local, options.segment, options.count),
                _cost(ray, options.segment, options.count),
            )
            for _ in range(options.rounds)
        ]
        print(f"memory (PSS): {_memory()}")
    for name, costs in zip(
        ("single process", f"{options.workers} workers"), zip(*rounds, strict=True), strict=True
    ):
        print(
            f"{name:>16}: "
            + ", ".join(f"{part} {median(cost[part] for cost in costs):.2f} ms" for part in ALL)
        )
    ratios = sorted(
        sum(on_ray[part] for part in ON_RAY) / sum(alone[part] for part in ALONE)
        for alone, on_ray in rounds
    )
    print(
        "processor time a segment, Ray / single process:"
        f" {median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("segment", type=Path)
    parser.add_argument(
        "--models", type=Path, help="folder of models; the shipped ones where it is not given"
    )
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def _turns(path: Path, count: int) -> Iterator[SegmentTurn]:
    for number in range(count):
        key = SegmentKey(
            stream_id=StreamId(f"stream-{number % STREAMS}"), sequence=number // STREAMS
        )
        job = Job(segment=Segment(key=key, source=path), name=str(key), windowed=False)
        yield SegmentTurn(job=job)


def _cost(runner: Runner, path: Path, count: int) -> dict[str, float]:
    """Return milliseconds of processor time per segment, by kind of process."""
    before = _ticks()
    scored = sum(
        isinstance(event, SegmentScored)
        for progress in runner.run(_turns(path, count))
        for event in progress.events
    )
    if scored != count:
        raise SystemExit(f"{path}: {count - scored} of {count} segments could not be scored")
    after = _ticks()
    return {kind: (after[kind] - before[kind]) * TICK / count for kind in ALL}


def _ticks() -> Counter[str]:
    """Return the ticks of this process and its descendants; those of an ended one count with its
    parent."""
    ticks: Counter[str] = Counter()
    for pid, fields in _family().items():
        ticks[_kind(pid)] += sum(map(int, fields[11:15]))
    return ticks


def _family() -> dict[int, list[str]]:
    """``/proc/PID/stat`` from the state on, of this process and all below it."""
    stats = {
        int(entry.name): fields
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (fields := _stat(entry))
    }
    family, size = {os.getpid()}, 0
    while len(family) > size:
        size = len(family)
        family |= {pid for pid, fields in stats.items() if int(fields[1]) in family}
    return {pid: stats[pid] for pid in family}


def _stat(entry: Path) -> list[str]:
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended just now
        return []


def _kind(pid: int) -> str:
    if pid == os.getpid():
        return "this process"
    command = (
        Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    )
    if "scanner.sandbox" in command:
        return "children"
    return "actors" if command.startswith(("ray::_RemoteDecode", "ray::IDLE")) else "daemons"


def _memory() -> str:
    sizes: Counter[str] = Counter()
    for pid in _family():
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().split("\n")
        sizes[_kind(pid)] += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return ", ".join(f"{kind} {size / 1024:.0f} MiB" for kind, size in sorted(sizes.items()))


if __name__ == "__main__":
    main()
