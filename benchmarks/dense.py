"""A frame every half second of a 10 s GOP, compared with bare loops: ``python -m benchmarks.dense
[FILE.ts]``.

The frames that can be skipped in a long GOP depend on which frames are references.
``skip_frame=BIDIR`` skips every bidirectional frame; where other frames reference those, as in the
generated clip and with x264's defaults, pictures are wrong. ``NONREF`` skips only frames that
nothing references, and every picture is exact. The product does either (``sampling.between``), and
is compared with the same loop.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from benchmarks.clips import LONG_GOP, get_clip
from benchmarks.turns import Goal, measure_in_turns, print_machine
from scanner.bench.bare import SIDE, dense_frames
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
    """Measure, print, and exit with status 1 if a goal is missed."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else get_clip(LONG_GOP)
    print_machine()
    with Sandbox() as sandbox:
        windows = list(sandbox.decode(path, _request("exact"), name=path.name, stream="clip"))
        works: dict[str, Callable[[], list[Any]]] = {
            "bare loop, BIDIR": lambda: list(dense_frames(path.read_bytes(), "BIDIR")),
            "product, fast": lambda: list(
                sandbox.decode(path, _request("fast"), name=path.name, stream="clip")
            ),
            "bare loop, NONREF": lambda: list(dense_frames(path.read_bytes(), "NONREF")),
            "product, exact": lambda: list(
                sandbox.decode(path, _request("exact"), name=path.name, stream="clip")
            ),
        }
        frames = sum(len(window.samples) for window in windows)
        print(f"{frames} frames, in a bare loop {len(works['bare loop, BIDIR']())}")
        costs = measure_in_turns(works, ROUNDS)
    costs.print_costs("file", 1, float(sum(window.times.duration for window in windows)))
    print(costs.format_ratio("product, exact", "bare loop, BIDIR"))
    sys.exit(not costs.check_goals(GOALS))


def _request(between: Literal["fast", "exact"]) -> DecodeRequest:
    return DecodeRequest(
        specs=(FrameSpec(width=SIDE, height=SIDE),),
        sampling=Sampling(max_gap=Fraction(1, 2), between=between),
    )


if __name__ == "__main__":
    main()
