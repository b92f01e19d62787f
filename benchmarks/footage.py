"""``scan`` with its defaults compared with a hand-written loop, on footage of yours: ``python -m
benchmarks.footage FOLDER [MOST]``.

The videos of the folder become segments of a live stream: 4 s of 1080p30 H.264 at 6 Mb/s, a
keyframe every 2 s. Videos shorter than that are repeated. A stream of ten minutes shows them in a
random order, so that what bursts may take in the long run is included: footage of people opens the
gate of a burst model, games and screens do not. ``MOST`` is the goal for the ratio.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from benchmarks.hand_written import open_session, score_frames
from benchmarks.scan import MODEL
from benchmarks.turns import Goal, measure_in_turns, print_machine
from scanner.bench.bare import keyframe_frames
from scanner.compose import Program, compose, local_runner, scan_lines
from scanner.report.line_text import dumps
from scanner.report.lines import ErrorLine, FrameLine
from scanner.scoring.options import BurstSelection
from scanner.scoring.registry import default_models_dir
from scanner.settings.sections import Settings
from scanner.stream.inputs import Runner, SegmentArrived
from scanner.types import Segment, SegmentKey, StreamId

WIDTH, HEIGHT, RATE, GOP, BITS = 1920, 1080, 30, 60, 6_000_000
SECONDS, SEGMENTS, ROUNDS = 4, 150, 5
SEED = 1
ENCODER = {
    "preset": "veryfast",
    "x264-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=2:"
    f"vbv-maxrate={BITS // 1000}:vbv-bufsize={BITS // 1000}",
}


def main() -> None:
    """Measure, print, and exit with status 1 if the goal is missed."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    goals = [float(most) for most in sys.argv[2:]]
    with tempfile.TemporaryDirectory() as folder:
        segments = [*_write_segments(Path(sys.argv[1]), Path(folder))]
        if not segments:
            raise SystemExit(f"{sys.argv[1]}: no video in it that can be decoded")
        random.Random(SEED).shuffle(segments)
        sys.exit(not _measure([*islice(cycle(segments), SEGMENTS)], goals))


def _measure(stream: Sequence[Path], goals: Sequence[float]) -> bool:
    default = compose(Settings())
    without = compose(Settings(bursts=BurstSelection(base_rate=0.0, above={})))
    session = open_session(default_models_dir() / MODEL / "frame.onnx")
    with local_runner(default) as runner, local_runner(without) as runner_without:
        works: dict[str, Callable[[], object]] = {
            "hand-written loop": lambda: sum(
                score_frames(keyframe_frames(path.read_bytes()), session) for path in stream
            ),
            "scan": lambda: _scan(stream, default, runner),
            "scan without bursts": lambda: _scan(stream, without, runner_without),
        }
        print_machine()
        frames, bursts = _scan(stream, default, runner)
        print(f"{len(stream)} segments: {frames} frames and {bursts} bursts scored")
        costs = measure_in_turns(works, ROUNDS)
    costs.print_costs("segment", len(stream), len(stream) * SECONDS)
    print(costs.format_ratio("scan without bursts", "hand-written loop"))
    return costs.check_goals(
        Goal(name="scan", over="hand-written loop", bound=most) for most in goals or [1.35]
    )


def _scan(stream: Sequence[Path], program: Program, runner: Runner) -> tuple[int, int]:
    """Scan the stream, and return the number of frames and of bursts that were scored."""
    frames = bursts = 0
    for line in scan_lines(program, _arrivals(stream), runner):
        if isinstance(line, ErrorLine):
            raise SystemExit(line.message)
        dumps(line)
        if isinstance(line, FrameLine):
            frames, bursts = frames + (line.burst is None), bursts + (line.burst is not None)
    return frames, bursts


def _arrivals(stream: Sequence[Path]) -> Iterator[SegmentArrived]:
    for sequence, path in enumerate(stream):
        key = SegmentKey(stream_id=StreamId("stream"), sequence=sequence)
        yield SegmentArrived(
            path="stream",
            segment=Segment(key=key, source=path, discontinuity=True),
            name=path.name,
            last=sequence == len(stream) - 1,
        )


def _write_segments(source: Path, folder: Path) -> Iterator[Path]:
    """Yield a segment of each video of the folder and its folders."""
    for number, video in enumerate(sorted(one for one in source.rglob("*") if one.is_file())):
        path = folder / f"{number}.ts"
        try:
            if _write_segment(video, path):
                yield path
        except FFmpegError:
            continue


def _write_segment(video: Path, path: Path) -> bool:
    """Write one segment, and return whether the video has more than one picture."""
    pictures, reformatter = [*islice(_decode(video), SECONDS * RATE)], VideoReformatter()
    if len(pictures) < 2:
        return False
    with av.open(str(path), "w", format="mpegts") as container:
        track = container.add_stream("libx264", rate=RATE, options=ENCODER)
        track.width, track.height, track.pix_fmt, track.bit_rate = WIDTH, HEIGHT, "yuv420p", BITS
        for number, picture in enumerate(islice(cycle(pictures), SECONDS * RATE)):
            frame = reformatter.reformat(picture, WIDTH, HEIGHT, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            frame.pict_type = 0
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return True


def _decode(video: Path) -> Iterator[VideoFrame]:
    with av.open(str(video)) as container:
        yield from container.decode(video=0)


if __name__ == "__main__":
    main()
