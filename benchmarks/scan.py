"""``scan`` on one core beside a hand-written loop and the usual script: ``python -m benchmarks.scan
[SEGMENT.ts]``.

All of them take the same segments from files and run the shipped network, a MobileNetV2. The loop
does nothing else; ``scan`` also sandboxes, scores the test card, calibrates, places, folds and
writes its lines. The usual script decodes every frame with OpenCV and looks at one in each half
second, four times as many as there are keyframes: ``scan`` at that density is shown too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.bare import HALF_SECOND, network, recipe, scored, usual_script
from benchmarks.clips import SEGMENT, clip
from benchmarks.turns import Goal, in_turns, tell_machine
from scanner.arrivals import Arrived
from scanner.lines import ErrorLine, FrameLine, Line, dumps
from scanner.media.sampling import Sampling
from scanner.risk.policy import Policies
from scanner.runner import Runner, local_runner, used_models
from scanner.scan import scan
from scanner.scoring.registry import default_models_dir
from scanner.settings.policies import compose_policies
from scanner.settings.sections import ModelSettings, Settings
from scanner.types import Segment, SegmentKey, StreamId

MODEL = "streamwarden-frame"
ROUNDS, SEGMENTS = 7, 6
GOALS = (
    Goal(name="hand-written loop", over="scan", bound=0.9, at_least=True),
    Goal(name="usual script", over="scan", bound=10.0, at_least=True),
)


def main() -> None:
    """Measure, print, and end with status 1 where a goal is missed."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sys.exit(not _measure(Path(sys.argv[1]) if len(sys.argv) > 1 else clip(SEGMENT)))


def _measure(path: Path) -> bool:
    settings = Settings(models=ModelSettings(names=(MODEL,)))
    dense = settings.model_copy(update={"sampling": Sampling(max_gap=HALF_SECOND)})
    (manifest,) = used_models(settings)
    session, policies = (
        network(default_models_dir() / MODEL / manifest.file),
        compose_policies(settings, (manifest,)),
    )
    with (
        local_runner(settings) as runner,
        local_runner(dense) as dense_runner,
        open(os.devnull, "w", encoding="utf-8") as out,
    ):
        works: dict[str, Callable[[], int]] = {
            "hand-written loop": lambda: sum(
                scored(recipe(path.read_bytes()), session) for _ in range(SEGMENTS)
            ),
            "scan": lambda: _scan(path, policies, runner, out.write),
            "scan, a frame each 0.5 s": lambda: _scan(path, policies, dense_runner, out.write),
            "usual script": lambda: sum(
                scored(usual_script(path), session) for _ in range(SEGMENTS)
            ),
        }
        tell_machine()
        counted = ", ".join(f"{name} {work() // SEGMENTS}" for name, work in works.items())
        print(f"{manifest.ref}; frames scored of {SEGMENT.seconds} s: {counted}")
        costs = in_turns(works, ROUNDS)
    costs.tell("segment", SEGMENTS, SEGMENTS * SEGMENT.seconds)
    print(costs.shown("usual script", "scan, a frame each 0.5 s"))
    return costs.judge(GOALS)


def _scan(path: Path, policies: Policies, runner: Runner, write: Callable[[str], object]) -> int:
    """One stream of segments, its lines written; gives the number of frames."""
    frames = 0
    for said in scan(_arrivals(path), policies, runner):
        if isinstance(said, ErrorLine):
            raise SystemExit(said.message)
        if isinstance(said, Line):
            write(dumps(said) + "\n")
        frames += isinstance(said, FrameLine)
    return frames


def _arrivals(path: Path) -> Iterator[Arrived]:
    for sequence in range(SEGMENTS):
        key = SegmentKey(stream_id=StreamId("stream"), sequence=sequence)
        yield Arrived(
            path="stream",
            segment=Segment(key=key, source=path),
            name=path.name,
            last=sequence == SEGMENTS - 1,
        )


if __name__ == "__main__":
    main()
