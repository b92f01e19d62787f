"""The product's keyframe path beside bare libavcodec: ``python -m benchmarks.recipe [SEGMENT.ts]``.

Bare libavcodec gets the keyframes' packets from memory; only decoding and scaling to 224 x 224 RGB
remain. The product opens the file, demuxes it, picks, decodes and scales in its sandboxed child,
and takes times and pictures back as untrusted.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.bare import SIDE, keyframe_packets, libavcodec, recipe
from benchmarks.clips import SEGMENT, clip
from benchmarks.turns import Goal, in_turns, tell_machine
from scanner.media.decode import decode_windows
from scanner.media.request import DecodeRequest
from scanner.sandbox.sandbox import Sandbox
from scanner.types import FrameSpec

ROUNDS, SEGMENTS = 15, 5
GOAL = Goal(name="product", over="bare libavcodec", bound=1.2)


def main() -> None:
    """Measure, print, and end with status 1 where the goal is missed."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else clip(SEGMENT)
    data = path.read_bytes()
    packets = keyframe_packets(data)
    request = DecodeRequest(specs=(FrameSpec(width=SIDE, height=SIDE),))
    tell_machine()
    with Sandbox() as sandbox:
        (window,) = sandbox.decode(path, request, name=path.name)
        assert len(window.samples) == libavcodec(packets) == sum(1 for _ in recipe(data))
        costs = in_turns(
            {
                "bare libavcodec": _often(lambda: libavcodec(packets)),
                "bare loop, with the file": _often(lambda: list(recipe(path.read_bytes()))),
                "product, without a child": _often(
                    lambda: list(
                        decode_windows(io.BytesIO(path.read_bytes()), request, name=path.name)
                    )
                ),
                "product": _often(lambda: list(sandbox.decode(path, request, name=path.name))),
            },
            ROUNDS,
        )
    print(f"{len(packets)} keyframes of {float(window.times.duration):.1f} s:")
    costs.tell("segment", SEGMENTS, SEGMENTS * float(window.times.duration))
    sys.exit(not costs.judge((GOAL,)))


def _often(work: Callable[[], object]) -> Callable[[], object]:
    return lambda: [work() for _ in range(SEGMENTS)]


if __name__ == "__main__":
    main()
