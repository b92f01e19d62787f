"""The changes, and the order in which they are told.

Pictures are H x W x 3 uint8 RGB; none is changed in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np

from scanner.altering.overlays import draw_banner, draw_chat, fitted_into, placed, resized
from scanner.errors import SetupError
from scanner.media.samples import Rgb

__all__ = ["CHANGES", "COMPANIONS", "Change", "Scene", "change_named"]

COMPANIONS: Final = 3
"""Other pictures that a change may show beside the one in question."""
LEAST_SIDE: Final = 16
"""Pixels: nothing is made smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a change knows beside the picture."""

    seed: int
    """The same for all pictures of a source."""
    number: int = 0
    """Of the picture within its source."""
    others: Sequence[Rgb] = ()
    """Harmless pictures, up to ``COMPANIONS``."""

    def still_random(self) -> np.random.Generator:
        """Draws the same for every picture of the source: what lies over it does not jump."""
        return np.random.default_rng(self.seed)

    def moving_random(self) -> np.random.Generator:
        """Draws anew for each picture, such as noise."""
        return np.random.default_rng((self.seed, self.number))

    def other(self, index: int, size: tuple[int, int]) -> Rgb:
        """One of the other pictures at so many pixels across and down; where there is none, a grey
        ground."""
        if not self.others:
            return np.full((size[1], size[0], 3), 96 + 32 * (index % 3), np.uint8)
        return resized(self.others[index % len(self.others)], size)


class Change(Protocol):
    """One change: the same picture and scene give the same picture."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def crf(self) -> int | None:
        """Constant rate factor at which x264 encodes the outcome; None: so finely that it does not
        matter."""

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The changed picture; all pictures of one size come out in one size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Decoded and encoded again, finely: what the others are to be compared with, where it matters
    at all."""

    name: str = "encoded again"
    crf: int | None = None

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The same picture."""
        return rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class Jpeg:
    """Every picture a JPEG of this quality (libjpeg's, 1 to 100)."""

    quality: int
    crf: int | None = None

    @property
    def name(self) -> str:
        """With the quality."""
        return f"JPEG {self.quality}"

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The picture as it comes back from the JPEG."""
        written, data = cv2.imencode(
            ".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality]
        )
        assert written
        return np.ascontiguousarray(
            np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitrate:
    """A poor stream: x264 at this constant rate factor (about 23 is usual, each 6 halves the bits)."""

    crf: int | None

    @property
    def name(self) -> str:
        """With the factor."""
        return f"x264 crf {self.crf}"

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The same picture: the encoder does it."""
        return rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """Fewer pixels, sides times ``share``."""

    share: float
    crf: int | None = None

    @property
    def name(self) -> str:
        """With the share."""
        return f"resolution x {self.share:g}"

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The smaller picture."""
        height, width = rgb.shape[:2]
        return resized(
            rgb,
            (
                max(LEAST_SIDE, round(width * self.share)),
                max(LEAST_SIDE, round(height * self.share)),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A half transparent panel of chat lines along one side."""

    name: str = "chat panel"
    crf: int | None = None

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The picture under the panel."""
        return draw_chat(rgb, scene.still_random())


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """A coloured bar with a line of text at the foot."""

    name: str = "banner"
    crf: int | None = None

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The picture under the bar."""
        return draw_banner(rgb, scene.still_random())


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceCam:
    """Another camera's picture in a corner, at three tenths of the width."""

    name: str = "face-cam"
    crf: int | None = None
    share: float = 0.3

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The picture with a corner covered."""
        height, width = rgb.shape[:2]
        size = (max(1, int(width * self.share)), max(1, int(height * self.share)))
        right, low = scene.still_random().integers(0, 2, 2)
        return placed(
            rgb,
            scene.other(0, size),
            (int(right) * (width - size[0]), int(low) * (height - size[1])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """Left and right change places."""

    name: str = "mirror"
    crf: int | None = None

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The mirrored picture."""
        return np.ascontiguousarray(rgb[:, ::-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """One of four pictures, two by two; the others are harmless."""

    name: str = "grid 2 x 2"
    crf: int | None = None

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """Four pictures in the frame of one."""
        height, width = rgb.shape[:2]
        half = (width // 2, height // 2)
        own = int(scene.still_random().integers(4))
        canvas, next_other = np.zeros_like(rgb), 0
        for place in range(4):
            picture = resized(rgb, half) if place == own else scene.other(next_other, half)
            next_other += place != own
            canvas = placed(canvas, picture, (place % 2 * half[0], place // 2 * half[1]))
        return canvas


@dataclass(frozen=True, slots=True, kw_only=True)
class Dark:
    """Night: less light, a deeper curve, the sensor's noise."""

    name: str = "dark"
    crf: int | None = None
    light: float = 0.35
    gamma: float = 1.6
    noise: float = 5.0
    """Standard deviation in grey levels."""

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The dark picture."""
        curve = (255.0 * self.light * (np.arange(256) / 255.0) ** self.gamma).astype(np.float32)
        grain = scene.moving_random().standard_normal(rgb.shape, np.float32) * np.float32(
            self.noise
        )
        return np.asarray(np.clip(curve[rgb] + grain, 0, 255), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Black bars that make the frame larger: above and below it, or at its sides, each ``share`` of
    that side."""

    name: str
    upright: bool
    """At the sides."""
    share: float = 0.25
    crf: int | None = None

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The picture between bars."""
        height, width = rgb.shape[:2]
        rows, columns = (
            (0, int(width * self.share)) if self.upright else (int(height * self.share), 0)
        )
        return np.pad(rgb, ((rows, rows), (columns, columns), (0, 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """The scene at ``share`` of the frame's sides, in the middle of black: as far away as its
    pixels tell."""

    share: float = 0.5
    crf: int | None = None

    @property
    def name(self) -> str:
        """With the share."""
        return f"shrunk x {self.share:g}"

    def draw(self, rgb: Rgb, scene: Scene) -> Rgb:
        """The smaller scene in a frame of the same size."""
        return fitted_into(np.zeros_like(rgb), rgb, self.share)


CHANGES: Final[tuple[Change, ...]] = (
    Again(),
    Jpeg(quality=50),
    Jpeg(quality=20),
    Bitrate(crf=35),
    Bitrate(crf=43),
    Scaled(share=0.5),
    Scaled(share=0.25),
    Chat(),
    Banner(),
    FaceCam(),
    Mirror(),
    Grid(),
    Dark(),
    Bars(name="letterbox", upright=False),
    Bars(name="pillarbox", upright=True),
    Shrunk(),
)
"""All that a robustness table has, in its order."""


def change_named(name: str) -> Change:
    """The change that tables call so.

    Raises:
        SetupError: there is none.
    """
    found = next((change for change in CHANGES if change.name == name), None)
    if found is None:
        raise SetupError(
            f"no change {name!r}; there are {', '.join(change.name for change in CHANGES)}"
        )
    return found
