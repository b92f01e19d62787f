"""A frame each half second of a 10 s GOP, beside a bare loop: ``python -m benchmarks.dense [FILE.ts]``.

Both decode everything but the bidirectional frames, which is all that can be left out; the bare loop with ``skip_frame``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.bare import HALF_SECOND, SIDE, dense
from benchmarks.clips import LONG_GOP, clip
from benchmarks.turns import Goal, in_turns, tell_machine
from scanner.media import DecodeRequest, Sampling
from scanner.sandbox import Sandbox
from scanner.types import FrameSpec

ROUNDS = 7
GOAL = Goal(name="product", over="bare loop", bound=1.1)


def main() -> None:
    """Measure, print, and end with status 1 where the goal is missed."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else clip(LONG_GOP)
    request = DecodeRequest(specs=(FrameSpec(width=SIDE, height=SIDE),), sampling=Sampling(max_gap=HALF_SECOND))
    tell_machine()
    with Sandbox() as sandbox:
        windows = list(sandbox.decode(path, request, name=path.name))
        seconds = float(sum(window.times.duration for window in windows))
        works = {
            "bare loop": lambda: list(dense(path.read_bytes())),
            "product": lambda: list(sandbox.decode(path, request, name=path.name)),
        }
        costs = in_turns(works, ROUNDS)
    print(f"{sum(len(w.samples) for w in windows)} frames of {seconds:.1f} s (bare loop: {sum(1 for _ in dense(path.read_bytes()))}):")
    costs.tell("file", 1, seconds)
    sys.exit(not costs.judge(GOAL))


if __name__ == "__main__":
    main()
