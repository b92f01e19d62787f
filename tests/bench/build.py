"""A small clip, and runs with figures that are easy to compute by hand."""

from __future__ import annotations

from pathlib import Path

from scanner.bench.measure import Amount, BenchRun
from scanner.media.synthetic import SyntheticClip, write_synthetic

SMALL = SyntheticClip(width=128, height=96, rate=10, seconds=4, gop=20, bits=200_000)


def small_clip(folder: Path) -> Path:
    path = folder / "small.ts"
    write_synthetic(path, SMALL)
    return path


def run(
    *, wall: float, cpu: float, units: int = 1, samples: int = 2, media_seconds: float = 4.0
) -> BenchRun:
    return BenchRun(
        amount=Amount(units=units, samples=samples, media_seconds=media_seconds), wall=wall, cpu=cpu
    )
