"""What live video does to a moving scene: each function makes one such change to a film, and
``show`` draws a few of them.

Changes of single pictures are those of ``frame_model.views``, made alike to every frame; those that
move are made here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
from frame_model.corpus import Row, teach
from frame_model.pictures import Picture, as_frame
from frame_model.views import banner, bars, chat, crop, facecam, mirror, tint
from numpy.random import Generator

from scanner.media.samples import Rgb

from .bursts import Film, frames_at

__all__ = ["VARIANTS", "Change", "at_rate", "show"]

Backdrops = Sequence[Film]
"""Ordinary scenes to play behind or beside another one; of the same fold, or footage would leak
across it."""
Change = Callable[[Film, Generator, Backdrops], Film]
Still = Callable[[Picture, Generator, Sequence[Rgb]], Picture]

_NO_GUNS = np.zeros((0, 4), np.float32)
_LESSON = teach(Row(path="", task="violence_clip", label="1", group=""))


def show(film: Film, rng: Generator, backdrops: Backdrops) -> Film:
    """One way in which a live stream could show ``film``."""
    for chance, change in CHANGES:
        if rng.random() < chance:
            film = change(film, rng, backdrops)
    return film


def still(change: Still) -> Change:
    """``change`` made to every frame alike: each is drawn from the same seed."""

    def changed(film: Film, rng: Generator, backdrops: Backdrops) -> Film:
        seed, beside = int(rng.integers(2**32)), [_frame_of(other) for other in backdrops]
        pictures = (Picture(rgb=rgb, guns=_NO_GUNS, lesson=_LESSON) for rgb in film.frames)
        return _showing(
            film, (change(picture, np.random.default_rng(seed), beside).rgb for picture in pictures)
        )

    return changed


def _frame_of(film: Film) -> Rgb:
    return film.frames[len(film.frames) // 2]


def _showing(film: Film, frames: Sequence[Rgb] | object) -> Film:
    return replace(film, frames=tuple(np.ascontiguousarray(rgb) for rgb in frames))  # type: ignore[union-attr]


def far(film: Film, rng: Generator, backdrops: Backdrops) -> Film:
    """The scene shrunk into a larger frame: on black, on a blur of itself, or on another camera's
    scene, still or moving."""
    share, place = rng.uniform(0.3, 0.8), rng.uniform(size=2)
    match rng.integers(4):
        case 0:
            return _placed(film, _blank(film), share, place)
        case 1:
            return _placed(film, _blurred(film), share, place)
        case 2:
            return _placed(film, _stopped(_any(backdrops, rng), film), share, place)
        case _:
            return _placed(film, _beside(_any(backdrops, rng), film), share, place)


def inset(film: Film, rng: Generator, backdrops: Backdrops) -> Film:
    """Another camera's moving scene in a corner."""
    share, corner = rng.uniform(0.2, 0.4), rng.integers(2, size=2).astype(float)
    other = _beside(_any(backdrops, rng), film)
    return _placed(replace(film, frames=other.frames), film, share, corner)


def _any(backdrops: Backdrops, rng: Generator) -> Film:
    return backdrops[rng.integers(len(backdrops))]


def _blank(film: Film) -> Film:
    return _showing(film, [np.zeros_like(film.frames[0])] * len(film.frames))


def _blurred(film: Film) -> Film:
    return _showing(
        film, (cv2.GaussianBlur(rgb, (0, 0), sigmaX=rgb.shape[1] / 30) for rgb in film.frames)
    )


def _stopped(other: Film, film: Film) -> Film:
    return _showing(film, [_like(_frame_of(other), film)] * len(film.frames))


def _beside(other: Film, film: Film) -> Film:
    """``other`` at the times and in the size of ``film``; it begins again where it is shorter."""
    times = [at % max(other.end, Fraction(1, 100)) for at in film.at]
    return _showing(film, (_like(rgb, film) for rgb in frames_at(other, times)))


def _like(rgb: Rgb, film: Film) -> Rgb:
    height, width = film.frames[0].shape[:2]
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def _placed(film: Film, canvas: Film, share: float, place: Sequence[float]) -> Film:
    """``film`` at ``share`` of the canvas's sides; ``place`` says where, each from 0 to 1."""
    height, width = film.frames[0].shape[:2]
    size = (max(8, int(width * share)), max(8, int(height * share)))
    left, top = int((width - size[0]) * place[0]), int((height - size[1]) * place[1])
    frames = []
    for rgb, behind in zip(film.frames, canvas.frames, strict=True):
        frame = behind.copy()
        frame[top : top + size[1], left : left + size[0]] = cv2.resize(
            rgb, size, interpolation=cv2.INTER_AREA
        )
        frames.append(frame)
    return _showing(film, frames)


def dark(film: Film, rng: Generator, _backdrops: Backdrops) -> Film:
    """Night: less light, a deeper curve, noise that is new in every frame, sometimes no colour,
    sometimes light that flickers."""
    return _dimmed(
        film,
        rng,
        curve=rng.uniform(1.0, 2.2),
        light=rng.uniform(0.25, 0.8),
        noise=rng.uniform(0.005, 0.04),
        flicker=rng.uniform(0, 0.03),
        grey=bool(rng.random() < 0.4),
    )


def _dimmed(
    film: Film,
    rng: Generator,
    *,
    curve: float,
    light: float,
    noise: float,
    flicker: float = 0.0,
    grey: bool = False,
) -> Film:
    table = ((np.arange(256) / 255.0) ** curve * light).astype(np.float32)
    frames = []
    for rgb in film.frames:
        seen = table[rgb] * (1 + flicker * rng.normal())
        if grey:
            seen = np.repeat(seen.mean(axis=2, keepdims=True), 3, axis=2)
        seen = seen + rng.standard_normal(seen.shape, dtype=np.float32) * noise
        frames.append((seen.clip(0, 1) * 255).astype(np.uint8))
    return _showing(film, frames)


def shake(film: Film, rng: Generator, _backdrops: Backdrops) -> Film:
    """A camera in somebody's hand: it trembles, drifts and sometimes pans."""
    tremble, pan = rng.uniform(0.002, 0.015), rng.normal(0, 0.06, size=2) * (rng.random() < 0.5)
    return _shaken(film, rng, tremble=tremble, pan=pan)


def _shaken(
    film: Film, rng: Generator, *, tremble: float, pan: Sequence[float] = (0.0, 0.0)
) -> Film:
    """Each frame moved by ``tremble`` of its width (spread, at two rates) and ``pan`` widths a
    second; what runs out is cropped."""
    height, width = film.frames[0].shape[:2]
    seconds = np.array([float(at) for at in film.at])
    waves = rng.uniform(0.7, 4.0, size=(2, 2)), rng.uniform(0, 2 * np.pi, size=(2, 2))
    path = (
        sum(np.sin(2 * np.pi * waves[0][i] * seconds[:, None] + waves[1][i]) for i in range(2))
        * tremble
    )
    path = (path + seconds[:, None] * np.asarray(pan)) * width
    path -= path.mean(axis=0)
    margin = np.minimum(np.abs(path).max(axis=0) + 1, (0.2 * width, 0.2 * height))
    frames = []
    for rgb, (x, y) in zip(film.frames, path.clip(-margin, margin), strict=True):
        zoom = np.array([width / (width - 2 * margin[0]), height / (height - 2 * margin[1])])
        matrix = np.array(
            [[zoom[0], 0, -zoom[0] * (margin[0] + x)], [0, zoom[1], -zoom[1] * (margin[1] + y)]]
        )
        frames.append(
            cv2.warpAffine(
                rgb,
                matrix,
                (width, height),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
        )
    return _showing(film, frames)


def slower(film: Film, rng: Generator, _backdrops: Backdrops) -> Film:
    """Fewer frames a second."""
    return at_rate(film, Fraction(int(rng.choice([4, 5, 6, 8]))))


def at_rate(film: Film, rate: Fraction) -> Film:
    """The film with so many frames a second: each is the one on screen at its time."""
    count = max(2, int(film.end * rate))
    at = tuple(film.at[0] + Fraction(index) / rate for index in range(count))
    return replace(film, at=at, frames=tuple(frames_at(film, at)))


def stutter(film: Film, rng: Generator, _backdrops: Backdrops) -> Film:
    """Frames that did not arrive: the one before stays."""
    frames, lost = list(film.frames), rng.uniform(0.05, 0.25)
    for index in range(1, len(frames)):
        if rng.random() < lost:
            frames[index] = frames[index - 1]
    return replace(film, frames=tuple(frames))


def soft(film: Film, rng: Generator, _backdrops: Backdrops) -> Film:
    """Out of focus, or enlarged from a smaller picture."""
    sigma = rng.uniform(0.5, 2.5)
    return _showing(film, (cv2.GaussianBlur(rgb, (0, 0), sigmaX=sigma) for rgb in film.frames))


def bitrate(film: Film, rng: Generator, _backdrops: Backdrops) -> Film:
    """A poor stream: fewer lines, H.264 that runs out of bits."""
    return _encoded(film, lines=int(rng.uniform(144, 360)), crf=int(rng.integers(26, 44)))


def _encoded(film: Film, *, lines: int, crf: int) -> Film:
    height, width = film.frames[0].shape[:2]
    ratio = min(1.0, lines / min(height, width))
    size = (max(64, int(width * ratio)) // 2 * 2, max(64, int(height * ratio)) // 2 * 2)
    small = [cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) for rgb in film.frames]
    return _showing(film, _through_h264(small, crf=crf))


def _through_h264(frames: Sequence[Rgb], *, crf: int) -> list[Rgb]:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = frames[0].shape[:2]
    encoder.pix_fmt, encoder.thread_count, encoder.time_base = "yuv420p", 1, Fraction(1, 25)
    encoder.options = {"preset": "veryfast", "tune": "zerolatency", "crf": str(crf)}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = [
        packet
        for rgb in frames
        for packet in encoder.encode(as_frame(rgb).reformat(format="yuv420p"))
    ]
    packets += encoder.encode(None)
    shown = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.decode(None)
    return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in shown]


CHANGES: tuple[tuple[float, Change], ...] = (
    (0.5, still(mirror)),
    (0.4, still(crop)),
    (0.3, shake),
    (0.4, far),
    (0.25, still(tint)),
    (0.3, dark),
    (0.15, soft),
    (0.1, still(bars)),
    (0.1, inset),
    (0.08, still(facecam)),
    (0.1, still(chat)),
    (0.1, still(banner)),
    (0.3, slower),
    (0.1, stutter),
    (0.4, bitrate),
)
"""How often each change is made, in the order in which a stream's picture comes about: scene,
camera, layout, encoder."""


def _overlaid(film: Film, rng: Generator, backdrops: Backdrops) -> Film:
    return still(facecam)(
        still(banner)(still(chat)(film, rng, backdrops), rng, backdrops), rng, backdrops
    )


VARIANTS: dict[str, Change] = {
    "as filmed": lambda film, _rng, _backdrops: film,
    "far: shrunk to 0.5, on another camera's still frame": lambda film, rng, backdrops: _placed(
        film, _stopped(_any(backdrops, rng), film), 0.5, rng.uniform(size=2)
    ),
    "far: shrunk to 0.35, on another camera's still frame": lambda film, rng, backdrops: _placed(
        film, _stopped(_any(backdrops, rng), film), 0.35, rng.uniform(size=2)
    ),
    "far: shrunk to 0.5, beside another camera's moving scene": lambda film, rng, backdrops: (
        _placed(film, _beside(_any(backdrops, rng), film), 0.5, rng.uniform(size=2))
    ),
    "dark": lambda film, rng, _backdrops: _dimmed(film, rng, curve=1.8, light=0.4, noise=0.02),
    "shaking": lambda film, rng, _backdrops: _shaken(film, rng, tremble=0.01),
    "low bit rate: 240 lines, crf 40": lambda film, _rng, _backdrops: _encoded(
        film, lines=240, crf=40
    ),
    "15 frames a second": lambda film, _rng, _backdrops: at_rate(film, Fraction(15)),
    "overlays: chat, banner, face-cam": _overlaid,
}
"""Changes that the card measures, each alone; their order is the card's."""
