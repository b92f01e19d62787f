"""Still pictures: their header is read first, then they are decoded without a demuxer."""

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
from scanner.media.samples import Decoded, Sample
from scanner.media.scale import Scaler, displayed
from scanner.media.sniff import Container
from scanner.types import MediaInfo, SegmentTimes

__all__ = ["decode_bitmap", "decode_picture"]


def decode_picture(
    data: bytes, kind: Container, turn: Turn, request: DecodeRequest, name: str
) -> Iterator[Decoded]:
    """One window of no duration with one sample.

    Raises:
        LimitError: ``limit_pixels``: there are more than the header says.
        DamagedError: no picture comes out of it.
    """
    frame = decode_bitmap(data, kind, request.limits.max_pixels, name)
    check_pixels(frame.width, frame.height, request.limits, name)
    if request.first_window == 0:
        yield _still(frame, turn, kind, request)


def decode_bitmap(data: bytes, kind: Container, max_pixels: int, name: str) -> VideoFrame:
    """The one frame that a picture's bytes hold.

    Raises:
        DamagedError: none comes out.
    """
    codec = CodecContext.create(kind.value, "r")
    assert isinstance(codec, VideoCodecContext)
    codec.thread_count = 1
    codec.options = {"max_pixels": str(max_pixels)}
    try:
        frames = [*codec.decode(Packet(data)), *codec.decode(None)]
    except MemoryError as why:  # FFmpeg's own is an FFmpegError too
        raise LimitError(
            f"{name}: asks for more memory than there is", kind="limit_memory"
        ) from why
    except FFmpegError as why:
        raise DamagedError(f"{name}: cannot be decoded as {kind.name} ({why.strerror})") from why
    if not frames:
        raise DamagedError(f"{name}: a {kind.name} without a picture")
    return frames[0]


def _still(frame: VideoFrame, turn: Turn, kind: Container, request: DecodeRequest) -> Decoded:
    shape = displayed(frame, None, turn)
    sample = Sample(
        at=Fraction(0),
        pts=0,
        keyframe=True,
        images=Scaler(request.frame_specs).images(frame, shape, turn),
    )
    return Decoded(
        index=0,
        times=SegmentTimes(
            first_pts=0, last_pts=0, duration=Fraction(0), time_base=Fraction(1, 1000)
        ),
        samples=(sample,),
        unseen=(),
        info=MediaInfo(
            container=kind.name.lower(),
            codec=kind.value,
            width=shape[0],
            height=shape[1],
            still=True,
        ),
    )
