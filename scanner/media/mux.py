"""Write the packets of a clip, copied or encoded again, as an MP4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import chain, pairwise
from typing import Any, BinaryIO, Literal, NamedTuple

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from scanner.errors import DamagedError, NoVideoError
from scanner.media.collect import Timed
from scanner.media.take import Take, base_of
from scanner.types import Span

__all__ = ["ClipInfo", "decode_times", "remux", "transcode"]

INDEX_BYTES, INDEX_BYTES_A_PACKET = 1 << 16, 64
"""Room for the index before the pictures: sizes, times, offsets and keyframes of every packet, at
their widest."""
TICK = Fraction(1, 90_000)
"""Of what is encoded again."""
ENCODER = {"preset": "veryfast", "crf": "23"}
"""Of x264: nobody looks at a transcoded clip for its beauty, and somebody waits for it."""
KEYFRAME_EVERY = 60
"""Frames: a browser seeks to within two seconds of most videos."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipInfo:
    """What a clip turned out to be."""

    span: Span
    """On the stream clock; as whole GOPs it may begin before and end after what was asked for."""
    method: Literal["copied", "transcoded"]
    reason: str | None
    """Why it was encoded again: ``codec``, ``pixels``, ``pieces``, ``gop`` or ``timing``."""
    video: str
    """The codec within the clip."""
    audio: str | None
    """None where there is none, or none that browsers play."""
    width: int
    """Coded pixels, before rotation."""
    height: int
    truncated: bool
    """Less than asked for: a limit was reached."""

    def to_json(self) -> dict[str, Any]:
        """What ``json.dumps`` takes."""
        return {**asdict(self), "span": [str(self.span.start), str(self.span.end)]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClipInfo:
        """The info that ``to_json`` wrote, perhaps in a process that is not to be believed.

        Raises:
            ValueError: it cannot be one.
        """
        try:
            start, end = (Fraction(edge) for edge in data["span"])
            said = cls(**{**data, "span": Span(start=start, end=end)})
        except (TypeError, KeyError, ZeroDivisionError) as why:
            raise ValueError(f"not what is said of a clip: {why}") from why
        for name, kinds in _KINDS.items():
            if not isinstance(getattr(said, name), kinds):
                raise ValueError(f"{name} of a clip cannot be {getattr(said, name)!r}")
        return said


_KINDS: Mapping[str, tuple[type, ...]] = {
    "method": (str,),
    "reason": (str, type(None)),
    "video": (str,),
    "audio": (str, type(None)),
    "width": (int,),
    "height": (int,),
    "truncated": (bool,),
}


def decode_times(pts: Sequence[int]) -> list[int]:
    """Strictly rising decode times for distinct presentation times in decode order, none later than
    its picture is shown.

    >>> decode_times([0, 3, 1, 2])
    [-1, 0, 1, 2]
    """
    shown = sorted(pts)
    delay = max(late - own for late, own in zip(shown, pts, strict=True))
    return [at - delay for at in shown]


def remux(takes: Sequence[Take], out: BinaryIO) -> ClipInfo:
    """The takes' packets, byte for byte, as one MP4."""
    takes = _in_line(takes)
    first, pictures = takes[0], [picture for taken in takes for picture in taken.pictures]
    span = Span(start=first.start, end=takes[-1].end)
    with _mp4(out, takes) as container:
        video = container.add_stream_from_template(first.video, opaque=True)
        base = base_of(first.video)
        pts = [round((picture.at - span.start) / base) for picture in pictures]
        for picture, shown, decoded in zip(pictures, pts, decode_times(pts), strict=True):
            _stamp(picture.packet, video, shown, decoded, base)
        for picture in _open_keyframes(pictures):
            picture.packet.is_keyframe = False
        audio, sounds = _sounds(container, takes, span)
        _write(container, [picture.packet for picture in pictures] + sounds)
    return ClipInfo(
        span=span,
        method="copied",
        reason=None,
        video=first.codec,
        audio=audio,
        width=first.video.width,
        height=first.video.height,
        truncated=any(taken.truncated for taken in takes),
    )


def transcode(takes: Sequence[Take], out: BinaryIO, *, reason: str, max_side: int) -> ClipInfo:
    """The takes' pictures within their spans, exactly, as H.264 in 4:2:0; sound is copied.

    Sizes differ: all are scaled to the first one's. High dynamic range is not mapped to what a
    screen without it shows.
    """
    takes = _in_line(takes)
    frames = _frames(takes)
    first = next(frames, None)
    if first is None:
        raise NoVideoError("clip: no picture within its span can be decoded")
    size = _even_size(first.frame, takes[0].video.sample_aspect_ratio, max_side)
    with _mp4(out, takes) as container:
        video = _encoder(container, first.frame, size, takes[0].video.guessed_rate)
        packets = _encoded(video, chain([first], frames), first.at, size)
        span = Span(start=first.at, end=max(first.at, min(takes[-1].span.end, takes[-1].end)))
        audio, sounds = _sounds(container, takes, span)
        _write(container, packets + sounds)
    return ClipInfo(
        span=span,
        method="transcoded",
        reason=reason,
        video="h264",
        audio=audio,
        width=size[0],
        height=size[1],
        truncated=any(taken.truncated for taken in takes),
    )


def _even_size(frame: VideoFrame, aspect: Fraction | None, max_side: int) -> tuple[int, int]:
    """Even width and height with square pixels, the longer one at most ``max_side``."""
    width, height = frame.width * (aspect or Fraction(1)), Fraction(frame.height)
    scale = min(Fraction(1), max_side / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


class _Shown(NamedTuple):
    at: Fraction
    frame: VideoFrame


def _in_line(takes: Sequence[Take]) -> list[Take]:
    """Each take moved so that it begins after the last picture of the one before."""
    moved: list[Take] = []
    for taken in takes:
        early = bool(moved) and taken.start <= max(picture.at for picture in moved[-1].pictures)
        moved.append(taken.shifted(moved[-1].end - taken.start) if early else taken)
    return moved


@contextmanager
def _mp4(out: BinaryIO, takes: Sequence[Take]) -> Iterator[OutputContainer]:
    packets = sum(len(taken.pictures) + len(taken.sounds) for taken in takes)
    options = {
        "moov_size": str(INDEX_BYTES + INDEX_BYTES_A_PACKET * packets),
        "fflags": "+bitexact",
    }
    try:
        with av.open(out, "w", format="mp4", options=options) as container:
            yield container
    except (av.error.FFmpegError, ValueError) as why:
        raise DamagedError(f"clip: cannot be written as MP4: {why}") from why


def _stamp(packet: Packet[Stream], stream: Stream, pts: int, dts: int, base: Fraction) -> None:
    packet.duration = round((packet.duration or 0) * packet.time_base / base)
    packet.stream, packet.time_base, packet.pts, packet.dts = stream, base, pts, dts


def _open_keyframes(pictures: Sequence[Timed]) -> list[Timed]:
    """Keyframes that are followed by pictures shown before them: in an MP4 they are no place to
    begin at."""
    return [
        now for now, after in pairwise(pictures) if now.packet.is_keyframe and after.at < now.at
    ]


def _sounds(
    container: OutputContainer, takes: Sequence[Take], span: Span
) -> tuple[str | None, list[Packet[Stream]]]:
    """The codec and packets of the sound within the span; none unless all takes have the same kind."""
    track = takes[0].audio
    if track is None or any(taken.sound != takes[0].sound for taken in takes):
        return None, []
    stream = container.add_stream_from_template(track, opaque=True)
    base, last, packets = base_of(track), -1, []
    for sound in (
        sound for taken in takes for sound in taken.sounds if span.start <= sound.at < span.end
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


def _frames(takes: Sequence[Take]) -> Iterator[_Shown]:
    last = takes[0].span.start - 1
    for taken in takes:
        for frame in _decoded(taken):
            at = taken.when(frame)
            if at is not None and taken.span.start <= at < taken.span.end and at > last:
                yield _Shown(at, frame)
                last = at


def _decoded(taken: Take) -> Iterator[VideoFrame]:
    decoder = taken.video.codec_context
    for packet in (*(picture.packet for picture in taken.pictures), None):
        try:
            yield from decoder.decode(packet)
        except MemoryError:  # FFmpeg's own is an FFmpegError too
            raise
        except av.error.FFmpegError:  # a broken packet costs its own picture
            continue


def _encoder(
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


def _encoded(
    stream: VideoStream, frames: Iterable[_Shown], start: Fraction, size: tuple[int, int]
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
