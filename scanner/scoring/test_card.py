"""The test card: the EICAR of video.

A harmless generated picture that the built-in scorer always flags under the label ``test_card``.
Put it into a stream and every step from ingest to moderator must answer, with nothing harmful
anywhere.

The card is a grid of 8 x 8 blocks in eight colours. Each colour channel carries a balanced code of
64 bits of its own, chosen with little energy at low spatial frequencies (where pictures of the
world have most of theirs) and little likeness to the other channels and to its own mirror image.
Blocks that large survive compression, scaling and chroma subsampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scanner.media.samples import Rgb, Sample
from scanner.types import FrameSpec, Label, Medium, ModelRef, Scores

__all__ = ["TestCard", "draw", "likeness"]

LABEL: Final = Label("test_card")
SPEC: Final = FrameSpec(width=224, height=224)
"""The size that image models mostly ask for, so that the card seldom needs a scaling of its own."""

BLOCKS: Final = 8
"""A side."""
CODES: Final = (0x99E834E73F4D5282, 0xF4853C07CE0BA9F2, 0xE83CDCA78356D055)
"""Red, green and blue, row by row from the top left, highest bit first."""
DARK: Final = 48
BRIGHT: Final = 208
"""Levels of a channel: inside of what studio range and a careless conversion leave."""

STRIDE: Final = 4
"""The detector looks at every fourth pixel of every fourth row: some 49 for each block of a full
card."""
SHARES: Final = tuple(0.9**step for step in range(12))
"""Of the picture's width, and of its height, that a centred card may take: black bars on any side,
down to 0.31."""
MIN_CONTRAST: Final = 8.0
"""Root mean square of the blocks about their mean, in grey levels; a flatter picture is like
nothing."""

THRESHOLD: Final = 0.55
"""The likeness at which the probability is one half."""
STEEPNESS: Final = 45.0
"""Log-odds for one unit of likeness."""

_Floats = NDArray[np.float32]


def draw(width: int, height: int) -> Rgb:
    """The card in any size and shape of at least 8 x 8 pixels, full frame."""
    if width < BLOCKS or height < BLOCKS:
        raise ValueError(f"test card must be at least {BLOCKS} pixels a side, got {width}x{height}")
    rows = np.arange(height) * BLOCKS // height
    columns = np.arange(width) * BLOCKS // width
    levels = np.where(_bits() == 1, BRIGHT, DARK).astype(np.uint8)
    return np.ascontiguousarray(levels[rows[:, None], columns])


def likeness(rgb: Rgb) -> float:
    """How much a picture is like the card or its mirror image: the best correlation of block means,
    -1 to 1.

    Brightness and contrast do not matter, nor do bars around the card as long as it is centred.
    """
    blocks = _block_means(rgb[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].astype(np.float32))
    energy = np.einsum("bp,bp->p", blocks, blocks)
    floor = MIN_CONTRAST**2 * len(blocks)
    return float(np.max(_TEMPLATES @ blocks / np.sqrt(np.maximum(energy, floor))))


class TestCard:
    """Flags the test card, and nothing else. Built in, always first."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    model: ModelRef = ModelRef(name="test-card", version="1")
    inputs: tuple[FrameSpec, ...] = (SPEC,)
    labels: tuple[Label, ...] = (LABEL,)
    media: tuple[Medium, ...] = ()

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        """One for each sample, in order."""
        return [
            Scores(model=self.model, values={LABEL: _probability(likeness(sample.images[SPEC]))})
            for sample in batch
        ]


def _probability(value: float) -> float:
    return float(1.0 / (1.0 + np.exp(-STEEPNESS * (value - THRESHOLD))))


def _bits() -> NDArray[np.int8]:
    """8 x 8 x 3, ones and zeros."""
    shifts = range(BLOCKS * BLOCKS - 1, -1, -1)
    planes = [[code >> shift & 1 for shift in shifts] for code in CODES]
    return np.array(planes, dtype=np.int8).reshape(3, BLOCKS, BLOCKS).transpose(1, 2, 0)


def _block_means(pixels: _Floats) -> _Floats:
    """192 block means, less each channel's mean over the blocks; one column for each place where
    the card may be."""
    places = len(SHARES)
    means = _WINDOWS @ pixels.transpose(2, 0, 1) @ _WINDOWS.T
    columns = (
        means.reshape(3, BLOCKS, places, BLOCKS, places)
        .transpose(0, 1, 3, 2, 4)
        .reshape(3, BLOCKS * BLOCKS, places * places)
    )
    return np.asarray(columns - columns.mean(axis=1, keepdims=True)).reshape(-1, places * places)


def _windows(size: int) -> _Floats:
    """For each block and each share of ``size`` pixels: the weights that average the block's
    pixels."""
    shares = np.array(SHARES)
    edges = size * (0.5 + shares * (np.arange(BLOCKS + 1)[:, None] / BLOCKS - 0.5))
    pixel = np.arange(size)
    covered = np.minimum(edges[1:, :, None], pixel + 1) - np.maximum(edges[:-1, :, None], pixel)
    weights = np.clip(covered, 0.0, 1.0)
    return np.asarray(weights / weights.sum(axis=2, keepdims=True), dtype=np.float32).reshape(
        -1, size
    )


def _templates() -> _Floats:
    """2 x 192, each row of length 1: the card and its mirror image."""
    signs = (2.0 * _bits() - 1.0).transpose(2, 0, 1)
    rows = np.stack([signs.ravel(), signs[:, :, ::-1].ravel()])
    return np.asarray(rows / np.sqrt(signs.size), dtype=np.float32)


_WINDOWS: Final = _windows(SPEC.width // STRIDE)
_TEMPLATES: Final = _templates()
