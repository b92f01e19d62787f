"""Draw a clip that costs as much to decode as camera video of its size and bit rate: a drifting
texture under grain."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from scanner.errors import SetupError

__all__ = ["SyntheticClip", "preserved_scheduling", "write_synthetic"]

_OCTAVES = (240, 120, 60, 30, 15)
"""Pixels of the texture's patches, from clouds to detail; each octave is half as strong as the one
before."""
_GRAINS = 8
_GRAIN_LEVELS = 6
_DRIFT = (4, 2)
"""Pixels per frame, across and down."""
_CHROMA = 128
_SEED = 7


ClipCodec = Literal["h264", "hevc", "vp9", "av1"]
_ENCODERS: Final[dict[ClipCodec, tuple[str, str]]] = {
    "h264": ("libx264", "mpegts"),
    "hevc": ("libx265", "mpegts"),
    "vp9": ("libvpx-vp9", "webm"),
    "av1": ("libsvtav1", "webm"),
}
"""Encoder and container of each codec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticClip:
    """Parameters of the clip, with a keyframe each ``gop`` frames and at most ``bframes`` B-frames
    in a row."""

    codec: ClipCodec = "h264"
    """H.264 and HEVC lie in MPEG-TS, VP9 and AV1 in WebM."""

    width: int = 1920
    height: int = 1080
    rate: int = 30
    """Frames per second."""
    seconds: int = 4
    gop: int = 60
    bits: int = 6_000_000
    """Bits per second."""
    bframes: int = 2

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 64 or self.width % 2 or self.height % 2:
            raise ValueError(
                "sides of a synthetic clip must be even and at least 64 pixels, "
                f"got {self.width}x{self.height}"
            )
        for name in ("rate", "seconds", "gop", "bits"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} of a synthetic clip must be 1 or more, got {getattr(self, name)}"
                )


@contextmanager
def preserved_scheduling() -> Iterator[None]:
    """Restore the scheduling of this thread at the end of the block, or of a decorated function.

    The encoder of SVT-AV1 gives the thread that opens it real-time priority if the process is
    root's. Processes that are started later inherit it, and keep all others from running.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)


@preserved_scheduling()
def write_synthetic(path: Path, clip: SyntheticClip) -> None:
    """Draw and encode the clip; the same encoder writes the same clip each time.

    Raises:
        SetupError: this FFmpeg has no encoder for its codec.
    """
    encoder, container_format = _ENCODERS[clip.codec]
    if encoder not in av.codecs_available:
        raise SetupError(
            f"this FFmpeg cannot encode {clip.codec}; install the wheel of av, "
            "or name a file to measure with"
        )
    with av.open(str(path), "w", format=container_format) as container:
        stream: Any = container.add_stream(encoder, rate=clip.rate, options=_options(clip))
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        stream.codec_context.thread_count = 1
        for number, frame in enumerate(_draw_frames(clip)):
            frame.pts, frame.time_base = number, Fraction(1, clip.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _options(clip: SyntheticClip) -> dict[str, str]:
    """Return the options of the clip's encoder: its fastest settings for every codec but H.264."""
    rate = {"b": str(clip.bits)}
    keyframes = {"g": str(clip.gop)}
    match clip.codec:
        case "h264":
            return _x264_options(clip)
        case "hevc":
            limits = f"keyint={clip.gop}:min-keyint={clip.gop}:scenecut=0:bframes={clip.bframes}"
            return rate | {
                "preset": "ultrafast",
                "x265-params": f"{limits}:pools=1:frame-threads=1:log-level=none",
            }
        case "vp9":
            return rate | keyframes | {"deadline": "realtime", "cpu-used": "8"}
        case "av1":
            return rate | keyframes | {"preset": "12", "svtav1-params": "lp=1"}


def _x264_options(clip: SyntheticClip) -> dict[str, str]:
    rate = f"vbv-maxrate={clip.bits // 1000}:vbv-bufsize={clip.bits // 1000}"
    return {
        "preset": "veryfast",
        "b": str(clip.bits),
        "x264-params": f"keyint={clip.gop}:min-keyint={clip.gop}:scenecut=0:"
        f"bframes={clip.bframes}:threads=1:{rate}",
    }


def _draw_frames(clip: SyntheticClip) -> Iterator[VideoFrame]:
    random = np.random.default_rng(_SEED)
    size = (clip.height, clip.width)
    texture = _draw_texture(random, size)
    grains = random.normal(0.0, _GRAIN_LEVELS, (_GRAINS, *size)).astype(np.int16)
    planes = np.full((clip.height * 3 // 2, clip.width), _CHROMA, np.uint8)
    for number in range(clip.rate * clip.seconds):
        drifted = np.roll(texture, (number * _DRIFT[1], number * _DRIFT[0]), axis=(0, 1))
        planes[: clip.height] = np.clip(drifted + grains[number % _GRAINS], 16, 235)
        yield VideoFrame.from_ndarray(planes, format="yuv420p")


def _draw_texture(random: np.random.Generator, size: tuple[int, int]) -> NDArray[np.int16]:
    """Return grey levels around 128, height x width."""
    texture = np.full(size, 128.0, np.float32)
    for octave, patch in enumerate(_OCTAVES):
        rows, columns = (-(-side // patch) for side in size)
        patches = random.normal(0.0, 40.0 / 2**octave, (rows, columns)).astype(np.float32)
        texture += patches.repeat(patch, axis=0).repeat(patch, axis=1)[: size[0], : size[1]]
    return texture.astype(np.int16)
