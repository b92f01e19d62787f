"""The frames shown at given instants, for people to look at."""

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
from scanner.media.collect import Timed
from scanner.media.decode import decode
from scanner.media.orientation import Compass
from scanner.media.request import DecodeRequest
from scanner.media.samples import Decoded, Rgb, Sample
from scanner.media.scale import Scaler, displayed
from scanner.media.take import ClipLimits, ClipPiece, Take, base_of, sniffed, take
from scanner.types import FrameSpec, MediaInfo, SegmentTimes, Span

__all__ = ["StillRequest", "thumbnails"]

_JUST_AFTER = Fraction(1, 1000)
"""Seconds; a span must hold its last instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StillRequest:
    """Which instants of one source, made into which array."""

    times: tuple[Fraction, ...]
    """Seconds from the source's first frame, rising; exact where they are those of samples."""
    spec: FrameSpec
    first_pts: int | None = None
    """The PTS of that first frame (``SegmentTimes.first_pts``); without it, that of the source's
    first keyframe."""
    jumps: int = 0
    """How often the source's clock jumps before it (see ``ClipPiece``)."""
    init: bytes | None = None
    """The init segment (fMP4/CMAF) that goes before the source."""
    limits: ClipLimits = field(default_factory=ClipLimits)

    def __post_init__(self) -> None:
        if not self.times:
            raise ValueError("stills must be asked for at one instant at least")
        if any(not earlier < later for earlier, later in pairwise(self.times)):
            raise ValueError("instants of stills must rise")


def thumbnails(
    sources: Sequence[BinaryIO], request: StillRequest, *, name: str
) -> Iterator[Decoded]:
    """One window whose samples are the frames shown at the request's instants, of the first source.

    A sample's ``at`` is the instant that was asked for. One before the first picture that can be
    decoded is left out. Only GOPs with an instant are decoded, and only up to it. Of a picture
    without a time there is one sample, at 0.

    Raises:
        DamagedError, FormatError, LimitError: the source cannot be read.
        NoVideoError: none of the instants shows a picture.
    """
    if sniffed(sources[0], None, name)[1].picture:
        yield from decode(sources[0], DecodeRequest(specs=(request.spec,)), name=name)
        return
    span = Span(start=request.times[0], end=request.times[-1] + _JUST_AFTER)
    piece = ClipPiece(
        span=span, first_pts=request.first_pts, jumps=request.jumps, init=request.init
    )
    with ExitStack() as stack:
        taken = take(sources[0], piece, request.limits, stack, name=name)
        samples = () if taken is None else tuple(_samples(taken, request))
        if taken is None or not samples:
            raise NoVideoError(f"{name}: no picture at the instants asked for")
        yield _window(taken, samples)


def _samples(taken: Take, request: StillRequest) -> Iterator[Sample]:
    scaler, compass = Scaler((request.spec,)), Compass()
    for gop, end in _gops(taken.pictures):
        wanted = [at for at in request.times if gop[0].at <= at and (end is None or at < end)]
        for at, frame in _shown(taken, gop, wanted):
            images = _images(taken, frame, scaler, compass)
            yield Sample(at=at, pts=frame.pts or 0, keyframe=frame.key_frame, images=images)


def _gops(pictures: Sequence[Timed]) -> Iterator[tuple[Sequence[Timed], Fraction | None]]:
    """Each GOP's pictures in decode order, and when the next one begins."""
    starts = [index for index, picture in enumerate(pictures) if picture.packet.is_keyframe]
    for start, end in pairwise([*starts, len(pictures)]):
        yield pictures[start:end], pictures[end].at if end < len(pictures) else None


def _shown(
    taken: Take, gop: Sequence[Timed], wanted: Sequence[Fraction]
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """For each instant the last frame that begins at or before it."""
    waiting, held = list(wanted), None
    for frame in _decoded(taken, gop, wanted):
        at = taken.when(frame)
        while at is not None and held is not None and waiting and waiting[0] < at:
            yield waiting.pop(0), held
        if at is not None:
            held = frame
    if held is not None:
        yield from ((at, held) for at in waiting)


def _decoded(taken: Take, gop: Sequence[Timed], wanted: Sequence[Fraction]) -> Iterator[VideoFrame]:
    if not wanted:
        return
    decoder = taken.video.codec_context
    for packet in (*_needed(gop, wanted[-1]), None):
        try:
            yield from decoder.decode(packet)
        except MemoryError:  # FFmpeg's own is an FFmpegError too
            raise
        except av.error.FFmpegError:  # a broken packet costs its own picture
            continue
    decoder.flush_buffers()


def _needed(gop: Sequence[Timed], last: Fraction) -> Iterator[Packet[Stream]]:
    """The packets to decode in order to know what is shown at ``last``."""
    for picture in gop:
        yield picture.packet
        if picture.at >= last:
            return


def _images(
    taken: Take, frame: VideoFrame, scaler: Scaler, compass: Compass
) -> dict[FrameSpec, Rgb]:
    turn = compass.turn(frame)
    return scaler.images(frame, displayed(frame, taken.video.sample_aspect_ratio, turn), turn)


def _window(taken: Take, samples: tuple[Sample, ...]) -> Decoded:
    base = base_of(taken.video)
    first, context = round(taken.clock.zero / base), taken.video.codec_context
    return Decoded(
        index=0,
        times=SegmentTimes(
            first_pts=first, last_pts=samples[-1].pts, duration=samples[-1].at, time_base=base
        ),
        samples=samples,
        unseen=(),
        info=MediaInfo(
            container=taken.container, codec=taken.codec, width=context.width, height=context.height
        ),
    )
