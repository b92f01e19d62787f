"""Statistics of cached bursts, cached themselves: they depend on ``flow``, ``model`` and
``statistics`` alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from frame_model.corpus import Row
from numpy.typing import NDArray

from .footage import load
from .model import describe_bursts

__all__ = ["Described", "describe_view", "join"]

BATCH = 8
CODE = ("flow.py", "model.py", "statistics.py", "bursts.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Bursts after their pixels are gone; the arrays share their first axis."""

    values: NDArray[np.float32]
    """N x statistics."""
    row: NDArray[np.int64]
    """Index into the rows."""

    def take(self, which: NDArray[np.generic]) -> Described:
        """The bursts at ``which`` (indices or a mask)."""
        return Described(values=self.values[which], row=self.row[which])


def join(parts: Sequence[Described]) -> Described:
    """Several views, one after the other."""
    return Described(
        values=np.concatenate([part.values for part in parts]),
        row=np.concatenate([part.row for part in parts]),
    )


def describe_view(rows: Sequence[Row], cache: Path, view: str) -> Described:
    """The statistics of one cached view of the rows."""
    path = cache / f"described-{_word(view)}-{code_digest()}.npz"
    if not path.exists():
        batch = load(rows, cache, view)
        with torch.inference_mode():
            parts = [
                _described(batch.luma[start : start + BATCH])
                for start in range(0, len(batch.row), BATCH)
            ]
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, values=np.concatenate(parts), row=batch.row)
        partial.rename(path)
        print(f"described: {view}", flush=True)
    with np.load(path) as data:
        return Described(values=data["values"], row=data["row"])


def _described(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    return describe_bursts(torch.from_numpy(luma).float() * (1 / 255)).numpy()


def code_digest() -> str:
    """Of the code that the statistics depend on: they are made anew where it changes."""
    code = b"".join(Path(__file__).with_name(name).read_bytes() for name in CODE)
    return hashlib.sha256(code).hexdigest()[:12]


def _word(view: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in view)
