"""What a look in motion costs beside the keyframes that are looked at anyway: ``python -m
benchmarks.bursts [FILE]``.

A segment that is taken is decoded almost whole: bursts cover 1.4 of each 2 s, and a frame that
leans on others needs those. The ratio says how many keyframe paths that is, and from it follows
what streams cost at any share of segments that are taken. Models are not counted: how long one
takes for a burst is its own affair (``streamwarden bench infer``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Literal

from benchmarks.bare import SIDE
from benchmarks.clips import NO_B_FRAMES, SEGMENT, clip
from benchmarks.turns import Costs, Goal, in_turns, tell_machine
from scanner.media.request import DecodeRequest
from scanner.media.sampling import Sampling
from scanner.sandbox.sandbox import Sandbox
from scanner.types import Burst, FrameSpec

ROUNDS = 7
BURST = FrameSpec(width=SIDE, height=SIDE, burst=Burst(frames=8, rate=5))
SHARES = (0.02, 0.05, 0.1, 0.2, 1.0)
ASKED, KEPT, KEYFRAMES = "in motion", "packets kept", "keyframes"
GOALS = (Goal(name=KEPT, over=KEYFRAMES, bound=1.1),)
"""Where a model of bursts is installed and a segment is not taken, it costs what it cost before."""


def main() -> None:
    """Measure, print, and end with status 1 where a goal is missed."""
    paths = [Path(argument) for argument in sys.argv[1:2]] or [clip(SEGMENT), clip(NO_B_FRAMES)]
    tell_machine()
    with Sandbox() as sandbox:
        kept = [
            _compared(sandbox, path, between) for path in paths for between in ("exact", "fast")
        ]
    sys.exit(not all(kept))


def _compared(sandbox: Sandbox, path: Path, between: Literal["exact", "fast"]) -> bool:
    seconds = sum(
        float(window.times.duration)
        for window in sandbox.decode(path, _request(between, BURST.frame), name=path.name)
    )
    works: dict[str, Callable[[], object]] = {
        KEYFRAMES: lambda: list(
            sandbox.decode(path, _request(between, BURST.frame), name=path.name)
        ),
        KEPT: lambda: list(
            sandbox.decode(path, _request(between, BURST.frame, BURST), name=path.name)
        ),
        ASKED: lambda: _in_motion(sandbox, path, between),
    }
    print(f"\n{path.name}, between = {between}: {_in_motion(sandbox, path, between)} bursts")
    costs = in_turns(works, ROUNDS)
    costs.tell("file", 1, seconds)
    print(costs.shown(ASKED, KEYFRAMES))
    _tell_shares(costs)
    return costs.judge(GOALS)


def _tell_shares(costs: Costs) -> None:
    """What all segments cost together, if so many of them are taken."""
    more = median(costs.ratios(ASKED, KEYFRAMES)) - 1
    print(
        "  share taken: "
        + ", ".join(f"{share:.0%} costs {1 + share * more:.2f}" for share in SHARES)
    )


def _in_motion(sandbox: Sandbox, path: Path, between: Literal["exact", "fast"]) -> int:
    windows = sandbox.decode(path, _request(between, BURST.frame, BURST), name=path.name)
    return sum(len(windows.bursts()) for _ in windows)


def _request(between: Literal["exact", "fast"], *specs: FrameSpec) -> DecodeRequest:
    return DecodeRequest(specs=specs, sampling=Sampling(between=between))


if __name__ == "__main__":
    main()
