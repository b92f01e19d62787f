"""Packets that show a span of one source, with their times on the stream clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scanner.types import Span

__all__ = [
    "LONGEST",
    "ClipLimits",
    "ClipPiece",
    "SourceClock",
    "SpanPackets",
    "TimedPacket",
    "time_base_of",
]

LONGEST = Fraction(60)
"""Longest span of one clip, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPiece:
    """A part of one source and its place on the clip's clock."""

    span: Span
    """Span to show, in seconds from the source's first frame."""
    offset: Fraction = Fraction(0)
    """Time of the source's first frame on the stream clock."""
    first_pts: int | None = None
    """PTS of that first frame (``SegmentTimes.first_pts``); without it, that of the source's first
    keyframe."""
    jumps: int = 0
    """Number of jumps of the source's clock before that first frame: as many of its windows up to
    this one are a ``discontinuity``."""
    init: bytes | None = None
    """Init segment (fMP4/CMAF) that goes before the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLimits:
    """Limits on the cost of one clip."""

    max_seconds: Fraction = LONGEST
    """Seconds of all requested spans together; the rest is left out, and ``truncated`` is set."""
    max_bytes: int = 256 << 20
    """Bytes of packets held at once, for each piece."""
    max_lead: Fraction = Fraction(15)
    """Seconds that a clip may begin early to start at a keyframe; with a longer GOP it is encoded
    again."""
    max_side: int = 1280
    """Pixels of the longer side of a clip that is encoded again; copies keep their size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceClock:
    """Converts the time stamps of one source to the stream clock."""

    zero: Fraction
    """Time stamp of the first frame, in seconds."""
    offset: Fraction
    """Time of that frame on the stream clock."""
    period: Fraction | None
    """Seconds after which the counter wraps; None if it never does."""

    def to_stream(self, ticks: int, time_base: Fraction) -> Fraction:
        """Return the time on the stream clock; a wrap since the first frame is undone."""
        since = ticks * time_base - self.zero
        if self.period is not None:
            since = (since + self.period / 2) % self.period - self.period / 2
        return self.offset + since


class TimedPacket(NamedTuple):
    """A packet and the time at which it is shown."""

    at: Fraction
    """Seconds on the stream clock."""
    packet: Packet[Stream]

    @property
    def duration(self) -> Fraction:
        """Seconds; 0 if the container does not say."""
        return (self.packet.duration or 0) * self.packet.time_base


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanPackets:
    """Packets of one piece of a clip; their container stays open until the clip is written."""

    span: Span
    """Requested span, on the stream clock."""
    clock: SourceClock
    container: str
    """FFmpeg's name of the container."""
    video: VideoStream
    audio: AudioStream | None
    """Audio track; None if there is none that browsers play."""
    pictures: tuple[TimedPacket, ...]
    """Video packets: whole GOPs in the order of decoding, the first a keyframe; at least one."""
    sounds: tuple[TimedPacket, ...]
    """The packets of audio tracks."""
    truncated: bool
    """True if a limit or a jump of the clock ended it before the span did."""

    @property
    def start(self) -> Fraction:
        """Time at which the first picture is shown, on the stream clock."""
        return self.pictures[0].at

    @property
    def end(self) -> Fraction:
        """Time at which the last picture is no longer shown.

        A picture without a duration is shown as long as the one before it.
        """
        *before, last = sorted(self.pictures, key=lambda picture: picture.at)[-2:]
        step = last.at - before[0].at if before else Fraction(0)
        return last.at + (last.duration or step)

    @property
    def codec(self) -> str:
        """FFmpeg's name of the video format, whichever decoder is used."""
        return self.video.codec_context.codec.canonical_name

    @property
    def video_parameters(self) -> tuple[object, ...]:
        """Parameters that must be equal for pictures to follow each other in one track."""
        context = self.video.codec_context
        return (
            self.codec,
            context.width,
            context.height,
            context.pix_fmt,
            context.extradata,
            self.video.time_base,
        )

    @property
    def audio_parameters(self) -> tuple[object, ...]:
        """Parameters that must be equal for sound to follow in one track."""
        if self.audio is None:
            return ()
        context = self.audio.codec_context
        return (
            context.codec.canonical_name,
            context.sample_rate,
            context.layout.name,
            context.extradata,
            self.audio.time_base,
        )

    @property
    def has_distinct_times(self) -> bool:
        """Whether every picture has a presentation time of its own."""
        stamps = [picture.packet.pts for picture in self.pictures]
        return None not in stamps and len(set(stamps)) == len(stamps)

    def time_of(self, frame: VideoFrame) -> Fraction | None:
        """Return when a frame decoded from the pictures is shown, on the stream clock; None if that
        is unknown."""
        ticks = frame.pts if frame.pts is not None else frame.dts
        return None if ticks is None else self.clock.to_stream(ticks, time_base_of(self.video))

    def shift(self, by: Fraction) -> SpanPackets:
        """Return the same pictures and sounds, later by that many seconds."""
        return replace(
            self,
            span=self.span.shift(by),
            clock=replace(self.clock, offset=self.clock.offset + by),
            pictures=tuple(
                TimedPacket(picture.at + by, picture.packet) for picture in self.pictures
            ),
            sounds=tuple(TimedPacket(sound.at + by, sound.packet) for sound in self.sounds),
        )


def time_base_of(stream: Stream) -> Fraction:
    """Return the seconds of one of the stream's ticks."""
    assert stream.time_base is not None  # every demuxer sets it
    return stream.time_base
