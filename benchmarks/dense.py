"""A frame each half second of a 10 s GOP, beside bare loops: ``python -m benchmarks.dense
[FILE.ts]``.

What can be left out of a long GOP depends on who may lean on what. ``skip_frame=BIDIR`` leaves out
every bidirectional frame; where others lean on those, as in the drawn clip and with x264's
defaults, pictures are off. ``NONREF`` leaves out what nothing leans on, and every picture is exact.
The product does either (``sampling.between``), and is compared with the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from benchmarks.bare import SIDE, dense
from benchmarks.clips import LONG_GOP, clip
from benchmarks.turns import Goal, in_turns, tell_machine
from scanner.media.request import DecodeRequest
from scanner.media.sampling import Sampling
from scanner.sandbox.sandbox import Sandbox
from scanner.types import FrameSpec

ROUNDS = 7
GOALS = (
    Goal(name="product, fast", over="bare loop, BIDIR", bound=1.1),
    Goal(name="product, exact", over="bare loop, NONREF", bound=1.1),
)


def main() -> None:
    """Measure, print, and end with status 1 where a goal is missed."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else clip(LONG_GOP)
    tell_machine()
    with Sandbox() as sandbox:
        windows = list(sandbox.decode(path, _request("exact"), name=path.name))
        works: dict[str, Callable[[], list[Any]]] = {
            "bare loop, BIDIR": lambda: list(dense(path.read_bytes(), "BIDIR")),
            "product, fast": lambda: list(sandbox.decode(path, _request("fast"), name=path.name)),
            "bare loop, NONREF": lambda: list(dense(path.read_bytes(), "NONREF")),
            "product, exact": lambda: list(sandbox.decode(path, _request("exact"), name=path.name)),
        }
        print(
            f"{sum(len(window.samples) for window in windows)} frames, in a bare loop {len(works['bare loop, BIDIR']())}"
        )
        costs = in_turns(works, ROUNDS)
    costs.tell("file", 1, float(sum(window.times.duration for window in windows)))
    print(costs.shown("product, exact", "bare loop, BIDIR"))
    sys.exit(not costs.judge(GOALS))


def _request(between: Literal["fast", "exact"]) -> DecodeRequest:
    return DecodeRequest(
        specs=(FrameSpec(width=SIDE, height=SIDE),),
        sampling=Sampling(max_gap=Fraction(1, 2), between=between),
    )


if __name__ == "__main__":
    main()
