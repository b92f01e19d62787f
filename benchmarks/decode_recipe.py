"""CPU time of ``scanner.media.decode`` beside bare loops over the same file, as ratios measured in turns.

python benchmarks/decode_recipe.py keyframes SEGMENT.ts
python benchmarks/decode_recipe.py long LONG_GOP.ts
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Discard
from av.video.reformatter import VideoReformatter

from scanner.media import DecodeRequest, Sampling, decode
from scanner.types import FrameSpec

FAST_OPEN = {
    "codec_whitelist": "none",
    "format_whitelist": "mpegts",
    "protocol_whitelist": "none",
    "probesize": "32768",
    "analyzeduration": "0",
    "fpsprobesize": "0",
    "skip_estimate_duration_from_pts": "1",
}
SPEC = FrameSpec(width=224, height=224)
ROUNDS = 25


def bare_keyframes(data: bytes) -> int:
    """The recipe: keyframe packets only, scaled."""
    return _bare(data, keyframes=True, step=None)


def bare_long(data: bytes) -> int:
    """Every packet decoded but the bidirectional frames, one frame each half second scaled."""
    return _bare(data, keyframes=False, step=Fraction(1, 2))


def ours_keyframes(data: bytes) -> int:
    """The product's default sampling."""
    return _ours(data, Sampling())


def ours_long(data: bytes) -> int:
    """The product, a frame each half second."""
    return _ours(data, Sampling(max_gap=Fraction(1, 2)))


def _bare(data: bytes, *, keyframes: bool, step: Fraction | None) -> int:
    made, due, reformatter = 0, None, VideoReformatter()
    with av.open(io.BytesIO(data), format="mpegts", options=FAST_OPEN, buffer_size=1 << 18) as container:
        track = container.streams.video[0]
        track.codec_context.thread_count = 1
        track.codec_context.skip_frame = "DEFAULT" if keyframes else "BIDIR"
        for stream in container.streams:
            stream.discard = Discard.default if stream is track else Discard.all
        for packet in container.demux(track):
            if keyframes and packet.size and not packet.is_keyframe:
                continue
            for frame in track.codec_context.decode(packet if packet.size else None):
                at = frame.pts * track.time_base
                if step is not None and due is not None and at < due:
                    continue
                due = at + (step or 0)
                reformatter.reformat(frame, width=224, height=224, format="rgb24", interpolation="AREA", threads=1).to_ndarray()
                made += 1
    return made


def _ours(data: bytes, sampling: Sampling) -> int:
    request = DecodeRequest(specs=(SPEC,), sampling=sampling)
    return sum(len(window.samples) for window in decode(io.BytesIO(data), request, name="segment"))


def cost(work: Callable[[bytes], int], data: bytes) -> float:
    """CPU seconds of one run."""
    begun = time.process_time()
    work(data)
    return time.process_time() - begun


def main() -> None:
    """Print both medians, the median of the paired ratios and their spread."""
    kind, path = sys.argv[1:]
    data = Path(path).read_bytes()
    bare, ours = {"keyframes": (bare_keyframes, ours_keyframes), "long": (bare_long, ours_long)}[kind]
    print(f"{kind}: bare makes {bare(data)} samples, ours {ours(data)}")
    pairs = [(cost(bare, data), cost(ours, data)) for _ in range(ROUNDS)]
    ratios = sorted(mine / theirs for theirs, mine in pairs)
    medians = [statistics.median(column) * 1000 for column in zip(*pairs, strict=True)]
    print(f"bare {medians[0]:.1f} ms, ours {medians[1]:.1f} ms of CPU time a run")
    print(f"ratio {statistics.median(ratios):.3f}; the middle 15 of {ROUNDS}: {ratios[5]:.3f} to {ratios[-6]:.3f}")


if __name__ == "__main__":
    main()
