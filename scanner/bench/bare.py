"""Minimal loops on PyAV and OpenCV, without limits, checks or exact times, to compare with.

They open media outside the sandbox, so they get clips that were generated here and no other file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

__all__ = [
    "SAMPLE_STEP",
    "SIDE",
    "Rgb",
    "decode_packets",
    "dense_frames",
    "keyframe_frames",
    "keyframe_packets",
    "opencv_frames",
]

SIDE = 224
FAST_OPEN = {
    "codec_whitelist": "none",  # opening would decode the first keyframe
    "format_whitelist": "mpegts",
    "protocol_whitelist": "none",
    "probesize": "32768",
    "analyzeduration": "0",
    "fpsprobesize": "0",
    "skip_estimate_duration_from_pts": "1",
}
SAMPLE_STEP = Fraction(1, 2)
Rgb = NDArray[np.uint8]


def keyframe_packets(data: bytes, container_format: str = "mpegts") -> list[bytes]:
    """Demux the keyframes of a segment in memory."""
    options = FAST_OPEN if container_format == "mpegts" else {}
    with av.open(io.BytesIO(data), "r", format=container_format, options=options) as container:
        return [
            bytes(packet)
            for packet in container.demux(container.streams.video[0])
            if packet.size and packet.is_keyframe
        ]


def decode_packets(packets: list[bytes], decoder_name: str = "h264") -> int:
    """Run the decoder and swscale alone, without a file or container, and return the number of
    pictures."""
    decoder: Any = av.CodecContext.create(decoder_name, "r")
    decoder.thread_count = 1
    reformatter, pictures = VideoReformatter(), 0
    for packet in (*map(av.Packet, packets), None):
        for frame in decoder.decode(packet):
            _scale(reformatter, frame)
            pictures += 1
    return pictures


def keyframe_frames(data: bytes) -> Iterator[Rgb]:
    """Run the fastest loop that PyAV allows: no probing, only keyframes are decoded."""
    reformatter = VideoReformatter()
    with av.open(
        io.BytesIO(data), "r", format="mpegts", options=FAST_OPEN, buffer_size=1 << 18
    ) as container:
        track = _only_video(container)
        for packet in container.demux(track):  # the empty last packet drains the decoder
            if packet.size and not packet.is_keyframe:
                continue
            for frame in track.codec_context.decode(packet if packet.size else None):
                yield _scale(reformatter, frame)


def dense_frames(data: bytes, skip_frame: Literal["BIDIR", "NONREF"]) -> Iterator[Rgb]:
    """Yield a frame every half second, decoding the frames that ``skip_frame`` leaves."""
    reformatter, due = VideoReformatter(), None
    with av.open(
        io.BytesIO(data), "r", format="mpegts", options=FAST_OPEN, buffer_size=1 << 18
    ) as container:
        track = _only_video(container)
        track.codec_context.skip_frame, base = skip_frame, track.time_base or Fraction(1, 90_000)
        for packet in container.demux(track):
            for frame in track.codec_context.decode(packet if packet.size else None):
                at = (frame.pts or 0) * base
                if due is None or at >= due:
                    due = at + SAMPLE_STEP
                    yield _scale(reformatter, frame)


def opencv_frames(path: Path) -> Iterator[Rgb]:
    """Decode every frame with OpenCV and yield one every half second: the usual script."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, (cv2.CAP_PROP_N_THREADS, 1))
    due = 0.0
    try:
        while True:
            has_frame, bgr = capture.read()
            if not has_frame:
                return
            if capture.get(cv2.CAP_PROP_POS_MSEC) >= due:
                due += 1000 * float(SAMPLE_STEP)
                yield np.asarray(
                    cv2.cvtColor(cv2.resize(bgr, (SIDE, SIDE)), cv2.COLOR_BGR2RGB), dtype=np.uint8
                )
    finally:
        capture.release()


def _only_video(container: InputContainer) -> av.VideoStream:
    track = container.streams.video[0]
    track.codec_context.thread_count = 1
    for stream in container.streams:
        stream.discard = Discard.default if stream is track else Discard.all
    return track


def _scale(reformatter: VideoReformatter, frame: VideoFrame) -> Rgb:
    small = reformatter.reformat(
        frame, width=SIDE, height=SIDE, format="rgb24", interpolation="AREA", threads=1
    )
    return np.asarray(small.to_ndarray(), dtype=np.uint8)
