"""The test card: a harmless generated picture that the built-in scorer flags as ``test_card``.

It is for content detection what the EICAR file is for virus scanners: shown in a stream, it proves
every step from ingest to moderator.

The card is a grid of 8 x 8 blocks in eight colours. Each colour channel has a balanced code of 64
bits of its own. The codes have little energy at low spatial frequencies, where natural pictures
have most of theirs, and low correlation with each other and with their own mirror images. Blocks of
this size survive compression, scaling and chroma subsampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scanner.media.samples import Rgb, Sample
from scanner.types import FrameSpec, Label, Medium, ModelRef, Scores

__all__ = ["TestCard", "card_correlation", "draw_card"]

LABEL: Final = Label("test_card")
SPEC: Final = FrameSpec(width=224, height=224)
"""The most common input size of image models, so that the test card rarely needs its own array."""

BLOCKS: Final = 8
"""Blocks on each side of the card."""
CODES: Final = (0x99E834E73F4D5282, 0xF4853C07CE0BA9F2, 0xE83CDCA78356D055)
"""The codes of red, green and blue: row by row from the top left, highest bit first."""
DARK: Final = 48
BRIGHT: Final = 208
"""The levels of a channel, which survive a conversion to studio range and back."""

STRIDE: Final = 4
"""The detector reads every fourth pixel of every fourth row: about 49 per block of a full-frame
card."""
SHARES: Final = tuple(0.9**step for step in range(12))
"""The shares of the picture's width and height that a centred card may fill, between black bars."""
MIN_CONTRAST: Final = 8.0
"""The standard deviation of the block means, in grey levels, below which correlation is reduced."""

THRESHOLD: Final = 0.55
"""The correlation at which the probability is one half."""
STEEPNESS: Final = 45.0
"""Log-odds per unit of correlation."""

_Floats = NDArray[np.float32]


def draw_card(width: int, height: int) -> Rgb:
    """Draw the card, full frame, in any size of at least 8 x 8 pixels."""
    if width < BLOCKS or height < BLOCKS:
        raise ValueError(f"test card must be at least {BLOCKS} pixels a side, got {width}x{height}")
    rows = np.arange(height) * BLOCKS // height
    columns = np.arange(width) * BLOCKS // width
    levels = np.where(_bits() == 1, BRIGHT, DARK).astype(np.uint8)
    return np.ascontiguousarray(levels[rows[:, None], columns])


def card_correlation(rgb: Rgb) -> float:
    """Return the highest correlation, -1 to 1, of a picture's block means with those of the card or
    its mirror image.

    It is independent of brightness and contrast, and of bars around a centred card.
    """
    blocks = _block_means(rgb[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].astype(np.float32))
    energy = np.einsum("bp,bp->p", blocks, blocks)
    floor = MIN_CONTRAST**2 * len(blocks)
    return float(np.max(_TEMPLATES @ blocks / np.sqrt(np.maximum(energy, floor))))


class TestCard:
    """The built-in scorer, which detects the test card only."""

    __test__ = False  # the name makes pytest take it for a test class

    model: ModelRef = ModelRef(name="test-card", version="1")
    inputs: tuple[FrameSpec, ...] = (SPEC,)
    labels: tuple[Label, ...] = (LABEL,)
    media: tuple[Medium, ...] = ()

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        """Return the probability of the test card for each sample."""
        return [
            Scores(
                model=self.model,
                values={LABEL: _probability(card_correlation(sample.images[SPEC]))},
            )
            for sample in batch
        ]


def _probability(value: float) -> float:
    return float(1.0 / (1.0 + np.exp(-STEEPNESS * (value - THRESHOLD))))


def _bits() -> NDArray[np.int8]:
    """Return the codes as ones and zeros, 8 x 8 x 3."""
    shifts = range(BLOCKS * BLOCKS - 1, -1, -1)
    planes = [[code >> shift & 1 for shift in shifts] for code in CODES]
    return np.array(planes, dtype=np.int8).reshape(3, BLOCKS, BLOCKS).transpose(1, 2, 0)


def _block_means(pixels: _Floats) -> _Floats:
    """Return the 192 block means without each channel's mean; one column for each width and height
    that the card may have."""
    places = len(SHARES)
    means = _WINDOWS @ pixels.transpose(2, 0, 1) @ _WINDOWS.T
    columns = (
        means.reshape(3, BLOCKS, places, BLOCKS, places)
        .transpose(0, 1, 3, 2, 4)
        .reshape(3, BLOCKS * BLOCKS, places * places)
    )
    return np.asarray(columns - columns.mean(axis=1, keepdims=True)).reshape(-1, places * places)


def _windows(size: int) -> _Floats:
    """Return the weights that average the pixels of each block, for each share of ``size``."""
    shares = np.array(SHARES)
    edges = size * (0.5 + shares * (np.arange(BLOCKS + 1)[:, None] / BLOCKS - 0.5))
    pixel = np.arange(size)
    covered = np.minimum(edges[1:, :, None], pixel + 1) - np.maximum(edges[:-1, :, None], pixel)
    weights = np.clip(covered, 0.0, 1.0)
    return np.asarray(weights / weights.sum(axis=2, keepdims=True), dtype=np.float32).reshape(
        -1, size
    )


def _templates() -> _Floats:
    """Return the card and its mirror image as unit vectors, 2 x 192."""
    signs = (2.0 * _bits() - 1.0).transpose(2, 0, 1)
    rows = np.stack([signs.ravel(), signs[:, :, ::-1].ravel()])
    return np.asarray(rows / np.sqrt(signs.size), dtype=np.float32)


_WINDOWS: Final = _windows(SPEC.width // STRIDE)
_TEMPLATES: Final = _templates()
