"""Cost of a child for each stream: ``python -m benchmarks.streams [SEGMENT]``.

Streams of 20 segments and streams of one segment, each with a child of its own, are decoded in
turns with one stream whose child is there already. The difference is what the zygote's fork, the
restrictions and the first segment in new memory cost.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from benchmarks.clips import SEGMENT, get_clip
from benchmarks.turns import Goal, measure_in_turns, print_machine
from scanner.bench.bare import SIDE
from scanner.media.request import DecodeRequest
from scanner.sandbox.sandbox import Sandbox
from scanner.types import FrameSpec

ROUNDS, SEGMENTS = 9, 20
LONG, SHORT, ONE = "a child per 20 segments", "a child per segment", "one child"
GOAL = Goal(name=LONG, over=ONE, bound=1.08)


def main() -> None:
    """Measure, print, and exit with status 1 if the goal is missed."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else get_clip(SEGMENT)
    request = DecodeRequest(specs=(FrameSpec(width=SIDE, height=SIDE),), window=None)
    numbers = count()
    print_machine()
    with Sandbox() as sandbox:

        def decode(stream: Callable[[int], str | None]) -> Callable[[], None]:
            def work() -> None:
                turn = next(numbers)
                for _ in range(SEGMENTS):
                    list(sandbox.decode(path, request, name=path.name, stream=stream(turn)))

            return work

        works = {
            ONE: decode(lambda _: "same"),
            LONG: decode(lambda turn: f"stream {turn}"),
            SHORT: decode(lambda _: None),
        }
        costs = measure_in_turns(works, ROUNDS)
    costs.print_costs("segment", SEGMENTS, SEGMENTS * SEGMENT.seconds)
    print(costs.format_ratio(SHORT, ONE))
    sys.exit(not costs.check_goals((GOAL,)))


if __name__ == "__main__":
    main()
