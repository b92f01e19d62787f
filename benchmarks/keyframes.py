"""The product's keyframe path compared with bare libavcodec: ``python -m benchmarks.keyframes
[SEGMENT.ts]``.

Bare libavcodec gets the keyframes' packets from memory and only decodes and scales to 224 x 224
RGB. The product opens the file, demuxes, selects, decodes and scales in its sandboxed child, and
validates the result as untrusted.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.clips import SEGMENT, get_clip
from benchmarks.turns import Goal, measure_in_turns, print_machine
from scanner.bench.bare import SIDE, decode_packets, keyframe_frames, keyframe_packets
from scanner.media.decode import decode_windows
from scanner.media.request import DecodeRequest
from scanner.sandbox.sandbox import Sandbox
from scanner.types import FrameSpec

ROUNDS, SEGMENTS = 15, 5
GOAL = Goal(name="product", over="bare libavcodec", bound=1.2)


def main() -> None:
    """Measure, print, and exit with status 1 if the goal is missed."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else get_clip(SEGMENT)
    data = path.read_bytes()
    packets = keyframe_packets(data)
    request = DecodeRequest(specs=(FrameSpec(width=SIDE, height=SIDE),))
    print_machine()
    with Sandbox() as sandbox:
        (window,) = sandbox.decode(path, request, name=path.name, stream="clip")
        assert (
            len(window.samples) == decode_packets(packets) == sum(1 for _ in keyframe_frames(data))
        )
        costs = measure_in_turns(
            {
                "bare libavcodec": _repeat(lambda: decode_packets(packets)),
                "bare loop, with the file": _repeat(
                    lambda: list(keyframe_frames(path.read_bytes()))
                ),
                "product, without a child": _repeat(
                    lambda: list(
                        decode_windows(io.BytesIO(path.read_bytes()), request, name=path.name)
                    )
                ),
                "product": _repeat(
                    lambda: list(sandbox.decode(path, request, name=path.name, stream="clip"))
                ),
            },
            ROUNDS,
        )
    print(f"{len(packets)} keyframes of {float(window.times.duration):.1f} s:")
    costs.print_costs("segment", SEGMENTS, SEGMENTS * float(window.times.duration))
    sys.exit(not costs.check_goals((GOAL,)))


def _repeat(work: Callable[[], object]) -> Callable[[], object]:
    return lambda: [work() for _ in range(SEGMENTS)]


if __name__ == "__main__":
    main()
