"""A source with every picture drawn anew: what a scanner would get if the footage had been changed
on its way.

Pictures are what a person would see, upright and in square pixels. A still stays one (as PNG); of a
clip, every frame keeps its time, and keyframes stay where they were, so that the same instants are
looked at. Sound is left out.
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
from scanner.media.open import Media, check_pixels, kind_of, open_media
from scanner.media.orientation import UPRIGHT, Compass, Turn
from scanner.media.picture import decode_bitmap
from scanner.media.samples import Rgb
from scanner.media.scale import Scaler, displayed
from scanner.types import FrameSpec

__all__ = ["FINE", "MOST_SIDE", "Draw", "first_picture", "redraw"]

Draw = Callable[[Rgb, int], Rgb]
"""A picture and its number within the source, from 0, to the picture that is shown in its place;
all of one source are of one size."""
FINE: Final = 18
"""A constant rate factor of x264 at which nobody sees that a clip was encoded again."""
MOST_SIDE: Final = 1280
"""Pixels of the longer side; a larger picture is scaled down before it is drawn."""
LEAST_SIDE: Final = 16
TICK: Final = Fraction(1, 90_000)
_SD_LINES: Final = 576
"""As ``scale`` reads video that does not say its matrix, so it is written: BT.601 up to this
height, BT.709 above."""
_FEW_BYTES: Final = {"compression_level": "1"}
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
    """The source with ``draw`` applied to every picture: a PNG of a still, an MP4 (H.264) of a
    clip.

    ``crf`` is x264's; without one a clip is encoded finely, and a still without loss. A still with
    one goes through H.264 as the keyframe of a stream would.

    Raises:
        FormatError, DamagedError, NoVideoError, LimitError: the source cannot be read.
    """
    limits = limits or MediaLimits()
    try:
        still = _still(source, limits, name)
        if still is None:
            return _clip(source, draw, FINE if crf is None else crf, limits, name)
        drawn = _to_frame(draw(still, 0))
        return _png(drawn if crf is None else _through_h264(drawn, crf))
    except MemoryError:  # FFmpeg's own is an FFmpegError too
        raise
    except FFmpegError as why:
        raise DamagedError(f"{name}: cannot be drawn anew ({why.strerror})") from why


def first_picture(source: BinaryIO, *, name: str, limits: MediaLimits | None = None) -> Rgb:
    """The still, or the first picture of the clip, at most ``MOST_SIDE`` pixels a side.

    Raises:
        FormatError, DamagedError, NoVideoError, LimitError: the source cannot be read.
    """
    limits = limits or MediaLimits()
    still = _still(source, limits, name)
    if still is not None:
        return still
    source.seek(0)
    with open_media(source, kind_of(source, name), limits, name) as media:
        return next(_pictures(media))[1]


def _still(source: BinaryIO, limits: MediaLimits, name: str) -> Rgb | None:
    kind = kind_of(source, name)
    if not kind.picture:
        return None
    data = source.read()
    header = read_header(data, kind, name)
    check_pixels(header.width, header.height, limits, name)
    frame = decode_bitmap(data, kind, limits.max_pixels, name)
    return _View(None, Compass()).turned(frame, header.turn)


def _clip(source: BinaryIO, draw: Draw, crf: int, limits: MediaLimits, name: str) -> bytes:
    source.seek(0)
    out = BytesIO()
    with open_media(source, kind_of(source, name), limits, name) as media:
        reformatter = VideoReformatter()
        frames = (
            _drawn(frame, draw(rgb, number), media, reformatter)
            for number, (frame, rgb) in enumerate(_pictures(media))
        )
        first = next(frames, None)
        if first is None:
            raise NoVideoError(f"{name}: no frame that can be decoded")
        with av.open(out, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream(
                "libx264", rate=30, options={**_ENCODING, "crf": str(crf)}
            )
            _set_up(stream, first)
            for picture in chain([first], frames):
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
    return out.getvalue()


def _set_up(stream: VideoStream, first: VideoFrame) -> None:
    stream.width, stream.height, stream.pix_fmt, stream.time_base = (
        first.width,
        first.height,
        "yuv420p",
        TICK,
    )
    stream.codec_context.time_base = TICK
    stream.codec_context.thread_count = 1


def _pictures(media: Media) -> Iterator[tuple[VideoFrame, Rgb]]:
    """Each frame of the track, in the order in which they are shown, and what is seen of it."""
    view, last = _View(media.track.sample_aspect_ratio, Compass(media.kind)), None
    for frame in _decoded(media):
        if frame.pts is None or (last is not None and frame.pts <= last):
            continue  # no time of its own
        last = frame.pts
        yield frame, view.of(frame)


def _decoded(media: Media) -> Iterator[VideoFrame]:
    media.codec.thread_count = 1
    for packet in media.container.demux(media.track):
        try:
            yield from media.codec.decode(packet if packet.size else None)
        except MemoryError:  # FFmpeg's own is an FFmpegError too
            raise
        except FFmpegError:  # a broken packet costs its own picture
            continue


class _View:
    """What is seen of a source's frames: H x W x 3, upright, in square pixels, all as large as the
    first."""

    def __init__(self, aspect: Fraction | None, compass: Compass) -> None:
        self._aspect = aspect
        self._compass = compass
        self._spec: FrameSpec | None = None
        self._scaler = Scaler(())

    def of(self, frame: VideoFrame) -> Rgb:
        """This frame's."""
        return self.turned(frame, self._compass.turn(frame))

    def turned(self, frame: VideoFrame, turn: Turn) -> Rgb:
        """The frame's, where it is known how it lies."""
        shape = displayed(frame, self._aspect, turn)
        if self._spec is None:
            width, height = _bounded(shape)
            self._spec = FrameSpec(width=width, height=height)
            self._scaler = Scaler((self._spec,))
        return self._scaler.images(frame, shape, turn)[self._spec]


def _bounded(shape: tuple[int, int]) -> tuple[int, int]:
    ratio = min(1.0, MOST_SIDE / max(shape))
    width, height = (max(LEAST_SIDE, round(side * ratio)) for side in shape)
    return width, height


def _drawn(frame: VideoFrame, rgb: Rgb, media: Media, reformatter: VideoReformatter) -> VideoFrame:
    """The frame to be encoded, at the time and with the keyframe of the one that it stands for."""
    picture = _yuv(_to_frame(rgb), reformatter)
    assert frame.pts is not None  # others were left out
    picture.pts, picture.time_base = round(frame.pts * media.time_base / TICK), TICK
    picture.pict_type = PictureType.I if frame.key_frame else PictureType.NONE
    return picture


def _to_frame(rgb: Rgb) -> VideoFrame:
    """Its sides even, as 4:2:0 wants them."""
    height, width = (side - side % 2 for side in rgb.shape[:2])
    return VideoFrame.from_ndarray(np.ascontiguousarray(rgb[:height, :width]), format="rgb24")


def _yuv(frame: VideoFrame, reformatter: VideoReformatter) -> VideoFrame:
    matrix = Colorspace.ITU709 if frame.height > _SD_LINES else Colorspace.ITU601
    return reformatter.reformat(
        frame,
        format="yuv420p",
        dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        threads=1,
    )


def _through_h264(frame: VideoFrame, crf: int) -> VideoFrame:
    """What is left of a picture after it was the keyframe of a stream."""
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
    packets = [*encoder.encode(_yuv(frame, VideoReformatter())), *encoder.encode(None)]
    decoder = CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    decoded = [
        picture for packet in packets for picture in decoder.decode(packet)
    ] + decoder.decode(None)
    return _to_frame(_View(None, Compass()).turned(decoded[0], UPRIGHT))


def _png(frame: VideoFrame) -> bytes:
    encoder = CodecContext.create("png", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = (
        frame.width,
        frame.height,
        "rgb24",
        Fraction(1, 25),
    )
    encoder.options, encoder.thread_count = _FEW_BYTES, 1
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
