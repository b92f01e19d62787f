"""Recipes of videos as encoders and muxers write them: containers, codecs, colours and clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

from samples.colour import Coding, Matrix
from samples.encoded import EncodedSample, encode_sample
from samples.encoding import VideoRecipe
from samples.facts import DrawnEvent

__all__ = ["VIDEOS"]

WRAP = 1 << 33
"""Ticks after which the clock of MPEG-TS wraps."""


def even_ticks(count: int, step: int, start: int = 0) -> tuple[int, ...]:
    """Return time stamps at a constant distance."""
    return tuple(range(start, start + count * step, step))


def rounded_ticks(count: int, rate: Fraction, time_base: Fraction) -> tuple[int, ...]:
    """Return time stamps of a constant rate on a clock that cannot represent it exactly."""
    return tuple(int(Fraction(index) / rate / time_base + Fraction(1, 2)) for index in range(count))


MS = Fraction(1, 1000)
TS = VideoRecipe(ticks=even_ticks(48, 7200, 126_000))
MPEG2 = replace(
    TS, codec="mpeg2video", rate=Fraction(25), ticks=even_ticks(46, 3600, 126_000), b_frames=2
)
MP4 = VideoRecipe(container="mp4", ticks=even_ticks(48, 7200))
MKV = VideoRecipe(container="matroska", time_base=MS, ticks=even_ticks(48, 80))
WEBM = replace(MKV, container="webm", codec="libvpx-vp9")
AVI = VideoRecipe(
    container="avi",
    codec="mpeg4",
    coding=Coding(matrix=Matrix.BT601),
    time_base=Fraction(2, 25),
    ticks=even_ticks(48, 1),
)
FILM = rounded_ticks(48, Fraction(24), MS)
UNEVEN = (
    0,
    3000,
    6000,
    15_000,
    15_900,
    33_000,
    90_000,
    93_003,
    93_100,
    180_000,
    270_001,
    273_000,
    276_000,
    360_000,
    363_000,
    450_000,
)
EVENTS = (
    DrawnEvent(start=Fraction(3), end=Fraction(5)),
    DrawnEvent(start=Fraction(36, 5), end=Fraction(41, 5)),
    DrawnEvent(start=Fraction(131, 10), end=Fraction(151, 10)),
)
"""Two of 2 s and one of 1 s, none of them at a keyframe of a 10 s GOP."""


def long_gop_recipe(recipe: VideoRecipe, start: int, step: int, b_frames: int = 0) -> VideoRecipe:
    """Return a recipe of 22 s with a keyframe each 10 s, and the events."""
    return replace(
        recipe, ticks=even_ticks(275, step, start), b_frames=b_frames, gop=125, events=EVENTS
    )


def colour_recipe(
    pix_fmt: str = "yuv420p",
    matrix: Matrix = Matrix.BT709,
    *,
    full: bool = False,
    tagged: bool = True,
) -> VideoRecipe:
    """Return a recipe of an MP4 of 12 frames in that colour coding."""
    return replace(
        MP4,
        ticks=even_ticks(12, 7200),
        coding=Coding(pix_fmt=pix_fmt, matrix=matrix, full=full, tagged=tagged),
    )


def declared_matrix_recipe(matrix: int) -> VideoRecipe:
    """Return a recipe of an MP4 that declares a matrix which few or no programs support."""
    return replace(MP4, ticks=even_ticks(12, 7200), coding=Coding(declared_matrix=matrix))


_RECIPES: Mapping[str, VideoRecipe] = {
    # containers and codecs
    "ts_h264": TS,
    "ts_h264_b_frames": replace(TS, b_frames=2),
    "ts_h264_open_gop": replace(TS, b_frames=2, options={"x264": "open-gop=1"}),
    "ts_hevc": replace(TS, codec="libx265", b_frames=2),
    "ts_mpeg2": MPEG2,
    "mp4_h264": MP4,
    "mp4_h264_b_frames": replace(MP4, b_frames=2),
    "mp4_h264_index_first": replace(MP4, b_frames=2, mux={"movflags": "faststart"}),
    "mp4_hevc": replace(MP4, codec="libx265", b_frames=2),
    "mp4_hevc_10_bit": replace(MP4, codec="libx265", coding=Coding(pix_fmt="yuv420p10le")),
    "mp4_av1": replace(MP4, codec="libsvtav1"),
    "mp4_mpeg4": replace(
        MP4, codec="mpeg4", time_base=Fraction(1, 12_800), ticks=even_ticks(48, 1024)
    ),
    "mp4_ntsc": replace(
        MP4, time_base=Fraction(1, 30_000), ticks=even_ticks(60, 1001), rate=Fraction(30_000, 1001)
    ),
    "mov_h264": replace(MP4, container="mov", b_frames=2),
    "mkv_h264": replace(MKV, ticks=FILM),
    "mkv_h264_b_frames": replace(MKV, ticks=FILM, b_frames=2),
    "mkv_hevc_10_bit": replace(
        MKV, codec="libx265", b_frames=2, coding=Coding(pix_fmt="yuv420p10le")
    ),
    "mkv_live": replace(MKV, mux={"live": "1"}),
    "webm_vp9": WEBM,
    "webm_vp9_alpha": replace(WEBM, coding=Coding(pix_fmt="yuva420p")),
    "webm_av1": replace(WEBM, codec="libsvtav1"),
    "webm_vp8": replace(WEBM, codec="libvpx", coding=Coding(matrix=Matrix.BT601)),
    "flv_h264_b_frames": replace(MKV, container="flv", ticks=even_ticks(48, 80, 160), b_frames=2),
    "avi_mpeg4": AVI,
    "avi_mjpeg": replace(
        AVI, codec="mjpeg", gop=1, coding=Coding(pix_fmt="yuvj420p", matrix=Matrix.BT601, full=True)
    ),
    "ts_one_frame": replace(TS, ticks=(126_000,)),
    "mp4_one_frame": replace(MP4, ticks=(0,)),
    # colours
    "bt601_limited": colour_recipe(matrix=Matrix.BT601),
    "bt601_full": colour_recipe(matrix=Matrix.BT601, full=True),
    "bt709_full": colour_recipe(full=True),
    "bt2020_10_bit": colour_recipe("yuv420p10le", Matrix.BT2020),
    "untagged_small": colour_recipe(matrix=Matrix.BT601, tagged=False),
    "h264_422": colour_recipe("yuv422p"),
    "h264_422_10_bit": colour_recipe("yuv422p10le"),
    "h264_444": colour_recipe("yuv444p"),
    "h264_10_bit": colour_recipe("yuv420p10le"),
    "h264_grey": colour_recipe("gray"),
    "hevc_rgb": replace(
        colour_recipe("gbrp"),
        codec="libx265",
        coding=Coding(pix_fmt="gbrp", full=True, declared_matrix=0),
    ),
    "hevc_422_12_bit": replace(colour_recipe("yuv422p12le"), codec="libx265"),
    "said_ycgco": declared_matrix_recipe(8),
    "said_constant_luminance": declared_matrix_recipe(10),
    "said_ictcp": declared_matrix_recipe(14),
    "said_nothing_known": declared_matrix_recipe(77),
    # shapes
    "mp4_anamorphic": replace(MP4, aspect=Fraction(3, 2)),
    "ts_anamorphic": replace(TS, aspect=Fraction(3, 2)),
    "ts_interlaced": replace(TS, options={"x264": "tff=1", "flags": "+ildct+ilme"}),
    "ts_mpeg2_interlaced": replace(
        MPEG2,
        options={"flags": "+ildct+ilme+qscale", "global_quality": "354", "alternate_scan": "1"},
    ),
    # clocks
    "mp4_uneven": replace(MP4, ticks=UNEVEN, gop=5),
    "mkv_uneven": replace(MKV, ticks=tuple(tick // 90 for tick in UNEVEN), gop=5, b_frames=2),
    "ts_uneven": replace(TS, ticks=tuple(tick + 900_000 for tick in UNEVEN), gop=5),
    "mp4_slideshow": replace(
        MP4, ticks=even_ticks(20, 90_000), gop=10, b_frames=3, rate=Fraction(1)
    ),
    "ts_slideshow": replace(
        TS, ticks=even_ticks(20, 90_000, 900_000), gop=10, b_frames=3, rate=Fraction(1)
    ),
    "ts_late_start": replace(TS, ticks=even_ticks(48, 7200, 5_000_000_123)),
    "mp4_late_start": replace(MP4, ticks=even_ticks(48, 7200, 180_000)),
    "mkv_late_start": replace(MKV, ticks=even_ticks(48, 80, 3_600_000)),
    "ts_wrap": replace(TS, ticks=even_ticks(48, 7200, WRAP - 90_000), b_frames=2),
    "ts_wrap_at_keyframe": replace(TS, ticks=even_ticks(48, 7200, WRAP - 24 * 7200)),
    # what only shows between keyframes
    "ts_long_gop": long_gop_recipe(TS, 126_000, 7200),
    "ts_long_gop_b_frames": long_gop_recipe(TS, 126_000, 7200, b_frames=3),
    "mp4_long_gop_b_frames": long_gop_recipe(MP4, 0, 7200, b_frames=3),
    "webm_long_gop": long_gop_recipe(WEBM, 0, 80),
    "mp4_short_gops": replace(MP4, ticks=even_ticks(325, 7200), gop=3),
}

_KNOWN: Mapping[str, Mapping[str, object]] = {
    "h264_grey": {"patches": ()},
    **{name: {"patches": ()} for name in _RECIPES if name.startswith("said")},
    "ts_wrap": {"pts": tuple(tick % WRAP for tick in even_ticks(48, 7200, WRAP - 90_000))},
    "ts_wrap_at_keyframe": {
        "pts": tuple(tick % WRAP for tick in even_ticks(48, 7200, WRAP - 24 * 7200))
    },
}
"""Facts that do not follow from the recipe alone."""


def _maker(name: str) -> Callable[[], EncodedSample]:
    return lambda: encode_sample(_RECIPES[name], **_KNOWN.get(name, {}))


VIDEOS: Mapping[str, Callable[[], EncodedSample]] = {name: _maker(name) for name in _RECIPES}
"""Function that encodes each sample, by name."""
