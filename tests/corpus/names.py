"""Names of the samples, by what they can be used for."""

from __future__ import annotations

from samples.make_media import MAKERS
from samples.odd import ODD
from samples.stills import STILLS
from samples.videos import VIDEOS

__all__ = ["EVENTFUL", "REFUSED", "STILL", "VIDEO"]

REFUSED = ("avif", "mp4_mute", "ts_mute", "webm_mute", "mp4_too_many_tracks")
"""Samples without readable video."""
VIDEO = (*(name for name in (*VIDEOS, *ODD) if name not in REFUSED), "gif_moving", "webp_moving")
"""Samples with more than one frame, or with a track that could have more."""
STILL = tuple(name for name in STILLS if not name.endswith("_moving"))
EVENTFUL = ("ts_long_gop", "ts_long_gop_b_frames", "mp4_long_gop_b_frames", "webm_long_gop")
"""A keyframe each 10 s, and events between them."""

assert set(MAKERS) == {*VIDEO, *STILL, *REFUSED}
