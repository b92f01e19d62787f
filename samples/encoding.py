"""Encode drawn frames into a container with chosen time stamps."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from samples.colour import Coding, to_frame
from samples.drawing import draw_card
from samples.facts import DrawnEvent
from scanner.media.synthetic import preserved_scheduling

__all__ = [
    "VideoRecipe",
    "add_track",
    "encode_file",
    "encode_packets",
    "encode_tracks",
    "muxer_options",
]

Rgb = NDArray[np.uint8]
Scene = Callable[[int, tuple[str, ...]], Rgb]
"""Function that draws frame ``number`` with the events that it shows."""

_QUICK: Mapping[str, Mapping[str, str]] = {
    "libx264": {"preset": "ultrafast", "qp": "24"},
    "libx265": {"preset": "ultrafast", "qp": "24"},
    "libvpx-vp9": {
        "deadline": "realtime",
        "cpu-used": "8",
        "crf": "20",
        "b": "0",
        "lag-in-frames": "0",
    },
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "1000000"},
    "libsvtav1": {"preset": "12", "crf": "30"},
    "mpeg2video": {"flags": "+qscale", "global_quality": "354"},
    "mpeg4": {"flags": "+qscale", "global_quality": "354"},
    "mjpeg": {"flags": "+qscale", "global_quality": "354"},
}

_COUNTS_FRAMES = ("mpeg2video", "mpeg4")
"""Encoders whose clock has one tick per frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRecipe:
    """Parameters of one video."""

    container: str = "mpegts"
    """Name of FFmpeg's muxer."""
    codec: str = "libx264"
    width: int = 320
    height: int = 180
    coding: Coding = field(default_factory=Coding)
    ticks: tuple[int, ...] = tuple(range(0, 48 * 7200, 7200))
    """PTS of each frame in units of ``time_base``."""
    time_base: Fraction = Fraction(1, 90_000)
    rate: Fraction = Fraction(25, 2)
    """Frames per second; most encoders use it only as a hint."""
    gop: int = 24
    """Frames from one keyframe to the next."""
    b_frames: int = 0
    options: Mapping[str, str] = field(default_factory=dict)
    """More options of the encoder."""
    mux: Mapping[str, str] = field(default_factory=dict)
    """More options of the muxer."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    aspect: Fraction = Fraction(1)
    """Width of one pixel by its height."""
    events: tuple[DrawnEvent, ...] = ()
    first: int = 0
    """Number drawn on the first frame."""
    scene: Scene | None = None
    """Function that draws a frame in place of the usual card."""
    skip: int = 0
    """Number of packets at the beginning that are left out."""


def encode_file(recipe: VideoRecipe) -> bytes:
    """Return the encoded file."""
    return encode_tracks(recipe)


@preserved_scheduling()
def encode_tracks(*recipes: VideoRecipe) -> bytes:
    """Return one file with a track for each recipe, muxed with the options of the first one."""
    with (
        tempfile.NamedTemporaryFile() as out
    ):  # a real file, since an index that comes first is moved there by reading it again
        with av.open(
            out.name, "w", format=recipes[0].container, options=dict(muxer_options(recipes[0]))
        ) as container:
            container.metadata.update(recipes[0].metadata)
            streams = [add_track(container, recipe) for recipe in recipes]
            for stream, recipe in zip(streams, recipes, strict=True):
                for packet in list(encode_packets(stream, recipe))[recipe.skip :]:
                    container.mux(packet)
        return Path(out.name).read_bytes()


def encode_packets(
    stream: av.VideoStream, recipe: VideoRecipe
) -> Iterator[av.Packet[av.VideoStream]]:
    """Yield the packets of a stream that was added for the same recipe, and drain the encoder."""
    for index, pts in enumerate(recipe.ticks):
        frame = _draw_frame(recipe, index)
        frame.pts, frame.time_base = pts, recipe.time_base
        yield from stream.encode(frame)
    yield from stream.encode(None)


def add_track(container: av.container.OutputContainer, recipe: VideoRecipe) -> av.VideoStream:
    """Add a track for the recipe's frames to a container that is being written."""
    os.environ.setdefault(
        "SVT_LOG", "1"
    )  # it otherwise writes its whole configuration to the terminal
    stream = container.add_stream(
        recipe.codec, rate=recipe.rate, options=dict(_encoder_options(recipe))
    )
    assert isinstance(stream, av.VideoStream)
    context = stream.codec_context
    stream.time_base = recipe.time_base
    context.time_base = 1 / recipe.rate if recipe.codec in _COUNTS_FRAMES else recipe.time_base
    context.width, context.height, context.pix_fmt = (
        recipe.width,
        recipe.height,
        recipe.coding.pix_fmt,
    )
    context.gop_size, context.max_b_frames = recipe.gop, recipe.b_frames
    context.thread_count = 1
    context.sample_aspect_ratio = recipe.aspect
    if recipe.coding.tagged:
        context.color_range = int(recipe.coding.range)
        context.colorspace, context.color_primaries, context.color_trc = (
            int(value) for value in recipe.coding.matrix.value[2:]
        )
    if recipe.coding.declared_matrix is not None:
        context.colorspace = recipe.coding.declared_matrix
    return stream


def _encoder_options(recipe: VideoRecipe) -> Iterable[tuple[str, str]]:
    """Yield options for a keyframe exactly each ``gop`` frames and the same bytes each time."""
    yield from _QUICK.get(recipe.codec, {}).items()
    gop, bees = recipe.gop, recipe.b_frames
    shape = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={bees}:b-adapt=0"
    if recipe.codec == "libx264":
        yield "x264-params", f"{shape}:threads=1:" + recipe.options.get("x264", "")
    if recipe.codec == "libx265":
        yield (
            "x265-params",
            f"{shape}:log-level=none:pools=none:frame-threads=1:" + recipe.options.get("x265", ""),
        )
    if recipe.codec == "libsvtav1":
        yield "svtav1-params", f"keyint={gop}:lp=1:pred-struct=1:scd=0"
    yield from (
        (key, value) for key, value in recipe.options.items() if key not in ("x264", "x265")
    )


def muxer_options(recipe: VideoRecipe) -> Iterable[tuple[str, str]]:
    """Yield the muxer's options."""
    yield "fflags", "+bitexact"  # no random numbers and no versions
    if recipe.container == "mpegts":
        yield from (("mpegts_copyts", "1"), ("max_delay", "0"))
    yield from recipe.mux.items()


def _draw_frame(recipe: VideoRecipe, index: int) -> av.VideoFrame:
    since = (recipe.ticks[index] - recipe.ticks[0]) * recipe.time_base
    names = tuple(event.name for event in recipe.events if since in event)
    number = recipe.first + index
    if recipe.scene is not None:
        return to_frame(recipe.scene(number, names), recipe.coding)
    return _draw_card(number, names, recipe.width, recipe.height, recipe.coding)


@lru_cache(maxsize=128)
def _draw_card(
    number: int, names: tuple[str, ...], width: int, height: int, coding: Coding
) -> av.VideoFrame:
    return to_frame(draw_card(number, width, height, names), coding)
