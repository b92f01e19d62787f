"""Cost of the Ray path compared with a single process: ``python benchmarks/ray_overhead.py SEGMENT
[--models FOLDER]``.

The same segment is sent many times, as many streams, alternately through ``LocalRunner`` and Ray
actors. Processor time of this process, the actors and their sandboxed children is counted; Ray's
own daemons are listed separately, because their cost is per second and not per segment. Both paths
are warm: imports, models and first children are not counted.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from scanner.bench.process_tree import descendants
from scanner.runner import Job, Runner, configured_scorers, local_runner, open_worker
from scanner.settings.sections import ModelSettings, Settings
from scanner.types import ScoredSegment, Segment, SegmentKey, StreamId
from workers.actors import Plan, ray_runner
from workers.decode import Recipe

STREAMS = 20
TICK = 1000 / os.sysconf("SC_CLK_TCK")
ALONE = ("this process", "children")
"""The processes that work in the single-process path; the actors idle at that time, and their
threads are not part of its cost."""
ON_RAY = (*ALONE, "actors")
ALL = (*ON_RAY, "daemons")


def main() -> None:
    """Measure and print a table."""
    options = _options()
    settings = Settings(models=ModelSettings(dir=options.models))
    recipe = Recipe(
        scorers=partial(configured_scorers, settings), worker=partial(open_worker, settings)
    )
    begun = time.perf_counter()
    with local_runner(settings) as local, ray_runner(recipe, Plan(workers=options.workers)) as ray:
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
        parts = (f"{part} {median(cost[part] for cost in costs):.2f} ms" for part in ALL)
        print(f"{name:>16}: {', '.join(parts)}")
    ratios = sorted(
        sum(on_ray[part] for part in ON_RAY) / sum(alone[part] for part in ALONE)
        for alone, on_ray in rounds
    )
    print(
        f"processor time per segment, Ray / single process: {median(ratios):.3f}"
        f" ({ratios[0]:.3f} to {ratios[-1]:.3f})"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("segment", type=Path)
    parser.add_argument(
        "--models", type=Path, help="folder of models; the shipped ones if not given"
    )
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def _jobs(path: Path, count: int) -> Iterator[Job]:
    for number in range(count):
        key = SegmentKey(
            stream_id=StreamId(f"stream-{number % STREAMS}"), sequence=number // STREAMS
        )
        yield Job(segment=Segment(key=key, source=path), name=str(key), windowed=False)


def _cost(runner: Runner, path: Path, count: int) -> dict[str, float]:
    """Return milliseconds of processor time per segment, by kind of process."""
    before = _ticks()
    scored = sum(isinstance(outcome, ScoredSegment) for outcome in runner.run(_jobs(path, count)))
    if scored != count:
        raise SystemExit(f"{path}: {count - scored} of {count} segments could not be scored")
    after = _ticks()
    return {kind: (after[kind] - before[kind]) * TICK / count for kind in ALL}


def _ticks() -> Counter[str]:
    """Return the ticks of this process and all its descendants; an ended process counts with its
    parent."""
    ticks: Counter[str] = Counter()
    for pid, fields in _process_tree().items():
        ticks[_kind(pid)] += sum(map(int, fields[11:15]))
    return ticks


def _process_tree() -> dict[int, list[str]]:
    """Return the fields of ``/proc/PID/stat`` from the state on, for this process and its
    descendants."""
    stats = {pid: _stat(pid) for pid in (os.getpid(), *descendants())}
    return {pid: fields for pid, fields in stats.items() if fields}


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
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
    return "actors" if command.startswith(("ray::_Decode", "ray::IDLE")) else "daemons"


def _memory() -> str:
    sizes: Counter[str] = Counter()
    for pid in _process_tree():
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().split("\n")
        sizes[_kind(pid)] += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return ", ".join(f"{kind} {size / 1024:.0f} MiB" for kind, size in sorted(sizes.items()))


if __name__ == "__main__":
    main()
