"""What footage is like, measured and not told: how bright, how large, in which container.

Looks at keyframes, in the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from scanner.errors import ScannerError
from scanner.evaluate.rows import Row
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow, Rgb
from scanner.media.sampling import Sampling
from scanner.sandbox.sandbox import Sandbox
from scanner.settings.sections import Settings
from scanner.types import FrameSpec, MediaInfo

__all__ = ["Footage", "look_at"]

SPEC: Final = FrameSpec(width=32, height=32)
LUMA: Final = np.array([0.299, 0.587, 0.114])
"""Of red, green and blue (BT.601)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """One file."""

    luma: float
    """Mean over its keyframes, 0 (black) to 255."""
    width: int
    """Displayed pixels."""
    height: int
    container: str
    codec: str
    still: bool


def look_at(rows: Iterable[Row], settings: Settings) -> Iterator[tuple[str, Footage]]:
    """Each file that can be read, by its row's key."""
    request = DecodeRequest(
        specs=(SPEC,), sampling=Sampling(strategy="keyframes"), limits=settings.limits
    )
    with Sandbox(settings.sandbox) as sandbox:
        for row in {row.key: row for row in rows}.values():
            try:
                windows = list(sandbox.decode(row.path, request, name=str(row.path)))
            except ScannerError:  # whoever scores it says why
                continue
            found = _footage(windows)
            if found is not None:
                yield row.key, found


def _footage(windows: list[DecodedWindow]) -> Footage | None:
    lumas = [_luma(sample.images[SPEC]) for window in windows for sample in window.samples]
    if not lumas:
        return None
    info: MediaInfo = windows[0].info
    return Footage(
        luma=float(np.mean(lumas)),
        width=info.width,
        height=info.height,
        container=info.container,
        codec=info.codec,
        still=info.still,
    )


def _luma(rgb: Rgb) -> float:
    return float((rgb @ LUMA).mean())
