"""Change every picture of a source and encode it again, as if it had been altered on its way.

Pictures are upright and have square pixels. A still picture stays one (as PNG). In a clip every
frame keeps its time and keyframes stay where they were, so that the same instants are sampled.
Sound is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from itertools import chain
from typing import BinaryIO, Final

import av
import numpy as np
from av.codec import CodecContext
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from scanner.errors import DamagedError, NoVideoError
from scanner.media.header import read_header
from scanner.media.limits import MediaLimits
from scanner.media.open import OpenMedia, check_pixels, open_media, sniff_source
from scanner.media.orientation import UPRIGHT, OrientationReader, Turn
from scanner.media.picture import decode_bitmap
from scanner.media.samples import Rgb
from scanner.media.scale import Scaler, displayed_size
from scanner.types import FrameSpec

__all__ = ["MAX_SIDE", "NEAR_LOSSLESS_CRF", "Draw", "read_first_picture", "redraw"]

Draw = Callable[[Rgb, int], Rgb]
"""Function from a picture and its number within the source, from 0, to the picture that replaces
it; all pictures of one source have one size."""
NEAR_LOSSLESS_CRF: Final = 18
"""Constant rate factor of x264 at which no difference is visible."""
MAX_SIDE: Final = 1280
"""Pixels of the longer side; a larger picture is scaled down before it is drawn."""
MIN_SIDE: Final = 16
TICK: Final = Fraction(1, 90_000)
_SD_LINES: Final = 576
"""Height up to which BT.601 is written and above which BT.709 is, as ``scale`` reads video without
a matrix."""
_FAST_PNG: Final = {"compression_level": "1"}
_ENCODING: Final = {
    "preset": "veryfast",
    "forced-idr": "1",
    "x264-params": "keyint=infinite:scenecut=0:threads=1",
}


def redraw(
    source: BinaryIO,
    draw: Draw,
    *,
    crf: int | None = None,
    name: str,
    limits: MediaLimits | None = None,
) -> bytes:
    """Return the source with ``draw`` applied to every picture: a PNG of a still picture, an MP4
    (H.264) of a clip.

    ``crf`` is x264's constant rate factor; without it a clip is encoded with
    ``NEAR_LOSSLESS_CRF``, and a still picture without loss. A still picture with a ``crf`` is
    encoded as the keyframe of an H.264 stream would be.

    Raises:
        FormatError, DamagedError, NoVideoError, LimitError: the source cannot be read.
    """
    limits = limits or MediaLimits()
    try:
        still = _read_still(source, limits, name)
        if still is None:
            return _redraw_clip(
                source, draw, NEAR_LOSSLESS_CRF if crf is None else crf, limits, name
            )
        drawn = _to_frame(draw(still, 0))
        return _encode_png(drawn if crf is None else _compress_as_h264(drawn, crf))
    except MemoryError:  # FFmpeg's own is an FFmpegError too
        raise
    except FFmpegError as error:
        raise DamagedError(f"{name}: cannot be redrawn ({error.strerror})") from error


def read_first_picture(source: BinaryIO, *, name: str, limits: MediaLimits | None = None) -> Rgb:
    """Return the still picture, or the first one of the clip, at most ``MAX_SIDE`` pixels a side.

    Raises:
        FormatError, DamagedError, NoVideoError, LimitError: the source cannot be read.
    """
    limits = limits or MediaLimits()
    still = _read_still(source, limits, name)
    if still is not None:
        return still
    source.seek(0)
    with open_media(source, sniff_source(source, name), limits, name) as media:
        return next(_read_pictures(media))[1]


def _read_still(source: BinaryIO, limits: MediaLimits, name: str) -> Rgb | None:
    kind = sniff_source(source, name)
    if not kind.is_picture:
        return None
    data = source.read()
    header = read_header(data, kind, name)
    check_pixels(header.width, header.height, limits, name)
    frame = decode_bitmap(data, kind, limits.max_pixels, name)
    return _UprightView(None, OrientationReader()).convert_turned(frame, header.turn)


def _redraw_clip(source: BinaryIO, draw: Draw, crf: int, limits: MediaLimits, name: str) -> bytes:
    source.seek(0)
    out = BytesIO()
    with open_media(source, sniff_source(source, name), limits, name) as media:
        reformatter = VideoReformatter()
        frames = (
            _replace_picture(frame, draw(rgb, number), media, reformatter)
            for number, (frame, rgb) in enumerate(_read_pictures(media))
        )
        first = next(frames, None)
        if first is None:
            raise NoVideoError(f"{name}: no frame that can be decoded")
        with av.open(out, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream(
                "libx264", rate=30, options={**_ENCODING, "crf": str(crf)}
            )
            _configure(stream, first)
            for picture in chain([first], frames):
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
    return out.getvalue()


def _configure(stream: VideoStream, first: VideoFrame) -> None:
    stream.width, stream.height, stream.pix_fmt, stream.time_base = (
        first.width,
        first.height,
        "yuv420p",
        TICK,
    )
    stream.codec_context.time_base = TICK
    stream.codec_context.thread_count = 1


def _read_pictures(media: OpenMedia) -> Iterator[tuple[VideoFrame, Rgb]]:
    """Yield each frame of the track in the order of time, and its upright picture."""
    view, last = _UprightView(media.track.sample_aspect_ratio, OrientationReader(media.kind)), None
    for frame in _decode(media):
        if frame.pts is None or (last is not None and frame.pts <= last):
            continue  # no time of its own
        last = frame.pts
        yield frame, view.convert(frame)


def _decode(media: OpenMedia) -> Iterator[VideoFrame]:
    media.codec.thread_count = 1
    for packet in media.container.demux(media.track):
        try:
            yield from media.codec.decode(packet if packet.size else None)
        except MemoryError:  # FFmpeg's own is an FFmpegError too
            raise
        except FFmpegError:  # a broken packet costs its own picture
            continue


class _UprightView:
    """Converts frames to upright H x W x 3 with square pixels, all as large as the first one."""

    def __init__(self, aspect: Fraction | None, orientation: OrientationReader) -> None:
        self._aspect = aspect
        self._orientation = orientation
        self._spec: FrameSpec | None = None
        self._scaler = Scaler(())

    def convert(self, frame: VideoFrame) -> Rgb:
        """Return the upright picture of a frame."""
        return self.convert_turned(frame, self._orientation.read(frame))

    def convert_turned(self, frame: VideoFrame, turn: Turn) -> Rgb:
        """Return the upright picture of a frame whose turn is known."""
        shape = displayed_size(frame, self._aspect, turn)
        if self._spec is None:
            width, height = _limit_size(shape)
            self._spec = FrameSpec(width=width, height=height)
            self._scaler = Scaler((self._spec,))
        return self._scaler.images(frame, shape, turn)[self._spec]


def _limit_size(shape: tuple[int, int]) -> tuple[int, int]:
    ratio = min(1.0, MAX_SIDE / max(shape))
    width, height = (max(MIN_SIDE, round(side * ratio)) for side in shape)
    return width, height


def _replace_picture(
    frame: VideoFrame, rgb: Rgb, media: OpenMedia, reformatter: VideoReformatter
) -> VideoFrame:
    """Return the frame to encode, with the time and keyframe flag of the one that it replaces."""
    picture = _to_yuv(_to_frame(rgb), reformatter)
    assert frame.pts is not None  # others were left out
    picture.pts, picture.time_base = round(frame.pts * media.time_base / TICK), TICK
    picture.pict_type = PictureType.I if frame.key_frame else PictureType.NONE
    return picture


def _to_frame(rgb: Rgb) -> VideoFrame:
    """Return a frame with even sides, as 4:2:0 requires."""
    height, width = (side - side % 2 for side in rgb.shape[:2])
    return VideoFrame.from_ndarray(np.ascontiguousarray(rgb[:height, :width]), format="rgb24")


def _to_yuv(frame: VideoFrame, reformatter: VideoReformatter) -> VideoFrame:
    matrix = Colorspace.ITU709 if frame.height > _SD_LINES else Colorspace.ITU601
    return reformatter.reformat(
        frame,
        format="yuv420p",
        dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        threads=1,
    )


def _compress_as_h264(frame: VideoFrame, crf: int) -> VideoFrame:
    """Encode a picture as the keyframe of a stream, and decode it again."""
    encoder = CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.thread_count = (
        frame.width,
        frame.height,
        "yuv420p",
        1,
    )
    encoder.time_base, encoder.options = (
        Fraction(1, 25),
        {**_ENCODING, "tune": "zerolatency", "crf": str(crf)},
    )
    packets = [*encoder.encode(_to_yuv(frame, VideoReformatter())), *encoder.encode(None)]
    decoder = CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    decoded = [
        picture for packet in packets for picture in decoder.decode(packet)
    ] + decoder.decode(None)
    return _to_frame(_UprightView(None, OrientationReader()).convert_turned(decoded[0], UPRIGHT))


def _encode_png(frame: VideoFrame) -> bytes:
    encoder = CodecContext.create("png", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = (
        frame.width,
        frame.height,
        "rgb24",
        Fraction(1, 25),
    )
    encoder.options, encoder.thread_count = _FAST_PNG, 1
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
