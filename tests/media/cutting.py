"""Cut media at any packet, as packagers do that cut by time and not at keyframes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import pairwise

import av

__all__ = ["cut_fragments", "cut_transport_stream"]


def cut_transport_stream(data: bytes, at: Sequence[int]) -> list[bytes]:
    """Return the segments of the video, each from the packet of that number on to the next one."""
    return [_remux(data, first, last) for first, last in pairwise([*at, 1 << 30])]


def _remux(data: bytes, first: int, last: int) -> bytes:
    sink = io.BytesIO()
    options = {"mpegts_copyts": "1", "avoid_negative_ts": "disabled"}
    with (
        av.open(io.BytesIO(data)) as source,
        av.open(sink, "w", format="mpegts", options=options) as out,
    ):
        track = source.streams.video[0]
        copy = out.add_stream_from_template(track)
        packets = (packet for packet in source.demux(track) if packet.size)
        for number, packet in enumerate(packets):
            if first <= number < last:
                packet.stream = copy
                out.mux(packet)
    return sink.getvalue()


def cut_fragments(data: bytes, count: int) -> tuple[bytes, list[bytes]]:
    """Return the init segment of an MP4 with a fragment for each frame, and its segments of
    ``count`` frames."""
    starts = [at for at, kind in _boxes(data) if kind == b"moof"]
    segments = [
        data[start:end] for start, end in pairwise([*starts[::count], _end_of_fragments(data)])
    ]
    return data[: starts[0]], segments


def _boxes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 8 <= len(data):
        yield at, data[at + 4 : at + 8]
        at += int.from_bytes(data[at : at + 4])


def _end_of_fragments(data: bytes) -> int:
    return next((at for at, kind in _boxes(data) if kind == b"mfra"), len(data))
