"""Encode what encoders and broadcasters send and files rarely hold: a new sequence header in mid
stream, parameter sets that come once, field pictures, periodic intra refresh."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

import av
import numpy as np

__all__ = [
    "encode_fields",
    "encode_flat",
    "encode_intra_refresh",
    "encode_parameter_sets_once",
    "encode_resized_flv",
]

_FLV_HEADER = 13
_FLV_TAG = 11
_VIDEO_TAG = 9
FIELD_SIZE: Final = 64
"""Width and height of a frame of two fields."""
_FIELD_BLOCKS = 4 * 2


def encode_flat(
    values: Sequence[int],
    *,
    container: str,
    size: tuple[int, int],
    gop: int,
    options: str = "",
    start: int = 0,
) -> bytes:
    """Encode a flat grey frame for each value with x264, 25 a second and without B-frames; the
    first one is frame ``start`` of its clock."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=container) as out:
        params = f"scenecut=0:bframes=0:keyint={gop}:min-keyint={gop}"
        stream = out.add_stream(
            "libx264",
            rate=25,
            options={
                "preset": "ultrafast",
                "x264-params": f"{params}:{options}" if options else params,
            },
        )
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for number, value in enumerate(values):
            picture = np.full((size[1], size[0], 3), value, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = start + number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return sink.getvalue()


# A new sequence header in mid stream


def encode_resized_flv(first: Sequence[int], second: Sequence[int], *, gop: int = 25) -> bytes:
    """Encode a stream whose encoder changes the size; the new sequence header comes before the
    first packet of the ``second`` part, which begins where ``first`` ends."""
    start = len(first) * 40
    small = encode_flat(first, container="flv", size=(160, 96), gop=gop)
    large = encode_flat(second, container="flv", size=(320, 192), gop=gop)
    tags = (tag for tag in _split_flv(large) if tag[0] == _VIDEO_TAG)
    ends = [tag for tag in _split_flv(small) if not (tag[0] == _VIDEO_TAG and tag[12] == 2)]
    return small[:_FLV_HEADER] + b"".join((*ends, *(_delay_tag(tag, start) for tag in tags)))


def _split_flv(data: bytes) -> Iterator[bytes]:
    """Yield each tag with its trailing size."""
    at = _FLV_HEADER
    while at + _FLV_TAG < len(data):
        end = at + _FLV_TAG + int.from_bytes(data[at + 1 : at + 4]) + 4
        yield data[at:end]
        at = end


def _delay_tag(tag: bytes, milliseconds: int) -> bytes:
    time = int.from_bytes(tag[4:7]) + milliseconds
    return tag[:4] + time.to_bytes(3) + tag[7:]


def encode_parameter_sets_once(first: Sequence[int], second: Sequence[int], *, gop: int) -> bytes:
    """Encode a transport stream that changes its size; of each part only the first keyframe has
    parameter sets."""
    return b"".join(
        _blank_parameter_sets(
            encode_flat(values, container="mpegts", size=size, gop=gop, start=start)
        )
        for values, size, start in ((first, (160, 96), 0), (second, (320, 192), len(first)))
    )


def _blank_parameter_sets(data: bytes) -> bytes:
    """Make filler of all parameter sets after the first of each type."""
    for unit in (b"\0\0\1\x67", b"\0\0\1\x68"):
        end = data.index(unit) + len(unit)
        data = data[:end] + data[end:].replace(unit, b"\0\0\1\x0c")
    return data


# Periodic intra refresh


def encode_intra_refresh(values: Sequence[int], *, period: int = 50, skip: int = 0) -> bytes:
    """Encode a transport stream with a single IDR picture and a column of intra blocks that moves
    over the picture; without its first ``skip`` packets."""
    data = encode_flat(
        values, container="mpegts", size=(320, 192), gop=period, options="intra-refresh=1"
    )
    if not skip:
        return data
    sink = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as source, av.open(sink, "w", format="mpegts") as out:
        track = source.streams.video[0]
        copy = out.add_stream_from_template(track)
        for number, packet in enumerate(source.demux(track)):
            if packet.size and number >= skip:
                packet.stream = copy
                out.mux(packet)
    return sink.getvalue()


# Field pictures, which x264 does not write: each block is stored as raw samples or skipped


class _BitWriter:
    def __init__(self) -> None:
        self._bits: list[str] = []

    def write(self, value: int, count: int) -> None:
        """Append an unsigned number."""
        self._bits.append(f"{value:0{count}b}")

    def write_exponential(self, *values: int) -> None:
        """Append unsigned Exp-Golomb numbers."""
        for value in values:
            text = f"{value + 1:b}"
            self._bits.append("0" * (len(text) - 1) + text)

    def align(self) -> None:
        """Append zeros up to the next byte."""
        self._bits = ["".join(self._bits)]
        self._bits.append("0" * (-len(self._bits[0]) % 8))

    def unit(self, header: int) -> bytes:
        """Return the unit with its start code, ended and escaped."""
        self._bits.append("1")
        self.align()
        text = "".join(self._bits)
        data = int(text, 2).to_bytes(len(text) // 8)
        for value in (0, 1, 2, 3):
            data = data.replace(bytes((0, 0, value)), bytes((0, 0, 3, value)))
        return b"\0\0\0\1" + bytes((header,)) + data


def encode_fields(values: Sequence[int], *, container: str = "mpegts") -> bytes:
    """Encode 25 frames of two field pictures for each grey value, the first of them a keyframe;
    each field is a packet."""
    fields = [field for value in values for field in _code_second(value)]
    sink = io.BytesIO()
    raw = io.BytesIO(b"".join(fields))
    with av.open(raw, "r", format="h264") as source, av.open(sink, "w", format=container) as out:
        track = source.streams.video[0]
        copy = out.add_stream_from_template(track)
        packets = [packet for packet in source.demux(track) if packet.size]
        for number, packet in enumerate(packets):
            packet.time_base = Fraction(1, 50)
            packet.pts = packet.dts = number
            packet.duration = 1
            packet.stream = copy
            out.mux(packet)
    return sink.getvalue()


def _code_second(value: int) -> Iterator[bytes]:
    """Yield the 50 fields of one value."""
    for frame in range(25):
        for bottom in (0, 1):
            idr = frame == 0 and not bottom
            lead = _parameter_sets() if idr else b""
            yield lead + _code_field(
                value if frame == 0 else None, number=frame % 16, bottom=bottom, idr=idr
            )


def _parameter_sets() -> bytes:
    sequence = _BitWriter()
    sequence.write(77, 8)
    sequence.write(0, 8)
    sequence.write(30, 8)
    # number, bits of frame numbers, order of output, references
    sequence.write_exponential(0, 0, 2, 1)
    sequence.write(0, 1)
    sequence.write_exponential(FIELD_SIZE // 16 - 1, FIELD_SIZE // 32 - 1)
    sequence.write(0b0_0_1_0_0, 5)  # fields may be pictures, 8x8 inference, no cropping
    picture = _BitWriter()
    picture.write_exponential(0, 0)
    picture.write(0, 2)
    picture.write_exponential(0, 0, 0)
    picture.write(0, 3)
    picture.write_exponential(0, 0, 0)
    picture.write(0, 3)
    return sequence.unit(0x67) + picture.unit(0x68)


def _code_field(value: int | None, *, number: int, bottom: int, idr: bool) -> bytes:
    """Code one field of raw blocks with a grey value, or one that repeats the field before."""
    bits = _BitWriter()
    bits.write_exponential(0, 5 if value is None else 7, 0)
    bits.write(number, 4)
    bits.write(0b10 | bottom, 2)
    if idr:
        bits.write_exponential(0)
    if value is None:
        bits.write(0, 2)  # default number and order of references
    bits.write(0, 2 if idr else 1)
    bits.write_exponential(0)
    if value is None:
        bits.write_exponential(_FIELD_BLOCKS)
    else:
        for _ in range(_FIELD_BLOCKS):
            bits.write_exponential(25)
            bits.align()
            for sample in (value,) * 256 + (128,) * 128:
                bits.write(sample, 8)
    return bits.unit(0x65 if idr else 0x61)
