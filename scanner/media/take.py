"""Which packets of a source belong in a clip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import BinaryIO, NamedTuple

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scanner.errors import DamagedError, FormatError, LimitError, NoVideoError
from scanner.media.open import CODECS, joined
from scanner.media.sniff import HEAD_BYTES, Container, sniff
from scanner.types import Span

__all__ = ["ClipLimits", "ClipPiece", "Clock", "Take", "Timed", "sniffed", "take"]

LONGEST = Fraction(60)
"""Seconds of the span that one clip may hold."""
LEADS = (Fraction(3), Fraction(12), Fraction(60))
"""Seconds before the span at which its keyframe is sought, before the source is read from its beginning."""
INTERLEAVE = Fraction(1)
"""Seconds by which sound may lag behind the pictures of the same time in a container."""
_OPTIONS = {
    "codec_whitelist": ",".join(sorted(CODECS | {"aac", "mp3", "mp3float", "opus", "libopus"})),
    "format_whitelist": "mpegts,mov,mp4,matroska,webm,avi,flv,gif",
    "protocol_whitelist": "none",
}
"""As everywhere in ``media``, but probed in full: an MP4 needs sizes and parameter sets before the first picture."""
SOUND = frozenset({"aac", "mp3", "opus"})
"""What browsers play inside an MP4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPiece:
    """A part of one source and its place on the clip's clock."""

    span: Span
    """What to show, in seconds from the source's first frame."""
    offset: Fraction = Fraction(0)
    """Where the source's first frame lies on the stream clock."""
    first_pts: int | None = None
    """The PTS of that first frame (``SegmentTimes.first_pts``); without it, that of the source's first keyframe."""
    init: bytes | None = None
    """The init segment (fMP4/CMAF) that goes before the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLimits:
    """What one clip may cost."""

    max_seconds: Fraction = LONGEST
    """Of the spans asked for, all pieces together; what lies beyond is left out, and ``truncated`` says so."""
    max_bytes: int = 256 << 20
    """Of packets held at once, for each piece."""
    max_lead: Fraction = Fraction(15)
    """Seconds that a clip may begin early to start at a keyframe; with a longer GOP it is encoded again."""
    max_side: int = 1280
    """Pixels of the longer side of what is encoded again; copies keep their size."""


class Timed(NamedTuple):
    """A packet and when it is shown."""

    at: Fraction
    """Seconds on the stream clock."""
    packet: Packet[Stream]

    @property
    def duration(self) -> Fraction:
        """Seconds; 0 where the container does not say."""
        return (self.packet.duration or 0) * self.packet.time_base


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """From the time stamps of one source to the stream clock."""

    zero: Fraction
    """Seconds of the first frame's time stamp."""
    offset: Fraction
    """Where that frame lies on the stream clock."""
    period: Fraction | None
    """Seconds after which the counter starts again; None where it never does."""

    def at(self, ticks: int, time_base: Fraction) -> Fraction:
        """The time on the stream clock; a counter that wrapped since the first frame goes on."""
        since = ticks * time_base - self.zero
        if self.period is not None:
            since = (since + self.period / 2) % self.period - self.period / 2
        return self.offset + since


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """What one piece gives to a clip; its container stays open as long as the clip is written."""

    span: Span
    """What was asked for, on the stream clock."""
    clock: Clock
    container: str
    """FFmpeg's name of it."""
    video: VideoStream
    audio: AudioStream | None
    """None where there is none, or none that browsers play."""
    pictures: tuple[Timed, ...]
    """Whole GOPs in decode order, the first a keyframe; at least one."""
    sounds: tuple[Timed, ...]
    truncated: bool
    """A limit ended it before the span did."""

    @property
    def start(self) -> Fraction:
        """When its first picture is shown, on the stream clock."""
        return self.pictures[0].at

    @property
    def end(self) -> Fraction:
        """When its last picture is no longer shown; one without a duration is shown as long as the one before it."""
        *before, last = sorted(self.pictures, key=lambda picture: picture.at)[-2:]
        step = last.at - before[0].at if before else Fraction(0)
        return last.at + (last.duration or step)

    @property
    def codec(self) -> str:
        """FFmpeg's name of the format, whichever decoder is used."""
        return self.video.codec_context.codec.canonical_name

    @property
    def likeness(self) -> tuple[object, ...]:
        """Equal where pictures can follow each other in one track."""
        context = self.video.codec_context
        return (self.codec, context.width, context.height, context.pix_fmt, context.extradata, self.video.time_base)

    @property
    def sound(self) -> tuple[object, ...]:
        """Equal where sound can follow in one track."""
        if self.audio is None:
            return ()
        context = self.audio.codec_context
        return (context.codec.canonical_name, context.sample_rate, context.layout.name, context.extradata, self.audio.time_base)

    @property
    def timed(self) -> bool:
        """Every picture has a presentation time of its own."""
        stamps = [picture.packet.pts for picture in self.pictures]
        return None not in stamps and len(set(stamps)) == len(stamps)

    def when(self, frame: VideoFrame) -> Fraction | None:
        """When a frame decoded from its pictures is shown, on the stream clock; None where nobody knows."""
        ticks = frame.pts if frame.pts is not None else frame.dts
        return None if ticks is None else self.clock.at(ticks, self.video.time_base or Fraction(1))

    def shifted(self, by: Fraction) -> Take:
        """The same pictures and sounds, that much later."""
        return replace(
            self,
            span=self.span.shifted(by),
            clock=replace(self.clock, offset=self.clock.offset + by),
            pictures=tuple(Timed(picture.at + by, picture.packet) for picture in self.pictures),
            sounds=tuple(Timed(sound.at + by, sound.packet) for sound in self.sounds),
        )


def take(source: BinaryIO, piece: ClipPiece, limits: ClipLimits, stack: ExitStack, *, name: str) -> Take | None:
    """The packets that show the piece's span, from the keyframe at or before it; None where it has no picture.

    Leading pictures of the first keyframe, which need what lies before it, are left out; those of the keyframe that ends
    the last GOP are kept together with it. Sources whose time stamps jump back are searched by time stamp, first match.

    Raises:
        DamagedError, FormatError, NoVideoError: the source cannot be read.
        LimitError: ``limit_bytes``: the GOP before the span holds more than the limit.
    """
    try:
        first_pts = _first_keyframe(source, piece.init, name) if piece.first_pts is None else piece.first_pts
        for lead in _leads(piece.span.start):
            with ExitStack() as attempt:
                track = _track(attempt.enter_context(_open(source, piece.init, name)), piece, first_pts, name)
                found = _search(track, lead, limits.max_bytes, name)
                if lead is None or found.reaches_back:
                    stack.push(attempt.pop_all())
                    return _taken(track, found)
    except (av.error.FFmpegError, ValueError) as why:
        raise DamagedError(f"{name}: cannot be cut: {why}") from why
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Track:
    """An open source, and its place on the stream clock."""

    container: InputContainer
    video: VideoStream
    audio: AudioStream | None
    clock: Clock
    span: Span


def _leads(start: Fraction) -> Iterator[Fraction | None]:
    """Seconds before the span at which to begin to read, and at last from the source's beginning."""
    yield from (lead for lead in LEADS if lead < start)
    yield None


def _first_keyframe(source: BinaryIO, init: bytes | None, name: str) -> int:
    with _open(source, init, name) as container:
        packets = container.demux(_video(container, name))
        found = next((packet.pts for packet in packets if packet.is_keyframe and packet.size and packet.pts is not None), None)
    if found is None:
        raise NoVideoError(f"{name}: no keyframe")
    return found


def _track(container: InputContainer, piece: ClipPiece, first_pts: int, name: str) -> _Track:
    video = _video(container, name)
    period = Fraction(1 << 33, 90_000) if container.format.name == "mpegts" else None
    clock = Clock(zero=first_pts * (video.time_base or Fraction(1)), offset=piece.offset, period=period)
    return _Track(container=container, video=video, audio=_audio(container), clock=clock, span=piece.span.shifted(piece.offset))


def _search(track: _Track, lead: Fraction | None, most: int, name: str) -> _Collector:
    found = _Collector(span=track.span, most=most, name=name)
    if lead is not None:
        target = track.clock.zero + track.span.start - track.clock.offset - lead
        try:
            track.container.seek(int(target / (track.video.time_base or 1)), stream=track.video, backward=True)
        except av.error.FFmpegError:
            return found
    for packet in track.container.demux([wanted for wanted in (track.video, track.audio) if wanted is not None]):
        ticks = packet.pts if packet.pts is not None else packet.dts
        if packet.size and ticks is not None:
            found.add(Timed(track.clock.at(ticks, packet.time_base), packet))
        if found.done:
            break
    return found


def _taken(track: _Track, found: _Collector) -> Take | None:
    if not found.pictures:
        return None
    taken = Take(
        span=found.span,
        clock=track.clock,
        container=track.container.format.name,
        video=track.video,
        audio=track.audio,
        pictures=found.pictures,
        sounds=tuple(found.sounds),
        truncated=found.truncated,
    )
    return taken if taken.end > taken.span.start else None


def sniffed(source: BinaryIO, init: bytes | None, name: str) -> tuple[BinaryIO, Container]:
    """The source behind its init segment, at its first byte, and what it is.

    Raises:
        FormatError, NoVideoError: nothing that we open.
    """
    source.seek(0)
    whole = joined(source, init)
    try:
        kind = sniff(whole.read(HEAD_BYTES))
    except (FormatError, NoVideoError) as why:
        raise type(why)(f"{name}: {why}") from why
    whole.seek(0)
    return whole, kind


def _open(source: BinaryIO, init: bytes | None, name: str) -> InputContainer:
    whole, kind = sniffed(source, init, name)
    if kind.picture:
        raise NoVideoError(f"{name}: a {kind.name} picture, a video track is wanted")
    return av.open(whole, "r", format=kind.value, options=_OPTIONS, metadata_errors="replace")


def _video(container: InputContainer, name: str) -> VideoStream:
    tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
    if not tracks:
        raise NoVideoError(f"{name}: no video track")
    track = next((track for track in tracks if track.disposition & Disposition.default), tracks[0])
    if track.codec_context is None or track.codec_context.name not in CODECS or track.time_base is None:
        raise FormatError(f"{name}: video codec of a kind that we do not open, one of {', '.join(sorted(CODECS))} is wanted")
    track.codec_context.thread_count = 1
    return track


def _audio(container: InputContainer) -> AudioStream | None:
    contexts = ((track, track.codec_context) for track in container.streams.audio if track.codec_context is not None)
    return next((track for track, context in contexts if context.codec.canonical_name in SOUND and context.sample_rate), None)


@dataclass(slots=True, kw_only=True)
class _Collector:
    """Takes packets in the container's order until the span is complete."""

    span: Span
    most: int
    """Bytes of pictures."""
    name: str
    sounds: list[Timed] = field(default_factory=list)
    done: bool = False
    truncated: bool = False
    _pictures: list[Timed] = field(default_factory=list)
    _size: int = 0
    _closing: Fraction | None = None
    """When the first keyframe at or after the span's end is shown."""
    _complete: bool = False
    """All pictures are there; sound of the same time may still come."""

    @property
    def pictures(self) -> tuple[Timed, ...]:
        """In decode order from a keyframe; the keyframe after the span only if pictures before it lean on it."""
        closed = bool(self._pictures) and self._pictures[-1].at == self._closing
        return tuple(self._pictures[:-1] if closed else self._pictures)

    @property
    def reaches_back(self) -> bool:
        """It begins at the keyframe that the span's first picture needs."""
        return bool(self._pictures) and self._pictures[0].at <= self.span.start

    def add(self, timed: Timed) -> None:
        """Take it or leave it."""
        if timed.packet.stream.type == "audio":
            self.sounds.append(timed)
            self.done = self._complete and timed.at >= self.span.end
        elif self._complete:
            self.done = timed.at > self.span.end + INTERLEAVE
        else:
            self._add_picture(timed)

    def _add_picture(self, timed: Timed) -> None:
        keyframe = timed.packet.is_keyframe
        if self._closing is not None and (keyframe or timed.at > self._closing):
            self._complete = True
            return
        if keyframe and timed.at >= self.span.end:
            self._closing = timed.at
        if keyframe and timed.at <= self.span.start:
            self._pictures.clear()
            self._size = 0
        if keyframe or (self._pictures and timed.at > self._pictures[0].at):
            self._keep(timed)

    def _keep(self, timed: Timed) -> None:
        self._size += timed.packet.size
        if self._size <= self.most:
            self._pictures.append(timed)
            return
        if timed.at <= self.span.start:
            raise LimitError(f"{self.name}: no keyframe within {self.most} bytes before the clip", kind="limit_bytes")
        self._complete = self.done = self.truncated = True
