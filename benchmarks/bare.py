"""What one would write by hand: PyAV, onnxruntime and OpenCV, without limits, checks or times."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import onnxruntime
from av.container import InputContainer
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

__all__ = [
    "SIDE",
    "dense",
    "keyframe_packets",
    "libavcodec",
    "network",
    "recipe",
    "scored",
    "usual_script",
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
HALF_SECOND = Fraction(1, 2)
Rgb = NDArray[np.uint8]


def keyframe_packets(data: bytes) -> list[bytes]:
    """The keyframes of an MPEG-TS segment, demuxed."""
    with av.open(io.BytesIO(data), "r", format="mpegts", options=FAST_OPEN) as container:
        return [
            bytes(packet)
            for packet in container.demux(container.streams.video[0])
            if packet.size and packet.is_keyframe
        ]


def libavcodec(packets: list[bytes]) -> int:
    """The decoder and swscale alone: no file, no container. Gives the number of pictures."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    reformatter, pictures = VideoReformatter(), 0
    for packet in (*map(av.Packet, packets), None):
        for frame in decoder.decode(packet):
            _scaled(reformatter, frame)
            pictures += 1
    return pictures


def recipe(data: bytes) -> Iterator[Rgb]:
    """The fastest loop that PyAV allows: nothing is probed, only keyframes are decoded."""
    reformatter = VideoReformatter()
    with av.open(
        io.BytesIO(data), "r", format="mpegts", options=FAST_OPEN, buffer_size=1 << 18
    ) as container:
        track = _only_video(container)
        for packet in container.demux(track):  # the empty last packet drains the decoder
            if packet.size and not packet.is_keyframe:
                continue
            for frame in track.codec_context.decode(packet if packet.size else None):
                yield _scaled(reformatter, frame)


def dense(data: bytes, skip_frame: Literal["BIDIR", "NONREF"]) -> Iterator[Rgb]:
    """A frame each half second, with as much decoded as ``skip_frame`` leaves."""
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
                    due = at + HALF_SECOND
                    yield _scaled(reformatter, frame)


def network(file: Path) -> onnxruntime.InferenceSession:
    """A session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def scored(pictures: Iterator[Rgb], session: onnxruntime.InferenceSession) -> int:
    """Every picture through the network; gives their number."""
    name = session.get_inputs()[0].name
    return sum(len(session.run(None, {name: rgb[None]})) > 0 for rgb in pictures)


def usual_script(path: Path) -> Iterator[Rgb]:
    """What most people write: OpenCV decodes every frame, one in each half second is looked at."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, (cv2.CAP_PROP_N_THREADS, 1))
    due = 0.0
    try:
        while True:
            there, bgr = capture.read()
            if not there:
                return
            if capture.get(cv2.CAP_PROP_POS_MSEC) >= due:
                due += 1000 * float(HALF_SECOND)
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


def _scaled(reformatter: VideoReformatter, frame: VideoFrame) -> Rgb:
    small = reformatter.reformat(
        frame, width=SIDE, height=SIDE, format="rgb24", interpolation="AREA", threads=1
    )
    return np.asarray(small.to_ndarray(), dtype=np.uint8)
