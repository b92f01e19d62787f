"""Clips for the benchmarks, generated once and kept in the temporary directory."""

from __future__ import annotations

import tempfile
from pathlib import Path

from scanner.bench.bench_input import ensure_clip
from scanner.media.synthetic import SyntheticClip

__all__ = ["LONG_GOP", "NO_B_FRAMES", "SEGMENT", "get_clip"]

SEGMENT = SyntheticClip()
"""1080p30, 6 Mb/s, 4 s, a keyframe every 2 s."""
NO_B_FRAMES = SyntheticClip(bframes=0)
"""Most live encoders send this: every frame references the one before."""
LONG_GOP = SyntheticClip(seconds=20, gop=300)
"""The same with a keyframe every 10 s."""


def get_clip(clip: SyntheticClip) -> Path:
    """Return the clip's path, generating it if necessary."""
    folder = Path(tempfile.gettempdir()) / "streamwarden-benchmarks"
    folder.mkdir(exist_ok=True)
    size = f"{clip.width}x{clip.height}-{clip.rate}fps-{clip.bits // 1000}k"
    name = f"{size}-{clip.seconds}s-gop{clip.gop}-b{clip.bframes}.ts"
    return ensure_clip(folder, clip, name)
