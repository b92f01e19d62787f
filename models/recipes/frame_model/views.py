"""Changes that pictures undergo in live video: each function makes one change, and ``make_view``
makes random ones.

Labels follow the pixels. A gun that was cropped away or shrunk below ``LEAST_GUN`` pixels is no
longer visible, so the label becomes unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.random import Generator

from scanner.media.samples import Rgb

from . import lights
from .corpus import LABELS, MEDIA, UNKNOWN_MEDIUM
from .flames import compose
from .guns import rearrange
from .pictures import SIDE, Picture, to_video_frame

__all__ = [
    "LEAST_GUN",
    "hide_small_gun",
    "make_composed_view",
    "make_lit_view",
    "make_rearranged_view",
    "make_view",
]

LEAST_GUN = 12.0
"""The width in pixels of the network's input below which a gun is not a training target (the CCTV
guns here are 5 wide)."""
NIGHT_SHARE = 0.5
"""The share of lit views that are by night."""
WHOLE_GUN = 0.6
"""The share of a gun's box that a crop must keep for the gun to count."""

Change = Callable[[Picture, Generator, Sequence[Rgb]], Picture]


def make_view(picture: Picture, rng: Generator, backdrops: Sequence[Rgb]) -> Picture:
    """Return ``picture`` as a live stream could show it.

    Args:
        backdrops: ordinary camera frames for backgrounds and insets, of the same fold so that no
            footage leaks across folds.
    """
    for chance, change in CHANGES:
        if rng.random() < chance:
            picture = change(picture, rng, backdrops)
    return hide_small_gun(picture)


def make_lit_view(picture: Picture, rng: Generator, backdrops: Sequence[Rgb]) -> Picture:
    """Return ``picture`` by night or in other light, as a live stream could show it."""
    change = lights.night if rng.random() < NIGHT_SHARE else lights.colours
    lit = picture.showing(change(picture.rgb, rng))
    for chance, layout in LIT_CHANGES:
        if rng.random() < chance:
            lit = layout(lit, rng, backdrops)
    return hide_small_gun(lit)


def make_composed_view(picture: Picture, rng: Generator, backdrops: Sequence[Rgb]) -> Picture:
    """Return another scene with the warm and bright part of ``picture`` in it."""
    return _with_layout(compose(picture, rng, backdrops), rng, backdrops)


def make_rearranged_view(picture: Picture, rng: Generator, backdrops: Sequence[Rgb]) -> Picture:
    """Return a scene with a gun, or another part of ``picture``, moved or covered."""
    return hide_small_gun(_with_layout(rearrange(picture, rng, backdrops), rng, backdrops))


def _with_layout(picture: Picture, rng: Generator, backdrops: Sequence[Rgb]) -> Picture:
    for chance, layout in COMPOSED_CHANGES:
        if rng.random() < chance:
            picture = layout(picture, rng, backdrops)
    return picture


def hide_small_gun(picture: Picture) -> Picture:
    """Return the picture, with the label gun unknown if its gun is too small to be visible."""
    if picture.target.values[LABELS.index("gun")] != 1.0 or not picture.gun_width() < LEAST_GUN:
        return picture
    return replace(picture, target=picture.target.without("gun"))


def mirror(picture: Picture, _rng: Generator, _backdrops: Sequence[Rgb]) -> Picture:
    """Mirror the picture left to right."""
    guns = picture.guns.copy()
    guns[:, [0, 2]] = 1 - picture.guns[:, [2, 0]]
    return replace(picture, rgb=picture.rgb[:, ::-1], guns=guns)


def crop(picture: Picture, rng: Generator, _backdrops: Sequence[Rgb]) -> Picture:
    """Crop to a window of most of each side; a smaller one if boxes tell what remains visible, or
    there is nothing to lose."""
    height, width = picture.rgb.shape[:2]
    careful = not len(picture.guns) and bool((picture.target.values == 1).any())
    share = rng.uniform(0.8 if careful else 0.55, 0.95, size=2)
    start = rng.uniform(0, 1 - share)
    left, top = (start * (width, height)).astype(int)
    right, bottom = ((start + share) * (width, height)).astype(int)
    cut = replace(picture, rgb=picture.rgb[top:bottom, left:right])
    return _clip_boxes(cut, (picture.guns - np.tile(start, 2)) / np.tile(share, 2))


def _clip_boxes(picture: Picture, boxes: np.ndarray) -> Picture:
    """Return the picture with ``boxes`` clipped to it; the label gun is unknown if no box is
    whole."""
    if not len(boxes):
        return picture
    inside = np.clip(boxes, 0, 1)
    kept = _area(inside) / np.maximum(_area(boxes), 1e-9)
    whole = kept >= WHOLE_GUN
    picture = replace(picture, guns=inside[whole].astype(np.float32))
    return picture if whole.any() else replace(picture, target=picture.target.without("gun"))


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]).clip(0) * (boxes[:, 3] - boxes[:, 1]).clip(0)


def far(picture: Picture, rng: Generator, backdrops: Sequence[Rgb]) -> Picture:
    """Shrink the picture into a larger one: on black, on its own blur (portrait video) or on
    another camera's frame."""
    share, height, width = rng.uniform(0.35, 0.8), *picture.rgb.shape[:2]
    match rng.integers(3):
        case 0:
            return _place(picture, np.zeros_like(picture.rgb), share=share, rng=rng)
        case 1:
            return _place(
                picture,
                cv2.GaussianBlur(picture.rgb, (0, 0), sigmaX=width / 30),
                share=share,
                rng=rng,
            )
        case _:
            behind = cv2.resize(_any(backdrops, rng), (width, height), interpolation=cv2.INTER_AREA)
            return _beside_camera(_place(picture, behind, share=share, rng=rng))


def _beside_camera(picture: Picture) -> Picture:
    """Return the picture with an unknown medium if it is not of a camera, because it now contains a
    camera's frame."""
    if picture.target.medium == MEDIA.index("camera"):
        return picture
    return replace(picture, target=picture.target.shown_on(UNKNOWN_MEDIUM))


def _any(backdrops: Sequence[Rgb], rng: Generator) -> Rgb:
    return backdrops[rng.integers(len(backdrops))]


def _place(picture: Picture, canvas: Rgb, *, share: float, rng: Generator) -> Picture:
    """Place the picture at ``share`` of the canvas's sides at a random position."""
    height, width = canvas.shape[:2]
    small = cv2.resize(
        picture.rgb, (int(width * share), int(height * share)), interpolation=cv2.INTER_AREA
    )
    left, top = (
        int(rng.integers(free + 1)) for free in (width - small.shape[1], height - small.shape[0])
    )
    canvas = canvas.copy()
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    offset = np.tile([left / width, top / height], 2)
    return replace(picture, rgb=canvas, guns=(picture.guns * share + offset).astype(np.float32))


def page(picture: Picture, rng: Generator, _backdrops: Sequence[Rgb]) -> Picture:
    """Place the picture in a page of text; the medium becomes screen, and positive labels
    unknown."""
    height, width = picture.rgb.shape[:2]
    ground = rng.integers(0, 256, size=3)
    canvas = np.full((height, width, 3), ground, np.uint8)
    ink = (255 - ground).tolist()
    for row in range(8, height, 14):
        cv2.putText(
            canvas,
            _words(rng, 12),
            (int(rng.integers(40)), row),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.35,
            ink,
            1,
            cv2.LINE_AA,
        )
    placed = _place(picture, canvas, share=rng.uniform(0.25, 0.5), rng=rng)
    target = picture.target.shown_on(MEDIA.index("screen"))
    for label in np.array(LABELS)[picture.target.values == 1]:
        target = target.without(str(label))
    return replace(placed, target=target)


def chat(picture: Picture, rng: Generator, _backdrops: Sequence[Rgb]) -> Picture:
    """Draw a translucent panel of chat lines along one side."""
    height, width = picture.rgb.shape[:2]
    wide, rgb = int(width * rng.uniform(0.18, 0.35)), picture.rgb.copy()
    left = 0 if rng.random() < 0.5 else width - wide
    rgb[:, left : left + wide] = (rgb[:, left : left + wide] * rng.uniform(0.2, 0.6)).astype(
        np.uint8
    )
    for row in range(12, height, int(rng.integers(14, 22))):
        colour = rng.integers(120, 256, size=3).tolist()
        cv2.putText(
            rgb,
            _words(rng, 4),
            (left + 4, row),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.35,
            colour,
            1,
            cv2.LINE_AA,
        )
    rgb[:, :left] = picture.rgb[:, :left]
    rgb[:, left + wide :] = picture.rgb[:, left + wide :]
    return picture.showing(rgb)


def banner(picture: Picture, rng: Generator, _backdrops: Sequence[Rgb]) -> Picture:
    """Draw a coloured bar with a line of text at the top or the bottom."""
    height = picture.rgb.shape[0]
    tall, rgb = int(height * rng.uniform(0.07, 0.16)), picture.rgb.copy()
    top = 0 if rng.random() < 0.4 else height - tall
    rgb[top : top + tall] = rng.integers(0, 256, size=3)
    size = tall / 40
    cv2.putText(
        rgb,
        _words(rng, 8),
        (6, top + int(tall * 0.7)),
        cv2.FONT_HERSHEY_SIMPLEX,
        size,
        (255, 255, 255),
        1,
        cv2.LINE_AA,
    )
    return picture.showing(rgb)


def facecam(picture: Picture, rng: Generator, backdrops: Sequence[Rgb]) -> Picture:
    """Add another camera's picture in a corner; from a third of the side on, the medium is
    unknown."""
    height, width = picture.rgb.shape[:2]
    share = rng.uniform(0.18, 0.36)
    small = cv2.resize(
        _any(backdrops, rng),
        (int(width * share), int(height * share)),
        interpolation=cv2.INTER_AREA,
    )
    top, left = (
        int(rng.integers(2)) * free for free in (height - small.shape[0], width - small.shape[1])
    )
    rgb = picture.rgb.copy()
    rgb[top : top + small.shape[0], left : left + small.shape[1]] = small
    return picture.showing(rgb) if share < 0.33 else _beside_camera(picture.showing(rgb))


def bars(picture: Picture, rng: Generator, _backdrops: Sequence[Rgb]) -> Picture:
    """Add black bars above and below or at the sides."""
    height, width = picture.rgb.shape[:2]
    share, across = rng.uniform(0.1, 0.4), bool(rng.random() < 0.5)
    rows, columns = (int(height * share), 0) if across else (0, int(width * share))
    canvas = np.zeros((height + 2 * rows, width + 2 * columns, 3), np.uint8)
    canvas[rows : rows + height, columns : columns + width] = picture.rgb
    size = np.tile([canvas.shape[1], canvas.shape[0]], 2)
    guns = (picture.guns * np.tile([width, height], 2) + np.tile([columns, rows], 2)) / size
    return replace(picture, rgb=canvas, guns=guns.astype(np.float32))


def dark(picture: Picture, rng: Generator, _backdrops: Sequence[Rgb]) -> Picture:
    """Simulate night: less light, a steeper curve, sensor noise, sometimes no colour."""
    light = (picture.rgb / 255.0) ** rng.uniform(1.0, 2.2) * rng.uniform(0.25, 0.8)
    if rng.random() < 0.4:
        light = np.repeat(light.mean(axis=2, keepdims=True), 3, axis=2)
    noisy = light + rng.normal(0, rng.uniform(0.01, 0.06), size=light.shape)
    return picture.showing((noisy.clip(0, 1) * 255).astype(np.uint8))


def tint(picture: Picture, rng: Generator, _backdrops: Sequence[Rgb]) -> Picture:
    """Change white balance, brightness and contrast."""
    gain, lift = rng.uniform(0.75, 1.25, size=3), rng.uniform(-20, 20)
    return picture.showing((picture.rgb * gain + lift).clip(0, 255).astype(np.uint8))


def shake(picture: Picture, rng: Generator, _backdrops: Sequence[Rgb]) -> Picture:
    """Add the blur of a moving camera."""
    length = int(rng.integers(3, 12))
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1.0)
    return picture.showing(cv2.filter2D(picture.rgb, -1, kernel / kernel.sum()))


def jpeg(picture: Picture, rng: Generator, _backdrops: Sequence[Rgb]) -> Picture:
    """Encode the picture as JPEG of low quality."""
    _, data = cv2.imencode(
        ".jpg", picture.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 70))]
    )
    return picture.showing(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def bitrate(picture: Picture, rng: Generator, _backdrops: Sequence[Rgb]) -> Picture:
    """Encode the picture as a keyframe with fewer lines and H.264 at a low bit rate."""
    height, width = picture.rgb.shape[:2]
    ratio = min(1.0, rng.uniform(144, 400) / min(height, width))
    size = (
        max(SIDE // 2, int(width * ratio)) // 2 * 2,
        max(SIDE // 2, int(height * ratio)) // 2 * 2,
    )
    small = cv2.resize(picture.rgb, size, interpolation=cv2.INTER_AREA)
    return picture.showing(_through_h264(small, crf=int(rng.integers(26, 44))))


def _through_h264(rgb: Rgb, *, crf: int) -> Rgb:
    height, width = rgb.shape[:2]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.thread_count = (
        width,
        height,
        "yuv420p",
        1,
    )
    encoder.time_base, encoder.options = (
        Fraction(1, 25),
        {"preset": "ultrafast", "tune": "zerolatency", "crf": str(crf)},
    )
    packets = [
        *encoder.encode(to_video_frame(rgb).reformat(format="yuv420p")),
        *encoder.encode(None),
    ]
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    frames = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.decode(
        None
    )
    return frames[0].to_ndarray(format="rgb24")


def _words(rng: Generator, count: int) -> str:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    return " ".join(
        "".join(rng.choice(letters, size=int(rng.integers(2, 9)))) for _ in range(count)
    )


CHANGES: tuple[tuple[float, Change], ...] = (
    (0.5, mirror),
    (0.5, crop),
    (0.12, bars),
    (0.3, far),
    (0.3, tint),
    (0.2, dark),
    (0.12, shake),
    (0.12, facecam),
    (0.12, chat),
    (0.12, banner),
    (0.04, page),
    (0.25, jpeg),
    (0.35, bitrate),
)
"""The probability of each change, in the order scene, camera, layout, encoder."""
LIT_CHANGES: tuple[tuple[float, Change], ...] = (
    (0.5, mirror),
    (0.4, crop),
    (0.1, far),
    (0.1, shake),
    (0.2, jpeg),
    (0.3, bitrate),
)
"""The same for views in other light."""
COMPOSED_CHANGES: tuple[tuple[float, Change], ...] = (
    (0.5, mirror),
    (0.3, tint),
    (0.1, shake),
    (0.2, jpeg),
    (0.4, bitrate),
)
"""The same for composed views."""
