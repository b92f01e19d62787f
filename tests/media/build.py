"""Small media with known facts, encoded in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import wraps
from typing import ParamSpec

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from scanner.media.synthetic import preserved_scheduling

__all__ = ["encode", "picture", "remux"]

P = ParamSpec("P")


def picture(value: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a flat picture with a darker left edge, which shows if it is mirrored or turned."""
    width, height = size
    rgb = np.full((height, width, 3), value, np.uint8)
    rgb[:, : width // 8] //= 2
    return rgb


def remembered(make: Callable[P, bytes]) -> Callable[P, bytes]:
    """Encode once what several tests ask for with the same arguments."""
    made: dict[str, bytes] = {}

    @wraps(make)
    def look_up(*args: P.args, **kwargs: P.kwargs) -> bytes:
        key = repr((args, kwargs))
        if key not in made:
            made[key] = make(*args, **kwargs)
        return made[key]

    return look_up


@remembered
@preserved_scheduling()
def encode(
    *,
    container: str = "mpegts",
    codec: str = "libx264",
    frames: int = 60,
    rate: Fraction | int = 30,
    gop: int = 30,
    size: tuple[int, int] = (128, 96),
    bframes: int = 0,
    options: dict[str, str] | None = None,
    mux: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    values: Sequence[int] | None = None,
    at: Sequence[int] | None = None,
    rotation: int | None = None,
    metadata: dict[str, str] | None = None,
    sound: bool = False,
    aspect: Fraction | None = None,
) -> bytes:
    """Encode flat pictures whose grey level is their number; ``at`` has each frame's time in frames
    (variable rate)."""
    sink = io.BytesIO()
    times = list(at) if at is not None else list(range(frames))
    with av.open(sink, "w", format=container, options=mux or {}) as out:
        out.metadata.update(metadata or {})
        stream = (
            out.add_stream(codec, rate=rate, options=_options(codec, gop, bframes, options or {}))
            if times
            else None
        )
        silence = out.add_stream("aac", rate=44100) if sound else None
        if stream is not None:
            stream.width, stream.height, stream.pix_fmt = size[0], size[1], pix_fmt
            stream.codec_context.gop_size = gop
            _set_display(stream, aspect, rotation)
            _encode_flat(out, stream, times, values, size, rate)
        if silence is not None:
            _fill(out, silence)
    return sink.getvalue()


def _set_display(stream: VideoStream, aspect: Fraction | None, rotation: int | None) -> None:
    stream.codec_context.thread_count = 1
    if aspect is not None:
        stream.codec_context.sample_aspect_ratio = aspect
    if rotation is not None:
        stream.set_display_rotation(rotation)


def _encode_flat(
    out: OutputContainer,
    stream: VideoStream,
    times: Sequence[int],
    values: Sequence[int] | None,
    size: tuple[int, int],
    rate: Fraction | int,
) -> None:
    for number, time in enumerate(times):
        value = values[number] if values is not None else 16 + number * 7 % 224
        frame = av.VideoFrame.from_ndarray(picture(value, size), format="rgb24")
        frame.pts, frame.time_base = time, 1 / Fraction(rate)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def _fill(out: av.container.OutputContainer, stream: av.AudioStream) -> None:
    frame = av.AudioFrame.from_ndarray(
        np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
    )
    frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
    out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def _options(codec: str, gop: int, bframes: int, extra: dict[str, str]) -> dict[str, str]:
    if codec == "libx264":
        base = {
            "g": str(gop),
            "keyint_min": str(gop),
            "sc_threshold": "0",
            "bf": str(bframes),
            "preset": "veryfast",
            "x264-params": "scenecut=0:b-adapt=0",
        }
        return base | extra
    return (
        {"g": str(gop), "bf": str(bframes)} | extra
        if codec in {"mpeg2video", "mpeg4"}
        else dict(extra)
    )


def remux(
    data: bytes,
    *,
    container: str = "mpegts",
    keep: Callable[[int, av.Packet[av.VideoStream]], bool],
) -> bytes:
    """Return another file with the packets for which ``keep(number, packet)`` is true, times
    unchanged."""
    sink = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(sink, "w", format=container) as out:
        track = source.streams.video[0]
        copy = out.add_stream_from_template(track)
        for number, packet in enumerate(source.demux(track)):
            if packet.size and keep(number, packet):
                packet.stream = copy
                out.mux(packet)
    return sink.getvalue()
