"""Cost of bursts in addition to keyframes: ``python -m benchmarks.bursts [FILE]``.

A segment whose bursts are sampled is decoded almost completely: bursts cover 1.4 of every 2 s, and
decoding a frame needs its reference frames. The ratio states that cost in keyframe paths, from
which follows the cost of a stream for any share of segments with bursts. Inference is not included
(``streamwarden bench infer`` measures it).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Literal

from benchmarks.clips import NO_B_FRAMES, SEGMENT, get_clip
from benchmarks.turns import Costs, Goal, measure_in_turns, print_machine
from scanner.bench.bare import SIDE
from scanner.media.request import DecodeRequest
from scanner.media.sampling import Sampling
from scanner.sandbox.sandbox import Sandbox
from scanner.types import Burst, FrameSpec

ROUNDS = 7
BURST = FrameSpec(width=SIDE, height=SIDE, burst=Burst(frames=8, rate=5))
SHARES = (0.02, 0.05, 0.1, 0.2, 1.0)
BURSTS, PACKETS_KEPT, KEYFRAMES = "in motion", "packets kept", "keyframes"
GOALS = (Goal(name=PACKETS_KEPT, over=KEYFRAMES, bound=1.1),)
"""With a burst model installed, a segment without bursts costs what it cost before."""


def main() -> None:
    """Measure, print, and exit with status 1 if a goal is missed."""
    paths = [Path(argument) for argument in sys.argv[1:2]] or [
        get_clip(SEGMENT),
        get_clip(NO_B_FRAMES),
    ]
    print_machine()
    with Sandbox() as sandbox:
        met = [_compare(sandbox, path, between) for path in paths for between in ("exact", "fast")]
    sys.exit(not all(met))


def _compare(sandbox: Sandbox, path: Path, between: Literal["exact", "fast"]) -> bool:
    seconds = sum(
        float(window.times.duration)
        for window in sandbox.decode(
            path, _request(between, BURST.frame), name=path.name, stream="clip"
        )
    )
    works: dict[str, Callable[[], object]] = {
        KEYFRAMES: lambda: list(
            sandbox.decode(path, _request(between, BURST.frame), name=path.name, stream="clip")
        ),
        PACKETS_KEPT: lambda: list(
            sandbox.decode(
                path, _request(between, BURST.frame, BURST), name=path.name, stream="clip"
            )
        ),
        BURSTS: lambda: _count_bursts(sandbox, path, between),
    }
    print(f"\n{path.name}, between = {between}: {_count_bursts(sandbox, path, between)} bursts")
    costs = measure_in_turns(works, ROUNDS)
    costs.print_costs("file", 1, seconds)
    print(costs.format_ratio(BURSTS, KEYFRAMES))
    _print_shares(costs)
    return costs.check_goals(GOALS)


def _print_shares(costs: Costs) -> None:
    """Print the cost of all segments together, for several shares of segments with bursts."""
    more = median(costs.ratios(BURSTS, KEYFRAMES)) - 1
    print(
        "  share taken: "
        + ", ".join(f"{share:.0%} costs {1 + share * more:.2f}" for share in SHARES)
    )


def _count_bursts(sandbox: Sandbox, path: Path, between: Literal["exact", "fast"]) -> int:
    windows = sandbox.decode(
        path, _request(between, BURST.frame, BURST), name=path.name, stream="clip"
    )
    return sum(len(windows.bursts().samples) for _ in windows)


def _request(between: Literal["exact", "fast"], *specs: FrameSpec) -> DecodeRequest:
    return DecodeRequest(specs=specs, sampling=Sampling(between=between))


if __name__ == "__main__":
    main()
