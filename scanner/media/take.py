"""Which packets of a source belong in a clip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scanner.errors import DamagedError, NoVideoError
from scanner.media.collect import Collector, Timed
from scanner.media.open import CODECS, FORMATS, WRAP_BITS, joined, kind_of, size_of, video_track
from scanner.media.sniff import Container
from scanner.media.timeline import Timeline
from scanner.types import NEVER_WRAPS, Span

__all__ = [
    "LONGEST",
    "ClipLimits",
    "ClipPiece",
    "SourceClock",
    "Take",
    "base_of",
    "sniffed",
    "take",
]

LONGEST = Fraction(60)
"""Seconds of the span that one clip may hold."""
LEADS = (Fraction(3), Fraction(12), Fraction(60))
"""Seconds before the span at which its keyframe is sought, before the source is read from its
beginning."""
SEEK_ABOVE = 256 << 20
"""Bytes up to which a source is read from its beginning, which costs tenths of a second and finds
every picture: seeking trusts an index or time stamps, and may miss where those are wrong."""
MAX_ERRORS = 100
"""Packets that cannot be read before the rest of the source counts as absent."""
_OPTIONS = {
    "codec_whitelist": ",".join(sorted(CODECS | {"aac", "mp3", "mp3float", "opus", "libopus"})),
    "format_whitelist": FORMATS,
    "protocol_whitelist": "none",
}
"""As everywhere in ``media``, but probed in full: an MP4 needs sizes and parameter sets before the
first picture."""
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
    """The PTS of that first frame (``SegmentTimes.first_pts``); without it, that of the source's
    first keyframe."""
    jumps: int = 0
    """How often the source's clock jumps before that first frame: so many of its windows up to this
    one are a ``discontinuity``."""
    init: bytes | None = None
    """The init segment (fMP4/CMAF) that goes before the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLimits:
    """What one clip may cost."""

    max_seconds: Fraction = LONGEST
    """Of the spans asked for, all pieces together; what lies beyond is left out, and ``truncated``
    says so."""
    max_bytes: int = 256 << 20
    """Of packets held at once, for each piece."""
    max_lead: Fraction = Fraction(15)
    """Seconds that a clip may begin early to start at a keyframe; with a longer GOP it is encoded
    again."""
    max_side: int = 1280
    """Pixels of the longer side of what is encoded again; copies keep their size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceClock:
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
    clock: SourceClock
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
        """When its last picture is no longer shown; one without a duration is shown as long as the
        one before it."""
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
        return (
            self.codec,
            context.width,
            context.height,
            context.pix_fmt,
            context.extradata,
            self.video.time_base,
        )

    @property
    def sound(self) -> tuple[object, ...]:
        """Equal where sound can follow in one track."""
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
    def timed(self) -> bool:
        """Every picture has a presentation time of its own."""
        stamps = [picture.packet.pts for picture in self.pictures]
        return None not in stamps and len(set(stamps)) == len(stamps)

    def when(self, frame: VideoFrame) -> Fraction | None:
        """When a frame decoded from its pictures is shown, on the stream clock; None where nobody
        knows."""
        ticks = frame.pts if frame.pts is not None else frame.dts
        return None if ticks is None else self.clock.at(ticks, base_of(self.video))

    def shifted(self, by: Fraction) -> Take:
        """The same pictures and sounds, that much later."""
        return replace(
            self,
            span=self.span.shifted(by),
            clock=replace(self.clock, offset=self.clock.offset + by),
            pictures=tuple(Timed(picture.at + by, picture.packet) for picture in self.pictures),
            sounds=tuple(Timed(sound.at + by, sound.packet) for sound in self.sounds),
        )


def take(
    source: BinaryIO, piece: ClipPiece, limits: ClipLimits, stack: ExitStack, *, name: str
) -> Take | None:
    """The packets that show the piece's span, from the keyframe at or before it; None where it has
    no picture.

    Leading pictures of the first keyframe, which need what lies before it, are left out; those of
    the keyframe that ends the last GOP are kept together with it. A take ends where the source's
    clock jumps.

    Raises:
        DamagedError, FormatError, NoVideoError: the source cannot be read.
        LimitError: ``limit_bytes``: the GOP before the span holds more than the limit.
    """
    try:
        first_pts = (
            _first_keyframe(source, piece.init, name)
            if piece.first_pts is None
            else piece.first_pts
        )
        for lead in _leads(piece, size_of(source)):
            with ExitStack() as attempt:
                track = _track(
                    attempt.enter_context(_open(source, piece.init, name)), piece, first_pts, name
                )
                found = _collected(track, lead, limits, name)
                if found is not None:
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
    clock: SourceClock
    span: Span
    jumps: int


def _leads(piece: ClipPiece, size: int) -> Iterator[Fraction | None]:
    """Seconds before the span at which to begin to read, and at last from the source's beginning."""
    if size > SEEK_ABOVE and not piece.jumps:
        yield from (lead for lead in LEADS if lead < piece.span.start)
    yield None


def _first_keyframe(source: BinaryIO, init: bytes | None, name: str) -> int:
    with _open(source, init, name) as container:
        packets = container.demux(_video(container, name))
        found = next(
            (
                packet.pts
                for packet in packets
                if packet.is_keyframe and packet.size and packet.pts is not None
            ),
            None,
        )
    if found is None:
        raise NoVideoError(f"{name}: no keyframe")
    return found


def _track(container: InputContainer, piece: ClipPiece, first_pts: int, name: str) -> _Track:
    video = _video(container, name)
    base, bits = base_of(video), WRAP_BITS.get(container.format.name)
    period = None if bits is None else (1 << bits) * base
    return _Track(
        container=container,
        video=video,
        audio=_audio(container),
        clock=SourceClock(zero=first_pts * base, offset=piece.offset, period=period),
        span=piece.span.shifted(piece.offset),
        jumps=piece.jumps,
    )


def _collected(
    track: _Track, lead: Fraction | None, limits: ClipLimits, name: str
) -> Collector | None:
    """What there is of the span, read from ``lead`` seconds before it; None where its keyframe lies
    further back."""
    found = Collector(span=track.span, most=limits.max_bytes, name=name)
    if lead is None or _seek(track, lead):
        _collect(track, found)
    return found if lead is None or found.reaches_back else None


def _seek(track: _Track, lead: Fraction) -> bool:
    target = track.clock.zero + track.span.start - track.clock.offset - lead
    try:
        track.container.seek(int(target / base_of(track.video)), stream=track.video, backward=True)
    except av.error.FFmpegError:
        return False
    return True


def _collect(track: _Track, found: Collector) -> None:
    bits = WRAP_BITS.get(track.container.format.name, NEVER_WRAPS)
    timeline = Timeline(base_of(track.video), wrap_bits=bits, running=bits < NEVER_WRAPS)
    jumps = 0
    for packet in _packets(track):
        ticks = packet.pts if packet.pts is not None else packet.dts
        if not packet.size or ticks is None:
            continue
        if packet.stream is track.video:
            jumps += timeline.place(
                ticks, duration=packet.duration or 0, keyframe=packet.is_keyframe
            ).jump
        if jumps > track.jumps:
            found.stop()
        elif jumps == track.jumps:
            found.add(Timed(track.clock.at(ticks, packet.time_base), packet))
        if found.done:
            return


def _packets(track: _Track) -> Iterator[Packet[Stream]]:
    """Whatever can be demuxed; what cannot, and what belongs to a track that appears midway, is
    stepped over."""
    wanted = [stream for stream in (track.video, track.audio) if stream is not None]
    for _ in range(MAX_ERRORS):
        try:
            yield from track.container.demux(wanted)
            return
        except (av.error.FFmpegError, IndexError):
            continue


def _taken(track: _Track, found: Collector) -> Take | None:
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


def base_of(stream: Stream) -> Fraction:
    """Seconds of one of the stream's ticks."""
    assert stream.time_base is not None  # every demuxer sets it
    return stream.time_base


def sniffed(source: BinaryIO, init: bytes | None, name: str) -> tuple[BinaryIO, Container]:
    """The source behind its init segment, at its first byte, and what it is.

    Raises:
        FormatError, NoVideoError: nothing that we open.
    """
    source.seek(0)
    whole = joined(source, init)
    return whole, kind_of(whole, name)


def _open(source: BinaryIO, init: bytes | None, name: str) -> InputContainer:
    whole, kind = sniffed(source, init, name)
    if kind.picture:
        raise NoVideoError(f"{name}: a {kind.name} picture, a video track is wanted")
    return av.open(whole, "r", format=kind.value, options=_OPTIONS, metadata_errors="replace")


def _video(container: InputContainer, name: str) -> VideoStream:
    track = video_track(container, name)
    track.codec_context.thread_count = 1  # frame threads that are dropped undrained deadlock
    return track


def _audio(container: InputContainer) -> AudioStream | None:
    contexts = (
        (track, track.codec_context)
        for track in container.streams.audio
        if track.codec_context is not None
    )
    return next(
        (
            track
            for track, context in contexts
            if context.codec.canonical_name in SOUND and context.sample_rate
        ),
        None,
    )
