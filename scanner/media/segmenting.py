"""Cut a file into segments of MPEG-TS at its keyframes, as an encoder that streams it would.

Packets are copied; each segment begins with its own tables and can be decoded by itself. Untrusted
input is opened here: call it in the sandbox.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, BinaryIO, Final, Self

import av
from av.packet import Packet
from av.video.stream import VideoStream

from scanner.errors import DamagedError, FormatError
from scanner.media.gops import VideoPacket
from scanner.media.limits import MediaLimits
from scanner.media.nal_units import read_h264_sets
from scanner.media.open import OpenMedia, open_media, sniff_source
from scanner.media.packet_facts import prepend
from scanner.media.packet_reader import PacketReader
from scanner.media.picture_parts import PicturePart, split_pictures
from scanner.media.sniff import Container
from scanner.rational import dump_fraction, load_fraction

__all__ = [
    "CARRIED",
    "CutSegment",
    "SegmentRequest",
    "carry_configurations",
    "cut_segments",
    "cut_segments_in_child",
    "group_packets",
    "mux_group",
]

CARRIED: Final = frozenset({"h264", "hevc", "mpeg2video", "mpeg4"})
"""Video codecs that MPEG-TS carries and that we decode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRequest:
    """The way in which a file is cut."""

    seconds: Fraction = Fraction(4)
    """Least duration of a segment; it ends at the next keyframe."""
    limits: MediaLimits = field(default_factory=MediaLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutSegment:
    """One segment within the bytes that were written."""

    offset: int
    size: int
    duration: Fraction
    """Seconds from its first picture to the first one of the next segment, or to its last one."""

    @classmethod
    def from_json(cls, row: Any) -> Self:
        """Read what a child reports of a segment.

        Raises:
            ValueError: it is no description of a segment.
        """
        try:
            offset, size, duration = row
            if type(offset) is not int or type(size) is not int or offset < 0 or size < 1:
                raise ValueError(f"offset and size must be integers, got {offset!r} and {size!r}")
            return cls(offset=offset, size=size, duration=load_fraction(duration))
        except TypeError as error:
            raise ValueError(f"not a description of a segment: {error}") from error


def cut_segments(
    source: BinaryIO, request: SegmentRequest, *, name: str, output: BinaryIO
) -> list[CutSegment]:
    """Write the segments of a file to ``output``, one after the other, and return their places.

    Raises:
        FormatError: MPEG-TS does not carry its video codec.
        DamagedError, NoVideoError, LimitError: the file cannot be read.
    """
    kind = sniff_source(source, name)
    is_stream = kind is Container.MPEGTS
    parts = split_pictures(source) if is_stream else (PicturePart(source=source),)
    segments: list[CutSegment] = []
    offset = 0
    for part in parts:
        with open_media(part.source, kind, request.limits, name) as media:
            for data, duration in _cut_track(media, request):
                output.write(data)
                segments.append(CutSegment(offset=offset, size=len(data), duration=duration))
                offset += len(data)
    return segments


def _cut_track(media: OpenMedia, request: SegmentRequest) -> Iterator[tuple[bytes, Fraction]]:
    """Yield each segment of a track with its duration in seconds."""
    name, track = media.name, media.track
    codec = track.codec_context.name
    if codec not in CARRIED:
        raise FormatError(f"{name}: MPEG-TS does not carry {codec}; submit segments instead")
    try:
        packets = carry_configurations(track, PacketReader(media, request.limits))
        for group, duration in group_packets(packets, request.seconds):
            yield mux_group(track, group), duration
    except av.error.FFmpegError as error:
        raise DamagedError(f"{name}: cannot be cut: {error.strerror}") from error


def carry_configurations(
    track: VideoStream, packets: Iterable[VideoPacket]
) -> Iterator[VideoPacket]:
    """Yield the packets; once the codec's configuration has changed, keyframes carry its parameter
    sets, because MPEG-TS has no other place for them.

    Raises:
        FormatError: it changes for a codec other than H.264.
    """
    known, lead = bytes(track.codec_context.extradata or b""), b""
    for packet in packets:
        if packet.has_sidedata("new_extradata"):
            configuration = bytes(packet.get_sidedata("new_extradata"))
            if configuration != known and track.codec_context.name != "h264":
                name = track.codec_context.name
                raise FormatError(f"the configuration of {name} changes, which MPEG-TS cannot tell")
            known, lead = configuration, read_h264_sets(configuration)
        yield prepend(packet, lead) if lead and packet.is_keyframe else packet


def group_packets(
    source: Iterable[Packet[Any]], seconds: Fraction
) -> Iterator[tuple[list[Packet[Any]], Fraction]]:
    """Yield the packets of each segment, with its duration in seconds.

    One ends early at a keyframe from which the clock does not go on.
    """
    packets: list[Packet[Any]] = []
    start = latest = Fraction(0)
    for packet in source:
        if packet.dts is None or packet.pts is None:
            continue
        at = packet.pts * packet.time_base
        goes_back = bool(packets) and packet.dts <= (packets[-1].dts or 0)
        if packets and packet.is_keyframe and (at - start >= seconds or goes_back):
            yield packets, max(at - start, Fraction(0)) if not goes_back else latest - start
            packets, latest = [], at
        if not packets:
            start = at
        packets.append(packet)
        latest = max(latest, at + (packet.duration or 0) * packet.time_base)
    if packets:
        yield packets, max(latest - start, Fraction(0))


def mux_group(track: VideoStream, packets: Sequence[Packet[Any]]) -> bytes:
    """Return packets of a track as MPEG-TS."""
    data = io.BytesIO()
    with av.open(data, "w", format="mpegts") as container:
        video = container.add_stream_from_template(track, opaque=True)
        for packet in packets:
            packet.stream = video
            container.mux(packet)
    return data.getvalue()


def cut_segments_in_child(
    sources: Sequence[BinaryIO], arguments: SegmentRequest, *, name: str, output: BinaryIO
) -> list[list[Any]]:
    """Run ``cut_segments`` as a task of the sandbox; ``CutSegment.from_json`` reads the result."""
    (source,) = sources
    cut = cut_segments(source, arguments, name=name, output=output)
    return [[one.offset, one.size, dump_fraction(one.duration)] for one in cut]
