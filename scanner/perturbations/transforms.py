"""The perturbations, in the order in which tables list them.

Pictures are H x W x 3 uint8 RGB; none is changed in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from scanner.errors import SetupError
from scanner.imaging import decode_jpeg, encode_jpeg, resize
from scanner.media.samples import Rgb
from scanner.perturbations.night import FRAME_RATE, NightScene, draw_night
from scanner.perturbations.overlays import draw_banner, draw_chat, paste, paste_scaled

__all__ = [
    "MAX_OTHERS",
    "PERTURBATIONS",
    "Perturbation",
    "PerturbationContext",
    "find_perturbation",
]

MAX_OTHERS: Final = 3
"""Number of other pictures that a perturbation may show next to its input."""
MIN_SIDE: Final = 16
"""Pixels; no picture is scaled below this size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerturbationContext:
    """The inputs of a perturbation other than the picture itself."""

    seed: int
    """The same for all pictures of a source."""
    number: int = 0
    """Index of the picture within its source."""
    others: Sequence[Rgb] = ()
    """Harmless pictures, at most ``MAX_OTHERS``."""

    def source_random(self) -> np.random.Generator:
        """Return a generator that gives every picture of the source the same numbers, so that
        overlays do not move."""
        return np.random.default_rng(self.seed)

    def frame_random(self) -> np.random.Generator:
        """Return a generator with different numbers for each picture, for noise and the like."""
        return np.random.default_rng((self.seed, self.number))

    def other(self, index: int, size: tuple[int, int]) -> Rgb:
        """Return one of the other pictures, scaled to ``size`` (width, height), or a grey picture
        if there are none."""
        if not self.others:
            return np.full((size[1], size[0], 3), 96 + 32 * (index % 3), np.uint8)
        return resize(self.others[index % len(self.others)], size)


class Perturbation(Protocol):
    """A change to pictures that gives the same result for the same picture and context."""

    @property
    def name(self) -> str:
        """The name in tables, in JSON and after ``--change``."""

    @property
    def crf(self) -> int | None:
        """Constant rate factor at which x264 encodes the result; None is visually lossless."""

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the changed picture; inputs of one size give outputs of one size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reencode:
    """Decodes and encodes at high quality: the baseline, because all other perturbations include
    this step."""

    name: str = "encoded again"
    crf: int | None = None

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the picture unchanged."""
        return rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegCompression:
    """Compresses each picture as JPEG with the given libjpeg quality (1 to 100)."""

    quality: int
    crf: int | None = None

    @property
    def name(self) -> str:
        """The name, with the quality."""
        return f"JPEG {self.quality}"

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the picture after a JPEG round trip."""
        return decode_jpeg(encode_jpeg(rgb, self.quality))


@dataclass(frozen=True, slots=True, kw_only=True)
class LowBitrate:
    """Encodes with x264 at a given constant rate factor (23 is usual; each 6 more halves the bit
    rate)."""

    crf: int | None

    @property
    def name(self) -> str:
        """The name, with the rate factor."""
        return f"x264 crf {self.crf}"

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the picture unchanged; the encoder degrades it."""
        return rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class Downscale:
    """Multiplies both sides by ``share``."""

    share: float
    crf: int | None = None

    @property
    def name(self) -> str:
        """The name, with the share."""
        return f"resolution x {self.share:g}"

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the smaller picture."""
        height, width = rgb.shape[:2]
        return resize(
            rgb,
            (
                max(MIN_SIDE, round(width * self.share)),
                max(MIN_SIDE, round(height * self.share)),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPanel:
    """Draws a half-transparent panel of chat lines along one side."""

    name: str = "chat panel"
    crf: int | None = None

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the picture with the panel over it."""
        return draw_chat(rgb, context.source_random())


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """Draws a coloured bar with a line of text at the bottom."""

    name: str = "banner"
    crf: int | None = None

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the picture with the bar over it."""
        return draw_banner(rgb, context.source_random())


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceCam:
    """Shows another picture in a corner, at three tenths of the width."""

    name: str = "face-cam"
    crf: int | None = None
    share: float = 0.3

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the picture with one corner covered."""
        height, width = rgb.shape[:2]
        size = (max(1, int(width * self.share)), max(1, int(height * self.share)))
        right, low = context.source_random().integers(0, 2, 2)
        return paste(
            rgb,
            context.other(0, size),
            (int(right) * (width - size[0]), int(low) * (height - size[1])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """Swaps left and right."""

    name: str = "mirror"
    crf: int | None = None

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the mirrored picture."""
        return np.ascontiguousarray(rgb[:, ::-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureGrid:
    """Shows the picture as one of four in a 2 x 2 grid; the other three are harmless."""

    name: str = "grid 2 x 2"
    crf: int | None = None

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the four pictures in a frame of the input's size."""
        height, width = rgb.shape[:2]
        half = (width // 2, height // 2)
        own = int(context.source_random().integers(4))
        canvas, next_other = np.zeros_like(rgb), 0
        for place in range(4):
            picture = resize(rgb, half) if place == own else context.other(next_other, half)
            next_other += place != own
            canvas = paste(canvas, picture, (place % 2 * half[0], place // 2 * half[1]))
        return canvas


@dataclass(frozen=True, slots=True, kw_only=True)
class LowLight:
    """Simulates night: less light, a stronger gamma curve and sensor noise."""

    name: str = "dark"
    crf: int | None = None
    light: float = 0.35
    gamma: float = 1.6
    noise: float = 5.0
    """Standard deviation in grey levels."""

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the darkened picture."""
        curve = (255.0 * self.light * (np.arange(256) / 255.0) ** self.gamma).astype(np.float32)
        grain = context.frame_random().standard_normal(rgb.shape, np.float32) * np.float32(
            self.noise
        )
        return np.asarray(np.clip(curve[rgb] + grain, 0, 255), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class NightStreet:
    """Turns the scene into a night with lamps, headlights, police lights or fog."""

    name: str = "night"
    crf: int | None = None
    noise: float = 5.0
    """Standard deviation in grey levels."""

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the picture by night."""
        scene = NightScene.draw(context.source_random())
        night = draw_night(rgb, scene, context.number / FRAME_RATE)
        grain = context.frame_random().standard_normal(rgb.shape, np.float32) * np.float32(
            self.noise
        )
        return np.asarray(np.clip(night + grain, 0, 255), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackBars:
    """Adds black bars outside the picture: above and below it, or left and right. Each bar is
    ``share`` of the picture's height or width."""

    name: str
    upright: bool
    """True puts the bars left and right of the picture."""
    share: float = 0.25
    crf: int | None = None

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the picture with its bars."""
        height, width = rgb.shape[:2]
        rows, columns = (
            (0, int(width * self.share)) if self.upright else (int(height * self.share), 0)
        )
        return np.pad(rgb, ((rows, rows), (columns, columns), (0, 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrunkScene:
    """Shows the picture at ``share`` of the frame's sides, centred on black, as a scene farther
    away would be."""

    share: float = 0.5
    crf: int | None = None

    @property
    def name(self) -> str:
        """The name, with the share."""
        return f"shrunk x {self.share:g}"

    def apply(self, rgb: Rgb, context: PerturbationContext) -> Rgb:
        """Return the smaller scene in a frame of the input's size."""
        return paste_scaled(np.zeros_like(rgb), rgb, self.share)


PERTURBATIONS: Final[tuple[Perturbation, ...]] = (
    Reencode(),
    JpegCompression(quality=50),
    JpegCompression(quality=20),
    LowBitrate(crf=35),
    LowBitrate(crf=43),
    Downscale(share=0.5),
    Downscale(share=0.25),
    ChatPanel(),
    Banner(),
    FaceCam(),
    Mirror(),
    PictureGrid(),
    LowLight(),
    NightStreet(),
    BlackBars(name="letterbox", upright=False),
    BlackBars(name="pillarbox", upright=True),
    ShrunkScene(),
)
"""All perturbations of a robustness table, in its order."""


def find_perturbation(name: str) -> Perturbation:
    """Return the perturbation with this name.

    Raises:
        SetupError: no perturbation has this name.
    """
    found = next((change for change in PERTURBATIONS if change.name == name), None)
    if found is None:
        raise SetupError(
            f"no change {name!r}; there are {', '.join(change.name for change in PERTURBATIONS)}"
        )
    return found
