"""Encode a sample from its recipe and derive its facts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from samples.drawing import PATCHES
from samples.encoding import VideoRecipe, encode_file
from samples.facts import SampleFacts

__all__ = ["FAMILIES", "SUFFIXES", "EncodedSample", "derive_facts", "encode_sample"]

FAMILIES = {
    "mpegts": "mpegts",
    "mp4": "mp4",
    "mov": "mp4",
    "matroska": "matroska",
    "webm": "matroska",
    "avi": "avi",
    "flv": "flv",
}
"""Family of containers that each muxer writes."""
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
class EncodedSample:
    """Bytes of a sample and its facts."""

    data: bytes
    facts: SampleFacts
    suffix: str
    init: bytes | None = None


def derive_facts(recipe: VideoRecipe, **more: Any) -> SampleFacts:
    """Return the facts that follow from the recipe; ``more`` adds to them or replaces them."""
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
    return SampleFacts(**{**facts, **more})


def encode_sample(recipe: VideoRecipe, **more: Any) -> EncodedSample:
    """Encode the recipe's file and return it with its facts."""
    return EncodedSample(
        data=encode_file(recipe),
        facts=derive_facts(recipe, **more),
        suffix=SUFFIXES[recipe.container],
    )
