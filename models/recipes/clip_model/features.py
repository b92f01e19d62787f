"""The cache of burst statistics, which depend on the modules in ``CODE`` only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from frame_model.corpus import CorpusRow
from numpy.typing import NDArray

from .extraction import load
from .model import describe_bursts

__all__ = ["BurstStatistics", "compute_statistics", "join"]

BATCH = 8
CODE = ("flow.py", "model.py", "statistics.py", "bursts.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstStatistics:
    """The statistics of bursts; the arrays share their first axis."""

    values: NDArray[np.float32]
    """N x statistics."""
    row: NDArray[np.int64]
    """Index into the rows."""

    def take(self, which: NDArray[np.generic]) -> BurstStatistics:
        """Select the bursts at ``which`` (indices or a mask)."""
        return BurstStatistics(values=self.values[which], row=self.row[which])


def join(parts: Sequence[BurstStatistics]) -> BurstStatistics:
    """Concatenate the statistics of several views."""
    return BurstStatistics(
        values=np.concatenate([part.values for part in parts]),
        row=np.concatenate([part.row for part in parts]),
    )


def compute_statistics(rows: Sequence[CorpusRow], cache: Path, view: str) -> BurstStatistics:
    """Compute the statistics of one cached view, or load them from the cache."""
    path = cache / f"described-{_word(view)}-{code_digest()}.npz"
    if not path.exists():
        batch = load(rows, cache, view)
        with torch.inference_mode():
            parts = [
                _statistics_of(batch.luma[start : start + BATCH])
                for start in range(0, len(batch.row), BATCH)
            ]
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, values=np.concatenate(parts), row=batch.row)
        partial.rename(path)
        print(f"described: {view}", flush=True)
    with np.load(path) as data:
        return BurstStatistics(values=data["values"], row=data["row"])


def _statistics_of(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    return describe_bursts(torch.from_numpy(luma).float() * (1 / 255)).numpy()


def code_digest() -> str:
    """Return a digest of the code that the statistics depend on, which invalidates the cache."""
    code = b"".join(Path(__file__).with_name(name).read_bytes() for name in CODE)
    return hashlib.sha256(code).hexdigest()[:12]


def _word(view: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in view)
