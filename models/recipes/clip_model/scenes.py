"""Changes that live video undergoes: each function makes one change to a video, and ``show`` makes
random ones.

Changes of single pictures are those of ``frame_model.views``, made equally to every frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
from frame_model.corpus import CorpusRow, training_target
from frame_model.pictures import Picture, to_video_frame
from frame_model.views import banner, bars, chat, crop, facecam, mirror, tint
from numpy.random import Generator

from scanner.media.samples import Rgb

from .bursts import Video, frames_at

__all__ = ["VARIANTS", "Change", "at_rate", "show"]

Backdrops = Sequence[Video]
"""Ordinary scenes as backgrounds and insets, of the same fold so that no footage leaks across
folds."""
Change = Callable[[Video, Generator, Backdrops], Video]
Still = Callable[[Picture, Generator, Sequence[Rgb]], Picture]

_NO_GUNS = np.zeros((0, 4), np.float32)
_TARGET = training_target(CorpusRow(path="", task="violence_clip", label="1", group=""))


def show(video: Video, rng: Generator, backdrops: Backdrops) -> Video:
    """Return ``video`` as a live stream could show it."""
    for chance, change in CHANGES:
        if rng.random() < chance:
            video = change(video, rng, backdrops)
    return video


def still(change: Still) -> Change:
    """Make ``change`` equally to every frame, with the same seed."""

    def apply(video: Video, rng: Generator, backdrops: Backdrops) -> Video:
        seed, frames = int(rng.integers(2**32)), [_frame_of(other) for other in backdrops]
        pictures = (Picture(rgb=rgb, guns=_NO_GUNS, target=_TARGET) for rgb in video.frames)
        return _showing(
            video,
            (change(picture, np.random.default_rng(seed), frames).rgb for picture in pictures),
        )

    return apply


def _frame_of(video: Video) -> Rgb:
    return video.frames[len(video.frames) // 2]


def _showing(video: Video, frames: Sequence[Rgb] | object) -> Video:
    return replace(video, frames=tuple(np.ascontiguousarray(rgb) for rgb in frames))  # type: ignore[union-attr]


def far(video: Video, rng: Generator, backdrops: Backdrops) -> Video:
    """Shrink the scene into a larger frame: on black, on a blur of itself, or on another scene,
    still or moving."""
    share, place = rng.uniform(0.3, 0.8), rng.uniform(size=2)
    match rng.integers(4):
        case 0:
            return _place(video, _blank(video), share, place)
        case 1:
            return _place(video, _blur(video), share, place)
        case 2:
            return _place(video, _freeze(_any(backdrops, rng), video), share, place)
        case _:
            return _place(video, _synchronise(_any(backdrops, rng), video), share, place)


def inset(video: Video, rng: Generator, backdrops: Backdrops) -> Video:
    """Add another camera's moving scene in a corner."""
    share, corner = rng.uniform(0.2, 0.4), rng.integers(2, size=2).astype(float)
    other = _synchronise(_any(backdrops, rng), video)
    return _place(replace(video, frames=other.frames), video, share, corner)


def _any(backdrops: Backdrops, rng: Generator) -> Video:
    return backdrops[rng.integers(len(backdrops))]


def _blank(video: Video) -> Video:
    return _showing(video, [np.zeros_like(video.frames[0])] * len(video.frames))


def _blur(video: Video) -> Video:
    return _showing(
        video, (cv2.GaussianBlur(rgb, (0, 0), sigmaX=rgb.shape[1] / 30) for rgb in video.frames)
    )


def _freeze(other: Video, video: Video) -> Video:
    return _showing(video, [_like(_frame_of(other), video)] * len(video.frames))


def _synchronise(other: Video, video: Video) -> Video:
    """Return ``other`` at the times and in the size of ``video``, repeated if it is shorter."""
    times = [at % max(other.end, Fraction(1, 100)) for at in video.at]
    return _showing(video, (_like(rgb, video) for rgb in frames_at(other, times)))


def _like(rgb: Rgb, video: Video) -> Rgb:
    height, width = video.frames[0].shape[:2]
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def _place(video: Video, canvas: Video, share: float, place: Sequence[float]) -> Video:
    """Place ``video`` at ``share`` of the canvas's sides, at the position ``place`` from 0 to 1."""
    height, width = video.frames[0].shape[:2]
    size = (max(8, int(width * share)), max(8, int(height * share)))
    left, top = int((width - size[0]) * place[0]), int((height - size[1]) * place[1])
    frames = []
    for rgb, behind in zip(video.frames, canvas.frames, strict=True):
        frame = behind.copy()
        frame[top : top + size[1], left : left + size[0]] = cv2.resize(
            rgb, size, interpolation=cv2.INTER_AREA
        )
        frames.append(frame)
    return _showing(video, frames)


def dark(video: Video, rng: Generator, _backdrops: Backdrops) -> Video:
    """Simulate night: less light, a steeper curve, noise in every frame, sometimes no colour,
    sometimes flickering light."""
    return _dim(
        video,
        rng,
        curve=rng.uniform(1.0, 2.2),
        light=rng.uniform(0.25, 0.8),
        noise=rng.uniform(0.005, 0.04),
        flicker=rng.uniform(0, 0.03),
        grey=bool(rng.random() < 0.4),
    )


def _dim(
    video: Video,
    rng: Generator,
    *,
    curve: float,
    light: float,
    noise: float,
    flicker: float = 0.0,
    grey: bool = False,
) -> Video:
    table = ((np.arange(256) / 255.0) ** curve * light).astype(np.float32)
    frames = []
    for rgb in video.frames:
        seen = table[rgb] * (1 + flicker * rng.normal())
        if grey:
            seen = np.repeat(seen.mean(axis=2, keepdims=True), 3, axis=2)
        seen = seen + rng.standard_normal(seen.shape, dtype=np.float32) * noise
        frames.append((seen.clip(0, 1) * 255).astype(np.uint8))
    return _showing(video, frames)


def shake(video: Video, rng: Generator, _backdrops: Backdrops) -> Video:
    """Simulate a hand-held camera, which trembles, drifts and sometimes pans."""
    tremble, pan = rng.uniform(0.002, 0.015), rng.normal(0, 0.06, size=2) * (rng.random() < 0.5)
    return _shake(video, rng, tremble=tremble, pan=pan)


def _shake(
    video: Video, rng: Generator, *, tremble: float, pan: Sequence[float] = (0.0, 0.0)
) -> Video:
    """Move each frame by ``tremble`` of its width (standard deviation, at two rates) and ``pan``
    widths per second, and crop the edges."""
    height, width = video.frames[0].shape[:2]
    seconds = np.array([float(at) for at in video.at])
    waves = rng.uniform(0.7, 4.0, size=(2, 2)), rng.uniform(0, 2 * np.pi, size=(2, 2))
    path = (
        sum(np.sin(2 * np.pi * waves[0][i] * seconds[:, None] + waves[1][i]) for i in range(2))
        * tremble
    )
    path = (path + seconds[:, None] * np.asarray(pan)) * width
    path -= path.mean(axis=0)
    margin = np.minimum(np.abs(path).max(axis=0) + 1, (0.2 * width, 0.2 * height))
    frames = []
    for rgb, (x, y) in zip(video.frames, path.clip(-margin, margin), strict=True):
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
    return _showing(video, frames)


def slower(video: Video, rng: Generator, _backdrops: Backdrops) -> Video:
    """Reduce the frame rate."""
    return at_rate(video, Fraction(int(rng.choice([4, 5, 6, 8]))))


def at_rate(video: Video, rate: Fraction) -> Video:
    """Resample the video to ``rate`` frames per second, each the one on screen at its time."""
    count = max(2, int(video.end * rate))
    at = tuple(video.at[0] + Fraction(index) / rate for index in range(count))
    return replace(video, at=at, frames=tuple(frames_at(video, at)))


def stutter(video: Video, rng: Generator, _backdrops: Backdrops) -> Video:
    """Drop frames; the one before stays on screen."""
    frames, lost = list(video.frames), rng.uniform(0.05, 0.25)
    for index in range(1, len(frames)):
        if rng.random() < lost:
            frames[index] = frames[index - 1]
    return replace(video, frames=tuple(frames))


def soft(video: Video, rng: Generator, _backdrops: Backdrops) -> Video:
    """Blur the video, or enlarge it from a smaller picture."""
    sigma = rng.uniform(0.5, 2.5)
    return _showing(video, (cv2.GaussianBlur(rgb, (0, 0), sigmaX=sigma) for rgb in video.frames))


def bitrate(video: Video, rng: Generator, _backdrops: Backdrops) -> Video:
    """Encode the video with fewer lines and H.264 at a low bit rate."""
    return _encode(video, lines=int(rng.uniform(144, 360)), crf=int(rng.integers(26, 44)))


def _encode(video: Video, *, lines: int, crf: int) -> Video:
    height, width = video.frames[0].shape[:2]
    ratio = min(1.0, lines / min(height, width))
    size = (max(64, int(width * ratio)) // 2 * 2, max(64, int(height * ratio)) // 2 * 2)
    small = [cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) for rgb in video.frames]
    return _showing(video, _through_h264(small, crf=crf))


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
        for packet in encoder.encode(to_video_frame(rgb).reformat(format="yuv420p"))
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
"""The probability of each change, in the order scene, camera, layout, encoder."""


def _overlay(video: Video, rng: Generator, backdrops: Backdrops) -> Video:
    return still(facecam)(
        still(banner)(still(chat)(video, rng, backdrops), rng, backdrops), rng, backdrops
    )


VARIANTS: dict[str, Change] = {
    "as filmed": lambda video, _rng, _backdrops: video,
    "far: shrunk to 0.5, on another camera's still frame": lambda video, rng, backdrops: _place(
        video, _freeze(_any(backdrops, rng), video), 0.5, rng.uniform(size=2)
    ),
    "far: shrunk to 0.35, on another camera's still frame": lambda video, rng, backdrops: _place(
        video, _freeze(_any(backdrops, rng), video), 0.35, rng.uniform(size=2)
    ),
    "far: shrunk to 0.5, beside another camera's moving scene": lambda video, rng, backdrops: (
        _place(video, _synchronise(_any(backdrops, rng), video), 0.5, rng.uniform(size=2))
    ),
    "dark": lambda video, rng, _backdrops: _dim(video, rng, curve=1.8, light=0.4, noise=0.02),
    "shaking": lambda video, rng, _backdrops: _shake(video, rng, tremble=0.01),
    "low bit rate: 240 lines, crf 40": lambda video, _rng, _backdrops: _encode(
        video, lines=240, crf=40
    ),
    "15 frames a second": lambda video, _rng, _backdrops: at_rate(video, Fraction(15)),
    "overlays: chat, banner, face-cam": _overlay,
}
"""The changes that the card measures one by one, in its order."""
