"""Measured properties of files: brightness, resolution, container.

Decodes keyframes in the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from scanner.errors import ScannerError
from scanner.evaluate.rows import LabelledRow
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow, Rgb
from scanner.media.sampling import Sampling
from scanner.sandbox.sandbox import Sandbox
from scanner.settings.sections import Settings
from scanner.types import FrameSpec, MediaInfo

__all__ = ["MediaProperties", "read_properties"]

SPEC: Final = FrameSpec(width=32, height=32)
LUMA: Final = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue (BT.601)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaProperties:
    """Properties of one file."""

    luma: float
    """Mean over the keyframes, 0 (black) to 255."""
    width: int
    """Displayed width in pixels."""
    height: int
    container: str
    codec: str
    still: bool


def read_properties(
    rows: Iterable[LabelledRow], settings: Settings
) -> Iterator[tuple[str, MediaProperties]]:
    """Yield the properties of each readable file with its row's key."""
    request = DecodeRequest(
        specs=(SPEC,), sampling=Sampling(strategy="keyframes"), limits=settings.limits
    )
    with Sandbox(settings.sandbox) as sandbox:
        for row in {row.key: row for row in rows}.values():
            try:
                windows = list(sandbox.decode(row.path, request, name=str(row.path)))
            except ScannerError:  # scoring reports the reason
                continue
            properties = _summarize(windows)
            if properties is not None:
                yield row.key, properties


def _summarize(windows: list[DecodedWindow]) -> MediaProperties | None:
    lumas = [_luma(sample.images[SPEC]) for window in windows for sample in window.samples]
    if not lumas:
        return None
    info: MediaInfo = windows[0].info
    return MediaProperties(
        luma=float(np.mean(lumas)),
        width=info.width,
        height=info.height,
        container=info.container,
        codec=info.codec,
        still=info.still,
    )


def _luma(rgb: Rgb) -> float:
    return float((rgb @ LUMA).mean())
