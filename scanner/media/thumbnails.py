"""Decode the frames shown at given instants, as pictures for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import BinaryIO

import av
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from scanner.errors import NoVideoError
from scanner.media.decode import decode_windows
from scanner.media.orientation import OrientationReader
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow, Rgb, Sample
from scanner.media.scale import Scaler, displayed_size
from scanner.media.span_packets import (
    ClipLimits,
    ClipPiece,
    SpanPackets,
    TimedPacket,
    time_base_of,
)
from scanner.media.span_reader import prepend_and_sniff, read_span
from scanner.types import FrameSpec, MediaInfo, SegmentTimes, Span

__all__ = ["ThumbnailRequest", "decode_thumbnails"]

_JUST_AFTER = Fraction(1, 1000)
"""Seconds added to a half-open span so that it holds the last instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThumbnailRequest:
    """Instants of one source, and the array to make of the frame at each."""

    times: tuple[Fraction, ...]
    """Seconds from the source's first frame, rising; exact if they are those of samples."""
    spec: FrameSpec
    first_pts: int | None = None
    """PTS of that first frame (``SegmentTimes.first_pts``); without it, that of the source's
    first keyframe."""
    jumps: int = 0
    """Number of jumps of the source's clock before it (see ``ClipPiece``)."""
    init: bytes | None = None
    """Init segment (fMP4/CMAF) that goes before the source."""
    limits: ClipLimits = field(default_factory=ClipLimits)

    def __post_init__(self) -> None:
        if not self.times:
            raise ValueError("thumbnails need at least one instant, got none")
        if any(not earlier < later for earlier, later in pairwise(self.times)):
            raise ValueError("instants of thumbnails must rise")


def decode_thumbnails(
    sources: Sequence[BinaryIO], request: ThumbnailRequest, *, name: str
) -> Iterator[DecodedWindow]:
    """Yield one window whose samples are the frames that the first source shows at the instants.

    A sample's ``at`` is the requested instant. Instants before the first picture that can be
    decoded are left out. Only GOPs with an instant are decoded, and only up to it. A picture
    without a time has one sample, at 0.

    Raises:
        DamagedError, FormatError, LimitError: the source cannot be read.
        NoVideoError: there is no picture at any of the instants.
    """
    if prepend_and_sniff(sources[0], None, name)[1].is_picture:
        yield from decode_windows(sources[0], DecodeRequest(specs=(request.spec,)), name=name)
        return
    span = Span(start=request.times[0], end=request.times[-1] + _JUST_AFTER)
    piece = ClipPiece(
        span=span, first_pts=request.first_pts, jumps=request.jumps, init=request.init
    )
    with ExitStack() as stack:
        packets = read_span(sources[0], piece, request.limits, stack, name=name)
        samples = () if packets is None else tuple(_decode_samples(packets, request))
        if packets is None or not samples:
            raise NoVideoError(f"{name}: no picture at the instants asked for")
        yield _window(packets, samples)


def _decode_samples(packets: SpanPackets, request: ThumbnailRequest) -> Iterator[Sample]:
    scaler, orientation = Scaler((request.spec,)), OrientationReader()
    for gop, end in _split_gops(packets.pictures):
        wanted = [at for at in request.times if gop[0].at <= at and (end is None or at < end)]
        for at, frame in _select_frames(packets, gop, wanted):
            images = _convert(packets, frame, scaler, orientation)
            yield Sample(at=at, pts=frame.pts or 0, keyframe=frame.key_frame, images=images)


def _split_gops(
    pictures: Sequence[TimedPacket],
) -> Iterator[tuple[Sequence[TimedPacket], Fraction | None]]:
    """Yield each GOP's pictures in the order of decoding, and when the next GOP begins."""
    starts = [index for index, picture in enumerate(pictures) if picture.packet.is_keyframe]
    for start, end in pairwise([*starts, len(pictures)]):
        yield pictures[start:end], pictures[end].at if end < len(pictures) else None


def _select_frames(
    packets: SpanPackets, gop: Sequence[TimedPacket], wanted: Sequence[Fraction]
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Yield for each instant the last frame that begins at or before it."""
    waiting, newest = list(wanted), None
    for frame in _decode(packets, gop, wanted):
        at = packets.time_of(frame)
        while at is not None and newest is not None and waiting and waiting[0] < at:
            yield waiting.pop(0), newest
        if at is not None:
            newest = frame
    if newest is not None:
        yield from ((at, newest) for at in waiting)


def _decode(
    packets: SpanPackets, gop: Sequence[TimedPacket], wanted: Sequence[Fraction]
) -> Iterator[VideoFrame]:
    if not wanted:
        return
    decoder = packets.video.codec_context
    for packet in (*_packets_until(gop, wanted[-1]), None):
        try:
            yield from decoder.decode(packet)
        except MemoryError:  # FFmpeg's own is an FFmpegError too
            raise
        except av.error.FFmpegError:  # a broken packet costs its own picture
            continue
    decoder.flush_buffers()


def _packets_until(gop: Sequence[TimedPacket], last: Fraction) -> Iterator[Packet[Stream]]:
    """Yield the packets to decode for the frame that is shown at ``last``."""
    for picture in gop:
        yield picture.packet
        if picture.at >= last:
            return


def _convert(
    packets: SpanPackets, frame: VideoFrame, scaler: Scaler, orientation: OrientationReader
) -> dict[FrameSpec, Rgb]:
    turn = orientation.read(frame)
    size = displayed_size(frame, packets.video.sample_aspect_ratio, turn)
    return scaler.images(frame, size, turn)


def _window(packets: SpanPackets, samples: tuple[Sample, ...]) -> DecodedWindow:
    base = time_base_of(packets.video)
    first, context = round(packets.clock.zero / base), packets.video.codec_context
    return DecodedWindow(
        index=0,
        times=SegmentTimes(
            first_pts=first, last_pts=samples[-1].pts, duration=samples[-1].at, time_base=base
        ),
        samples=samples,
        unseen=(),
        info=MediaInfo(
            container=packets.container,
            codec=packets.codec,
            width=context.width,
            height=context.height,
        ),
    )
