"""Cut clips in memory and read their packets."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream

from samples.facts import SampleFile
from scanner.media.clip import ClipInfo, ClipLimits, ClipPiece, ClipRequest, cut
from scanner.types import Span
from tests.media_clip.mp4 import nals, read

SampleMedia = Callable[[str], SampleFile]


def span(start: float | str, end: float | str) -> Span:
    return Span(start=Fraction(start), end=Fraction(end))


def clip(
    sources: Sequence[Path | bytes], pieces: Sequence[ClipPiece], limits: ClipLimits | None = None
) -> tuple[ClipInfo, bytes]:
    """Cut a clip and return its description and its bytes."""
    files = [
        io.BytesIO(source if isinstance(source, bytes) else source.read_bytes())
        for source in sources
    ]
    output = io.BytesIO()
    info = cut(
        files,
        ClipRequest(pieces=tuple(pieces), limits=limits or ClipLimits()),
        name="test",
        output=output,
    )
    return info, output.getvalue()


def payloads(source: Path | bytes) -> list[tuple[bytes, ...]]:
    """Return the payload of each packet, whichever container frames it."""
    split = nals if is_h264(source) else lambda data: [data]
    return [tuple(split(packet.data)) for packet in read(source)]


def is_run_of(part: list[tuple[bytes, ...]], whole: list[tuple[bytes, ...]]) -> bool:
    """Return whether ``part`` is a non-empty run of consecutive packets of ``whole``."""
    return bool(part) and any(whole[at : at + len(part)] == part for at in range(len(whole)))


def is_h264(source: Path | bytes) -> bool:
    with av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as container:
        return container.streams.video[0].codec_context.name == "h264"


def rotation_of(data: bytes) -> int:
    with av.open(io.BytesIO(data)) as container:
        return next(container.decode(container.streams.video[0])).rotation


def with_sound(container: str, codec: str) -> bytes:
    """Encode two seconds of grey pictures, with a keyframe each half second, and of silence."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=container) as out:
        video = out.add_stream(
            "libx264", rate=10, width=64, height=48, options={"g": "5", "preset": "ultrafast"}
        )
        video.codec_context.thread_count = 1
        audio = out.add_stream(codec, rate=48_000, layout="mono")
        packets = [
            packet for number in range(20) for packet in video.encode(grey(number))
        ] + video.encode(None)
        packets += [
            packet for number in range(94) for packet in audio.encode(silence(number, audio))
        ] + audio.encode(None)
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            out.mux(packet)
    return sink.getvalue()


def grey(number: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * number, np.uint8), format="rgb24")
    frame.pts, frame.time_base = number, Fraction(1, 10)
    return frame


def silence(number: int, track: AudioStream) -> av.AudioFrame:
    form = track.codec_context.format.name
    frame = av.AudioFrame(format=form, layout="mono", samples=1024)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 1024 * number, Fraction(1, 48_000)
    return frame
