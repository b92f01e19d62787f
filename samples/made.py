"""A sample before it is a file, and the facts that follow from a recipe alone."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from samples.drawing import PATCHES
from samples.facts import Facts
from samples.writing import Recipe, write

__all__ = ["FAMILIES", "SUFFIXES", "Made", "known", "made"]

FAMILIES = {
    "mpegts": "mpegts",
    "mp4": "mp4",
    "mov": "mp4",
    "matroska": "matroska",
    "webm": "matroska",
    "avi": "avi",
    "flv": "flv",
}
"""The family of containers that each muxer writes."""
SUFFIXES = {
    "mpegts": ".ts",
    "mp4": ".mp4",
    "mov": ".mov",
    "matroska": ".mkv",
    "webm": ".webm",
    "avi": ".avi",
    "flv": ".flv",
}
_NAMES = {
    "libx264": "h264",
    "libx265": "hevc",
    "libvpx-vp9": "vp9",
    "libvpx": "vp8",
    "libsvtav1": "av1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The bytes of a sample and what is known of them."""

    data: bytes
    facts: Facts
    suffix: str
    init: bytes | None = None


def known(recipe: Recipe, **more: Any) -> Facts:
    """What follows from the recipe; ``more`` adds to it or corrects it."""
    count = len(recipe.ticks)
    facts: dict[str, Any] = {
        "container": FAMILIES[recipe.container],
        "codec": _NAMES.get(recipe.codec, recipe.codec),
        "width": round(recipe.width * max(recipe.aspect, Fraction(1))),
        "height": round(recipe.height / min(recipe.aspect, Fraction(1))),
        "pts": recipe.ticks,
        "marks": tuple(range(recipe.first, recipe.first + count)),
        "keyframes": tuple(range(0, count, recipe.gop)),
        "time_base": recipe.time_base,
        "wrap_bits": 33 if recipe.container == "mpegts" else 64,
        "sparable": recipe.b_frames > 0 or recipe.codec == "libsvtav1",
        "patches": PATCHES,
        "events": recipe.events,
    }
    return Facts(**{**facts, **more})


def made(recipe: Recipe, **more: Any) -> Made:
    """The file that the recipe makes, with its facts."""
    return Made(data=write(recipe), facts=known(recipe, **more), suffix=SUFFIXES[recipe.container])
