"""Other ways to decode the same clip, which are measured in turn with ours.

Only clips that were generated here are given to them: they open media outside the sandbox.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from scanner.bench.bare import (
    SIDE,
    decode_packets,
    dense_frames,
    keyframe_packets,
    opencv_frames,
)
from scanner.bench.cases import DecodeCase

__all__ = ["BARE", "find_rivals"]

BARE: Final = "bare libavcodec"
FFMPEG: Final = "ffmpeg command"
OPENCV: Final = "OpenCV"
TORCHCODEC: Final = "torchcodec"
_DECODERS: Final = {"h264": "h264", "hevc": "hevc", "vp9": "vp9", "av1": "libdav1d"}


def find_rivals(case: DecodeCase, path: Path) -> dict[str, Callable[[], object]]:
    """Return, by name, what decodes the case's clip once: those that are installed here.

    Bare libavcodec gets the keyframes' packets in memory where the case samples keyframes only,
    and reads the file where it samples more densely. OpenCV decodes every frame and scales one
    each half second.
    """
    rivals: dict[str, Callable[[], object]] = {}
    is_dense = case.sampling.startswith("every")
    container = "mpegts" if path.suffix == ".ts" else "matroska"
    if not is_dense:
        packets = keyframe_packets(path.read_bytes(), container)
        rivals[BARE] = partial(decode_packets, packets, _DECODERS[case.codec])
    elif container == "mpegts":
        rivals[BARE] = lambda: list(dense_frames(path.read_bytes(), "NONREF"))
    if program := shutil.which("ffmpeg"):
        rivals[FFMPEG] = partial(_run_ffmpeg, program, path, is_dense=is_dense)
    if case.codec != "av1":  # OpenCV's wheel has no decoder for it
        rivals[OPENCV] = lambda: sum(1 for _ in opencv_frames(path))
    if find_spec(TORCHCODEC):
        times = [float(at) for at in range(0, case.clip.seconds, case.gop_seconds)]
        rivals[TORCHCODEC] = partial(_run_torchcodec, path, times)
    return rivals


def _run_ffmpeg(program: str, path: Path, *, is_dense: bool) -> int:
    """Scale every keyframe, or two frames a second, and return the number of bytes that came."""
    which = [] if is_dense else ["-skip_frame", "nokey"]
    rate = "fps=2," if is_dense else ""
    command = [program, "-v", "error", "-threads", "1", *which, "-i", str(path)]
    command += ["-vf", f"{rate}scale={SIDE}:{SIDE}:flags=area", "-fps_mode", "passthrough"]
    command += ["-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    done = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    return len(done.stdout)


def _run_torchcodec(path: Path, times: list[float]) -> None:
    """Decode the frames at some seconds of the clip."""
    decoders: Any = import_module("torchcodec.decoders")
    decoder = decoders.VideoDecoder(str(path), seek_mode="approximate", num_ffmpeg_threads=1)
    decoder.get_frames_played_at(times)
