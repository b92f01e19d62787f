"""Read the packets of a source that a span needs, from the keyframe at or before it.

``_SpanCollector`` takes the packets in the container's order and moves through four states:

    state        pictures                              leaves it when
    ---------    ----------------------------------    -------------------------------------------
    searching    each keyframe at or before the        a picture after the span's start comes
                 start replaces all before it
    filling      kept                                  a keyframe at or after the end comes
    closing      kept if they are shown before that    a picture after that keyframe, or another
                 keyframe                              keyframe, comes
    complete     ignored; sound may still come         sound passes the end, or another packet lies
                                                       more than ``INTERLEAVE`` after it: done

``stop``, called at a jump of the clock or at the byte limit, leads to done from every state; unless
the pictures were complete, the span is truncated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from scanner.errors import DamagedError, LimitError, NoVideoError
from scanner.media.large import claim_memory
from scanner.media.limits import MediaLimits
from scanner.media.open import (
    CODECS,
    FORMATS,
    WRAP_BITS,
    measure_size,
    prepend_init,
    select_video_track,
    sniff_source,
)
from scanner.media.pauses import PauseEvidence
from scanner.media.picture_parts import find_part, split_pictures
from scanner.media.sniff import Container
from scanner.media.span_packets import (
    ClipLimits,
    ClipPiece,
    SourceClock,
    SpanPackets,
    TimedPacket,
    time_base_of,
)
from scanner.media.timeline import Timeline
from scanner.media.transport_stream import TICKS_PER_SECOND
from scanner.types import NEVER_WRAPS, Span

__all__ = ["prepend_and_sniff", "read_span"]

LEADS = (Fraction(3), Fraction(12), Fraction(60))
"""Seconds before the span at which its keyframe is sought, before the source is read from its
beginning."""
SEEK_ABOVE = 256 << 20
"""Bytes up to which a source is read from its beginning, which costs tenths of a second and finds
every picture: seeking trusts an index or time stamps, and may miss pictures where those are wrong.
"""
MAX_ERRORS = 100
"""Packets that cannot be read before the rest of the source counts as absent."""
INTERLEAVE = Fraction(1)
"""Seconds by which sound may lag behind the pictures of the same time in a container."""
_OPTIONS = {
    "codec_whitelist": ",".join(sorted(CODECS | {"aac", "mp3", "mp3float", "opus", "libopus"})),
    "format_whitelist": FORMATS,
    "protocol_whitelist": "none",
}
"""The allow-lists of ``open``, but probed in full: an MP4 needs sizes and parameter sets before the
first picture."""
AUDIO_CODECS = frozenset({"aac", "mp3", "opus"})
"""Audio codecs that browsers play inside an MP4."""


def read_span(
    source: BinaryIO, piece: ClipPiece, limits: ClipLimits, stack: ExitStack, *, name: str
) -> SpanPackets | None:
    """Return the packets that show the piece's span, from the keyframe at or before it; None if it
    has no picture. The source's container is closed with ``stack``.

    Leading pictures of the first keyframe, which need the GOP before it, are left out; those of the
    keyframe that ends the last GOP are kept together with it. Packets end where the source's clock
    jumps.

    Raises:
        DamagedError, FormatError, NoVideoError: the source cannot be read.
        LimitError: ``limit_bytes``: the GOP before the span holds more than the limit.
    """
    try:
        source, piece = _choose_part(source, piece, name)
        first_pts = (
            _find_first_keyframe(source, piece.init, name)
            if piece.first_pts is None
            else piece.first_pts
        )
        for lead in _leads(piece, measure_size(source)):
            with ExitStack() as attempt:
                container = attempt.enter_context(_open(source, piece.init, name))
                tracks = _select_tracks(container, piece, first_pts, name)
                pauses = PauseEvidence(source, tracks.video, MediaLimits(), name=name)
                found = _collect_from(tracks, pauses, lead, limits, name)
                if found is not None:
                    stack.push(attempt.pop_all())
                    return _to_packets(tracks, found)
    except (av.error.FFmpegError, ValueError) as error:
        raise DamagedError(f"{name}: cannot be cut: {error}") from error
    return None


def _choose_part(source: BinaryIO, piece: ClipPiece, name: str) -> tuple[BinaryIO, ClipPiece]:
    """Return the source to read, with one PID and codec of pictures where those change."""
    whole, kind = prepend_and_sniff(source, piece.init, name)
    if kind is not Container.MPEGTS:
        return source, piece
    parts = split_pictures(whole)
    wanted = int(piece.span.start * TICKS_PER_SECOND) + (piece.first_pts or 0)
    part = parts[0] if piece.first_pts is None else find_part(parts, wanted, piece.jumps)
    if part.source is whole:
        return source, piece
    return part.source, replace(piece, jumps=piece.jumps - part.jumps, init=None)


def prepend_and_sniff(
    source: BinaryIO, init: bytes | None, name: str
) -> tuple[BinaryIO, Container]:
    """Return the source with its init segment before it, at its first byte, and its container.

    Raises:
        FormatError, NoVideoError: it is not a container that we open.
    """
    source.seek(0)
    whole = prepend_init(source, init)
    return whole, sniff_source(whole, name)


@dataclass(slots=True, kw_only=True)
class _SpanCollector:
    """Takes packets until the span is complete (see the module's table)."""

    span: Span
    max_bytes: int
    """Most bytes of pictures."""
    name: str
    sounds: list[TimedPacket] = field(default_factory=list)
    done: bool = False
    truncated: bool = False
    _pictures: list[TimedPacket] = field(default_factory=list)
    _size: int = 0
    _closing: Fraction | None = None
    """Time of the first keyframe at or after the span's end."""
    _complete: bool = False
    """True if all pictures are there; sound of the same time may still come."""

    @property
    def pictures(self) -> tuple[TimedPacket, ...]:
        """Pictures in the order of decoding from a keyframe on; the keyframe after the span is
        included only if pictures before it reference it."""
        closed = bool(self._pictures) and self._pictures[-1].at == self._closing
        return tuple(self._pictures[:-1] if closed else self._pictures)

    @property
    def has_start(self) -> bool:
        """Whether the pictures begin at the keyframe that the span's first picture needs."""
        return bool(self._pictures) and self._pictures[0].at <= self.span.start

    def add(self, timed: TimedPacket) -> None:
        """Keep the packet if the span needs it."""
        if timed.packet.stream.type == "audio":
            self.sounds.append(timed)
            self.done = self._complete and timed.at >= self.span.end
        elif self._complete:
            self.done = timed.at > self.span.end + INTERLEAVE
        else:
            self._add_picture(timed)

    def stop(self) -> None:
        """End the collection, as no packet that follows can belong to the span."""
        self.truncated = not self._complete
        self._complete = self.done = True

    def _add_picture(self, timed: TimedPacket) -> None:
        keyframe = timed.packet.is_keyframe
        if self._closing is not None and (keyframe or timed.at > self._closing):
            self._complete = True
            return
        if keyframe and timed.at >= self.span.end:
            self._closing = timed.at
        if keyframe and timed.at <= self.span.start:
            self._pictures.clear()
            self._size = 0
            self.sounds = [sound for sound in self.sounds if sound.at >= timed.at]
        if keyframe or (self._pictures and timed.at > self._pictures[0].at):
            self._keep(timed)

    def _keep(self, timed: TimedPacket) -> None:
        self._size += timed.packet.size
        if self._size <= self.max_bytes:
            self._pictures.append(timed)
            return
        if timed.at <= self.span.start:
            raise LimitError(
                f"{self.name}: no keyframe within {self.max_bytes} bytes before the clip",
                kind="limit_bytes",
            )
        self.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracks:
    """An open source with the tracks to read, and its place on the stream clock."""

    container: InputContainer
    video: VideoStream
    audio: AudioStream | None
    clock: SourceClock
    span: Span
    jumps: int


def _leads(piece: ClipPiece, size: int) -> Iterator[Fraction | None]:
    """Yield the seconds before the span at which to begin reading; at last None, for the source's
    beginning."""
    if size > SEEK_ABOVE and not piece.jumps:
        yield from (lead for lead in LEADS if lead < piece.span.start)
    yield None


def _find_first_keyframe(source: BinaryIO, init: bytes | None, name: str) -> int:
    """Return the time stamp of the first keyframe."""
    with _open(source, init, name) as container:
        packets = container.demux(_select_video(container, name))
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


def _select_tracks(
    container: InputContainer, piece: ClipPiece, first_pts: int, name: str
) -> _Tracks:
    video = _select_video(container, name)
    base, bits = time_base_of(video), WRAP_BITS.get(container.format.name)
    period = None if bits is None else (1 << bits) * base
    return _Tracks(
        container=container,
        video=video,
        audio=_select_audio(container),
        clock=SourceClock(zero=first_pts * base, offset=piece.offset, period=period),
        span=piece.span.shift(piece.offset),
        jumps=piece.jumps,
    )


def _collect_from(
    tracks: _Tracks,
    pauses: PauseEvidence,
    lead: Fraction | None,
    limits: ClipLimits,
    name: str,
) -> _SpanCollector | None:
    """Collect the span's packets, read from ``lead`` seconds before it; return None if its keyframe
    lies further back."""
    found = _SpanCollector(span=tracks.span, max_bytes=limits.max_bytes, name=name)
    if lead is None or _seek(tracks, lead):
        _collect(tracks, pauses, found)
    return found if lead is None or found.has_start else None


def _seek(tracks: _Tracks, lead: Fraction) -> bool:
    target = tracks.clock.zero + tracks.span.start - tracks.clock.offset - lead
    ticks = int(target / time_base_of(tracks.video))
    try:
        tracks.container.seek(ticks, stream=tracks.video, backward=True)
    except av.error.FFmpegError:
        return False
    return True


def _collect(tracks: _Tracks, pauses: PauseEvidence, found: _SpanCollector) -> None:
    bits = WRAP_BITS.get(tracks.container.format.name, NEVER_WRAPS)
    timeline = Timeline(
        time_base_of(tracks.video),
        wrap_bits=bits,
        running=bits < NEVER_WRAPS,
        is_pause=pauses.is_pause,
    )
    jumps = 0
    for packet in _demux(tracks):
        ticks = packet.pts if packet.pts is not None else packet.dts
        if not packet.size or ticks is None:
            continue
        if packet.stream is tracks.video:
            jumps += timeline.place(
                ticks, duration=packet.duration or 0, keyframe=packet.is_keyframe
            ).jump
        if jumps > tracks.jumps:
            found.stop()
        elif jumps == tracks.jumps:
            found.add(TimedPacket(tracks.clock.to_stream(ticks, packet.time_base), packet))
        if found.done:
            return


def _demux(tracks: _Tracks) -> Iterator[Packet[Stream]]:
    """Yield all packets that can be demuxed; others, and those of a track that appears midway, are
    skipped."""
    wanted = [stream for stream in (tracks.video, tracks.audio) if stream is not None]
    for _ in range(MAX_ERRORS):
        try:
            yield from tracks.container.demux(wanted)
            return
        except (av.error.FFmpegError, IndexError):
            continue


def _to_packets(tracks: _Tracks, found: _SpanCollector) -> SpanPackets | None:
    if not found.pictures:
        return None
    packets = SpanPackets(
        span=found.span,
        clock=tracks.clock,
        container=tracks.container.format.name,
        video=tracks.video,
        audio=tracks.audio,
        pictures=found.pictures,
        sounds=tuple(found.sounds),
        truncated=found.truncated,
    )
    return packets if packets.end > packets.span.start else None


def _open(source: BinaryIO, init: bytes | None, name: str) -> InputContainer:
    whole, kind = prepend_and_sniff(source, init, name)
    if kind.is_picture:
        raise NoVideoError(f"{name}: a {kind.name} picture, a video track is wanted")
    return av.open(whole, "r", format=kind.value, options=_OPTIONS, metadata_errors="replace")


def _select_video(container: InputContainer, name: str) -> VideoStream:
    track = select_video_track(container, name)
    claim_memory(track.width * track.height)
    track.codec_context.thread_count = 1  # frame threads that are dropped undrained deadlock
    return track


def _select_audio(container: InputContainer) -> AudioStream | None:
    contexts = (
        (track, track.codec_context)
        for track in container.streams.audio
        if track.codec_context is not None
    )
    return next(
        (
            track
            for track, context in contexts
            if context.codec.canonical_name in AUDIO_CODECS and context.sample_rate
        ),
        None,
    )
