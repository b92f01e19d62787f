"""``scan`` on one core compared with a hand-written loop and the usual script: ``python -m
benchmarks.scan [SEGMENT.ts]``.

All of them read the same segments from files and run the shipped network, a MobileNetV2. The loop
does nothing else; ``scan`` also sandboxes, scores the test card, calibrates, places, folds and
writes its lines. The usual script decodes every frame with OpenCV and scores one every half second,
four times as many as there are keyframes: ``scan`` at that density is measured too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.clips import SEGMENT, get_clip
from benchmarks.hand_written import open_session, score_frames
from benchmarks.turns import Goal, measure_in_turns, print_machine
from scanner.bench.bare import SAMPLE_STEP, keyframe_frames, opencv_frames
from scanner.compose import Program, compose, local_runner, scan_lines
from scanner.media.sampling import Sampling
from scanner.report.line_text import dumps
from scanner.report.lines import ErrorLine, FrameLine
from scanner.scoring.registry import default_models_dir
from scanner.settings.sections import ModelSettings, Settings
from scanner.stream.inputs import Runner, SegmentArrived
from scanner.types import Segment, SegmentKey, StreamId

MODEL = "streamwarden-frame"
ROUNDS, SEGMENTS = 7, 6
GOALS = (
    Goal(name="hand-written loop", over="scan", bound=0.9, at_least=True),
    Goal(name="usual script", over="scan", bound=10.0, at_least=True),
)


def main() -> None:
    """Measure, print, and exit with status 1 if a goal is missed."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sys.exit(not _measure(Path(sys.argv[1]) if len(sys.argv) > 1 else get_clip(SEGMENT)))


def _measure(path: Path) -> bool:
    settings = Settings(models=ModelSettings(names=(MODEL,)))
    dense = settings.model_copy(update={"sampling": Sampling(max_gap=SAMPLE_STEP)})
    program, dense_program = compose(settings), compose(dense)
    (manifest,) = program.manifests
    session = open_session(default_models_dir() / MODEL / manifest.file)
    with (
        local_runner(program) as runner,
        local_runner(dense_program) as dense_runner,
        open(os.devnull, "w", encoding="utf-8") as out,
    ):
        works: dict[str, Callable[[], int]] = {
            "hand-written loop": lambda: sum(
                score_frames(keyframe_frames(path.read_bytes()), session) for _ in range(SEGMENTS)
            ),
            "scan": lambda: _scan(path, program, runner, out.write),
            "scan, a frame each 0.5 s": lambda: _scan(path, dense_program, dense_runner, out.write),
            "usual script": lambda: sum(
                score_frames(opencv_frames(path), session) for _ in range(SEGMENTS)
            ),
        }
        print_machine()
        counted = ", ".join(f"{name} {work() // SEGMENTS}" for name, work in works.items())
        print(f"{manifest.ref}; frames scored of {SEGMENT.seconds} s: {counted}")
        costs = measure_in_turns(works, ROUNDS)
    costs.print_costs("segment", SEGMENTS, SEGMENTS * SEGMENT.seconds)
    print(costs.format_ratio("usual script", "scan, a frame each 0.5 s"))
    return costs.check_goals(GOALS)


def _scan(path: Path, program: Program, runner: Runner, write: Callable[[str], object]) -> int:
    """Scan one stream of segments and write its lines; returns the number of frames."""
    frames = 0
    for line in scan_lines(program, _arrivals(path), runner):
        if isinstance(line, ErrorLine):
            raise SystemExit(line.message)
        write(dumps(line) + "\n")
        frames += isinstance(line, FrameLine)
    return frames


def _arrivals(path: Path) -> Iterator[SegmentArrived]:
    for sequence in range(SEGMENTS):
        key = SegmentKey(stream_id=StreamId("stream"), sequence=sequence)
        yield SegmentArrived(
            path="stream",
            segment=Segment(key=key, source=path),
            name=path.name,
            last=sequence == SEGMENTS - 1,
        )


if __name__ == "__main__":
    main()
