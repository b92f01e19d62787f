"""Decode still pictures without a demuxer. Their header is read and checked before."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from av.codec import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from scanner.errors import DamagedError, LimitError
from scanner.media.open import check_pixels
from scanner.media.orientation import Turn
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow, Sample
from scanner.media.scale import Scaler, displayed_size
from scanner.media.sniff import Container
from scanner.types import MediaInfo, SegmentTimes

__all__ = ["decode_bitmap", "decode_picture"]


def decode_picture(
    data: bytes, kind: Container, turn: Turn, request: DecodeRequest, name: str
) -> Iterator[DecodedWindow]:
    """Yield one window without duration that has one sample.

    Raises:
        LimitError: ``limit_pixels``: there are more than the header declares.
        DamagedError: it cannot be decoded.
    """
    frame = decode_bitmap(data, kind, request.limits.max_pixels, name)
    check_pixels(frame.width, frame.height, request.limits, name)
    if request.first_window == 0:
        yield _window(frame, turn, kind, request)


def decode_bitmap(data: bytes, kind: Container, max_pixels: int, name: str) -> VideoFrame:
    """Return the one frame that a picture's bytes hold.

    Raises:
        DamagedError: it cannot be decoded.
        LimitError: ``limit_memory``.
    """
    codec = CodecContext.create(kind.value, "r")
    assert isinstance(codec, VideoCodecContext)
    codec.thread_count = 1
    codec.options = {"max_pixels": str(max_pixels)}
    try:
        frames = [*codec.decode(Packet(data)), *codec.decode(None)]
    except MemoryError as error:  # FFmpeg's own is an FFmpegError too
        raise LimitError(
            f"{name}: asks for more memory than there is", kind="limit_memory"
        ) from error
    except FFmpegError as error:
        raise DamagedError(
            f"{name}: cannot be decoded as {kind.name} ({error.strerror})"
        ) from error
    if not frames:
        raise DamagedError(f"{name}: a {kind.name} without a picture")
    return frames[0]


def _window(
    frame: VideoFrame, turn: Turn, kind: Container, request: DecodeRequest
) -> DecodedWindow:
    size = displayed_size(frame, None, turn)
    sample = Sample(
        at=Fraction(0),
        pts=0,
        keyframe=True,
        images=Scaler(request.frame_specs).images(frame, size, turn),
    )
    return DecodedWindow(
        index=0,
        times=SegmentTimes(
            first_pts=0, last_pts=0, duration=Fraction(0), time_base=Fraction(1, 1000)
        ),
        samples=(sample,),
        unseen=(),
        info=MediaInfo(
            container=kind.name.lower(),
            codec=kind.value,
            width=size[0],
            height=size[1],
            still=True,
        ),
    )
