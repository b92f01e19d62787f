"""Write the packets of a clip, copied or encoded again, as an MP4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import chain, pairwise
from typing import Any, BinaryIO, Final, Literal, NamedTuple

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from scanner.errors import DamagedError, NoVideoError
from scanner.media.span_packets import SpanPackets, TimedPacket, time_base_of
from scanner.rational import dump_fraction
from scanner.types import Span

__all__ = ["ClipInfo", "compute_decode_times", "remux", "transcode"]

INDEX_BYTES, INDEX_BYTES_A_PACKET = 1 << 16, 64
"""Bytes reserved for the index before the pictures: sizes, times, offsets and keyframe flags of
every packet, at their widest."""
TICK = Fraction(1, 90_000)
"""Time base of a clip that is encoded again, in seconds."""
ENCODER = {"preset": "veryfast", "crf": "23"}
"""Options of x264: speed matters more than quality, as a person waits for the clip."""
KEYFRAME_EVERY = 60
"""Frames between keyframes, so that a browser seeks to within two seconds of most videos."""


MAX_SIDE: Final = 1 << 16
"""Pixels; FFmpeg has no larger pictures."""
MAX_INTEGER: Final = 1 << 127
"""The clock of a stream may add times of several time bases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipInfo:
    """Description of a clip that was written."""

    span: Span
    """Span on the stream clock; of whole GOPs, it may begin before and end after the request."""
    method: Literal["copied", "transcoded"]
    reason: str | None
    """Reason for encoding again: ``codec``, ``pixels``, ``pieces``, ``gop`` or ``timing``."""
    video: str
    """Video codec within the clip."""
    audio: str | None
    """Audio codec; None if there is no sound that browsers play."""
    width: int
    """Coded pixels before rotation."""
    height: int
    truncated: bool
    """True if a limit made it shorter than the request."""

    def to_json(self) -> dict[str, Any]:
        """Return a value that ``json.dumps`` accepts."""
        edges = [dump_fraction(self.span.start), dump_fraction(self.span.end)]
        return {**asdict(self), "span": edges}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClipInfo:
        """Read what ``to_json`` returned, perhaps in an untrusted process.

        Raises:
            ValueError: it is not a valid description.
        """
        try:
            start, end = (_load_seconds(*pair) for pair in data["span"])
            info = cls(**{**data, "span": Span(start=start, end=end)})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a description of a clip: {error}") from error
        for name, is_valid in _VALID.items():
            if not is_valid(getattr(info, name)):
                raise ValueError(f"{name} of a clip cannot be {getattr(info, name)!r:.40}")
        return info


def _load_seconds(numerator: Any, denominator: Any) -> Fraction:
    if not all(type(part) is int and abs(part) < MAX_INTEGER for part in (numerator, denominator)):
        raise ValueError("times of a clip must be whole numbers of 127 bits")
    if denominator < 1:
        raise ValueError("the denominator of a clip's time must be above 0")
    return Fraction(numerator, denominator)


def _is_codec(name: Any) -> bool:
    return type(name) is str and len(name) <= 32 and name.replace("_", "").isalnum()


_VALID: Final[Mapping[str, Callable[[Any], bool]]] = {
    "method": lambda method: method in ("copied", "transcoded"),
    "reason": lambda reason: (
        reason is None or reason in ("codec", "pixels", "pieces", "gop", "timing")
    ),
    "video": _is_codec,
    "audio": lambda audio: audio is None or _is_codec(audio),
    "width": lambda width: type(width) is int and 0 < width <= MAX_SIDE,
    "height": lambda height: type(height) is int and 0 < height <= MAX_SIDE,
    "truncated": lambda truncated: type(truncated) is bool,
}


def compute_decode_times(pts: Sequence[int]) -> list[int]:
    """Return strictly rising decode times for distinct presentation times in the order of decoding,
    none later than its presentation time.

    >>> compute_decode_times([0, 3, 1, 2])
    [-1, 0, 1, 2]
    """
    shown = sorted(pts)
    delay = max(late - own for late, own in zip(shown, pts, strict=True))
    return [at - delay for at in shown]


def remux(pieces: Sequence[SpanPackets], out: BinaryIO) -> ClipInfo:
    """Write the packets of the pieces, byte for byte, as one MP4."""
    pieces = _remove_overlaps(pieces)
    first, pictures = pieces[0], [picture for piece in pieces for picture in piece.pictures]
    span = Span(start=first.start, end=pieces[-1].end)
    with _mp4(out, pieces) as container:
        video = container.add_stream_from_template(first.video, opaque=True)
        base = time_base_of(first.video)
        pts = [round((picture.at - span.start) / base) for picture in pictures]
        for picture, shown, decoded in zip(pictures, pts, compute_decode_times(pts), strict=True):
            _stamp(picture.packet, video, shown, decoded, base)
        for picture in _find_open_keyframes(pictures):
            picture.packet.is_keyframe = False
        audio, sounds = _add_sound(container, pieces, span)
        _write(container, [picture.packet for picture in pictures] + sounds)
    return ClipInfo(
        span=span,
        method="copied",
        reason=None,
        video=first.codec,
        audio=audio,
        width=first.video.width,
        height=first.video.height,
        truncated=any(piece.truncated for piece in pieces),
    )


def transcode(
    pieces: Sequence[SpanPackets], out: BinaryIO, *, reason: str, max_side: int
) -> ClipInfo:
    """Write exactly the pictures within the spans of the pieces as H.264 in 4:2:0; sound is copied.

    All pictures are scaled to the size of the first one. High dynamic range is not tone-mapped.
    """
    pieces = _remove_overlaps(pieces)
    frames = _select_frames(pieces)
    first = next(frames, None)
    if first is None:
        raise NoVideoError("clip: no picture within its span can be decoded")
    size = _even_size(first.frame, pieces[0].video.sample_aspect_ratio, max_side)
    with _mp4(out, pieces) as container:
        video = _add_encoder(container, first.frame, size, pieces[0].video.guessed_rate)
        packets = _encode(video, chain([first], frames), first.at, size)
        span = Span(start=first.at, end=max(first.at, min(pieces[-1].span.end, pieces[-1].end)))
        audio, sounds = _add_sound(container, pieces, span)
        _write(container, packets + sounds)
    return ClipInfo(
        span=span,
        method="transcoded",
        reason=reason,
        video="h264",
        audio=audio,
        width=size[0],
        height=size[1],
        truncated=any(piece.truncated for piece in pieces),
    )


def _even_size(frame: VideoFrame, aspect: Fraction | None, max_side: int) -> tuple[int, int]:
    """Return even width and height with square pixels, the longer one at most ``max_side``."""
    width, height = frame.width * (aspect or Fraction(1)), Fraction(frame.height)
    scale = min(Fraction(1), max_side / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


class _TimedFrame(NamedTuple):
    at: Fraction
    frame: VideoFrame


def _remove_overlaps(pieces: Sequence[SpanPackets]) -> list[SpanPackets]:
    """Return the pieces, each moved to begin after the last picture of the one before."""
    moved: list[SpanPackets] = []
    for piece in pieces:
        early = bool(moved) and piece.start <= max(picture.at for picture in moved[-1].pictures)
        moved.append(piece.shift(moved[-1].end - piece.start) if early else piece)
    return moved


@contextmanager
def _mp4(out: BinaryIO, pieces: Sequence[SpanPackets]) -> Iterator[OutputContainer]:
    packets = sum(len(piece.pictures) + len(piece.sounds) for piece in pieces)
    options = {
        "moov_size": str(INDEX_BYTES + INDEX_BYTES_A_PACKET * packets),
        "fflags": "+bitexact",
    }
    try:
        with av.open(out, "w", format="mp4", options=options) as container:
            yield container
    except (av.error.FFmpegError, ValueError) as error:
        raise DamagedError(f"clip: cannot be written as MP4: {error}") from error


def _stamp(packet: Packet[Stream], stream: Stream, pts: int, dts: int, base: Fraction) -> None:
    packet.duration = round((packet.duration or 0) * packet.time_base / base)
    packet.stream, packet.time_base, packet.pts, packet.dts = stream, base, pts, dts


def _find_open_keyframes(pictures: Sequence[TimedPacket]) -> list[TimedPacket]:
    """Return the keyframes that are followed by pictures shown before them: an MP4 does not list
    them as points to start from."""
    return [
        now for now, after in pairwise(pictures) if now.packet.is_keyframe and after.at < now.at
    ]


def _add_sound(
    container: OutputContainer, pieces: Sequence[SpanPackets], span: Span
) -> tuple[str | None, list[Packet[Stream]]]:
    """Add an audio track and return its codec and the packets within the span; none unless the
    sound of all pieces has equal parameters."""
    track = pieces[0].audio
    if track is None or any(
        piece.audio_parameters != pieces[0].audio_parameters for piece in pieces
    ):
        return None, []
    stream = container.add_stream_from_template(track, opaque=True)
    base, last, packets = time_base_of(track), -1, []
    for sound in (
        sound for piece in pieces for sound in piece.sounds if span.start <= sound.at < span.end
    ):
        ticks = round((sound.at - span.start) / base)
        if ticks > last:
            _stamp(sound.packet, stream, ticks, ticks, base)
            packets.append(sound.packet)
            last = ticks
    return track.codec_context.codec.canonical_name, packets


def _write(container: OutputContainer, packets: list[Packet[Stream]]) -> None:
    for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
        container.mux(packet)


def _select_frames(pieces: Sequence[SpanPackets]) -> Iterator[_TimedFrame]:
    last = pieces[0].span.start - 1
    for piece in pieces:
        for frame in _decode(piece):
            at = piece.time_of(frame)
            if at is not None and piece.span.start <= at < piece.span.end and at > last:
                yield _TimedFrame(at, frame)
                last = at


def _decode(piece: SpanPackets) -> Iterator[VideoFrame]:
    decoder = piece.video.codec_context
    for packet in (*(picture.packet for picture in piece.pictures), None):
        try:
            yield from decoder.decode(packet)
        except MemoryError:  # FFmpeg's own is an FFmpegError too
            raise
        except av.error.FFmpegError:  # a broken packet costs its own picture
            continue


def _add_encoder(
    container: OutputContainer, frame: VideoFrame, size: tuple[int, int], rate: Fraction | None
) -> VideoStream:
    stream = container.add_stream(
        "libx264", rate=rate or 30, options=ENCODER, width=size[0], height=size[1], time_base=TICK
    )
    stream.set_display_rotation(frame.rotation)
    encoder = stream.codec_context
    encoder.pix_fmt, encoder.gop_size, encoder.thread_count = "yuv420p", KEYFRAME_EVERY, 1
    encoder.colorspace, encoder.color_range = frame.colorspace, ColorRange.MPEG
    encoder.color_primaries, encoder.color_trc = frame.color_primaries, frame.color_trc
    return stream


def _encode(
    stream: VideoStream, frames: Iterable[_TimedFrame], start: Fraction, size: tuple[int, int]
) -> list[Packet[Stream]]:
    reformatter, packets = VideoReformatter(), []
    for at, frame in frames:
        picture = reformatter.reformat(
            frame,
            width=size[0],
            height=size[1],
            format="yuv420p",
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        picture.pts, picture.time_base = round((at - start) / TICK), TICK
        picture.pict_type = PictureType.NONE
        packets += stream.encode(picture)
    return packets + stream.encode(None)
