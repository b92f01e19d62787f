"""Clips for the benchmarks, drawn once and kept in the temporary folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from scanner.bench.footage import drawn
from scanner.media.synthetic import SyntheticClip

__all__ = ["LONG_GOP", "NO_B_FRAMES", "SEGMENT", "clip"]

SEGMENT = SyntheticClip()
"""1080p30, 6 Mb/s, 4 s, a keyframe each 2 s."""
NO_B_FRAMES = SyntheticClip(bframes=0)
"""As most live encoders send it: every frame leans on the one before."""
LONG_GOP = SyntheticClip(seconds=20, gop=300)
"""The same with a keyframe each 10 s."""


def clip(what: SyntheticClip) -> Path:
    """Its file."""
    folder = Path(tempfile.gettempdir()) / "streamwarden-benchmarks"
    folder.mkdir(exist_ok=True)
    name = f"{what.width}x{what.height}-{what.rate}fps-{what.bits // 1000}k-{what.seconds}s-gop{what.gop}-b{what.bframes}.ts"
    return drawn(folder, what, name)
