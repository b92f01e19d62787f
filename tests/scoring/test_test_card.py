from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scanner.media.samples import Rgb
from scanner.scoring.test_card import LABEL, SPEC, THRESHOLD, TestCard, card_correlation, draw_card
from scanner.testing.scorers import check_scorer, sample

CARD = draw_card(640, 360)
MARGIN = 0.15
"""The distance from the threshold that ordinary pictures and damaged cards must keep."""


def squashed(rgb: Rgb) -> Rgb:
    """Scale a picture as ``scanner.media`` does for the card's spec."""
    return np.asarray(cv2.resize(rgb, (SPEC.width, SPEC.height), interpolation=cv2.INTER_AREA))


def inside(width: int, height: int, card: Rgb = CARD) -> Rgb:
    """Return the card, as large as possible, in a black picture of another shape."""
    scale = min(width / card.shape[1], height / card.shape[0])
    size = (round(card.shape[1] * scale), round(card.shape[0] * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    picture = np.zeros((height, width, 3), np.uint8)
    picture[top : top + size[1], left : left + size[0]] = cv2.resize(
        card, size, interpolation=cv2.INTER_AREA
    )
    return picture


def covered(top: int, left: int, height: int, width: int, level: int) -> Rgb:
    """Return the card with an opaque patch."""
    picture = CARD.copy()
    picture[top : top + height, left : left + width] = level
    return picture


def as_jpeg(rgb: Rgb, quality: int) -> Rgb:
    _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def as_h264(rgb: Rgb, *, crf: int, frames: int = 5) -> Rgb:
    """Return the last of some frames encoded at a constant quality."""
    data = io.BytesIO()
    with av.open(data, "w", format="mpegts") as container:
        track = container.add_stream(
            "libx264", rate=30, options={"crf": str(crf), "preset": "ultrafast"}
        )
        track.width, track.height, track.pix_fmt = rgb.shape[1], rgb.shape[0], "yuv420p"
        for _ in range(frames):
            container.mux(track.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(track.encode(None))
    data.seek(0)
    with av.open(data, "r") as read:
        return rgb_of(list(read.decode(video=0))[-1])


def rgb_of(frame: av.VideoFrame) -> Rgb:
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def probability(rgb: Rgb) -> float:
    return TestCard().score([sample(0, squashed(rgb))])[0].values[LABEL]


@pytest.mark.parametrize(
    ("width", "height"), [(8, 8), (64, 36), (224, 224), (360, 640), (1919, 1079)]
)
def test_the_card_is_detected_in_any_size(width: int, height: int) -> None:
    card = draw_card(width, height)

    assert card.shape == (height, width, 3)
    assert card.dtype == np.uint8
    assert probability(card) > 0.999


def test_a_card_of_less_than_a_pixel_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 8 pixels a side, got 7x100"):
        draw_card(7, 100)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(as_jpeg(CARD, 5), id="jpeg of quality 5"),
        pytest.param(as_h264(CARD, crf=51), id="h264 of the worst quality"),
        pytest.param(inside(640, 480), id="letterbox in 4:3"),
        pytest.param(inside(1280, 360), id="pillarbox in 32:9"),
        pytest.param(inside(360, 640), id="landscape in portrait"),
        pytest.param(inside(640, 360, draw_card(360, 640)), id="portrait in landscape"),
        pytest.param(inside(360, 640, inside(480, 640)), id="bars on all sides"),
        pytest.param(np.ascontiguousarray(CARD[:, ::-1]), id="mirrored"),
        pytest.param(covered(0, 0, 160, 290, 235), id="a fifth under a light patch"),
        pytest.param(covered(288, 0, 72, 640, 20), id="a fifth under a dark bar"),
        pytest.param(covered(0, 0, 360, 128, 250), id="a fifth under a chat column"),
        pytest.param((CARD * 0.25).astype(np.uint8), id="dark"),
        pytest.param((CARD * 0.4 + 140).astype(np.uint8), id="pale"),
    ],
)
def test_the_card_is_detected_with_a_wide_margin(picture: Rgb) -> None:
    assert card_correlation(squashed(picture)) > THRESHOLD + MARGIN
    assert probability(picture) > 0.99


def blocks(levels: np.ndarray) -> Rgb:
    """Draw a grid of colours, 224 x 224."""
    rows, columns = 224 // levels.shape[0], 224 // levels.shape[1]
    return (
        np.broadcast_to(levels, (*levels.shape[:2], 3))
        .astype(np.uint8)
        .repeat(rows, axis=0)
        .repeat(columns, axis=1)
    )


RANDOM = np.random.default_rng(0)
ORDINARY = {
    "black": blocks(np.zeros((1, 1, 3))),
    "white": blocks(np.full((1, 1, 3), 255)),
    "gradient": blocks(np.linspace(0, 255, 224).reshape(1, 224, 1)),
    "noise": blocks(RANDOM.integers(0, 256, (224, 224, 3))),
    "another colour code": blocks(RANDOM.integers(0, 2, (8, 8, 3)) * 255),
    "chessboard": blocks(np.indices((8, 8)).sum(axis=0)[..., None] % 2 * 255),
    "colour bars": blocks(
        np.array([[[191 * (7 - bar >> shift & 1) for shift in (2, 1, 0)] for bar in range(8)]])
    ),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_other_pictures_are_not_detected(name: str) -> None:
    assert card_correlation(ORDINARY[name]) < THRESHOLD - MARGIN
    assert probability(ORDINARY[name]) < 0.01


def test_it_is_a_scorer() -> None:
    check_scorer(
        TestCard(),
        [
            sample(0, squashed(CARD)),
            sample(1, np.zeros(SPEC.shape, np.uint8)),
            sample(2, squashed(inside(640, 480))),
        ],
    )


@pytest.mark.shared_data
def test_no_photograph_is_detected(shared: Path) -> None:
    paths = sorted((shared / "data" / "benign_imagenet").glob("*.jpg"))

    found = {path.name: card_correlation(squashed(opened(path))) for path in paths}

    assert len(found) > 400
    assert max(found.values()) < THRESHOLD - MARGIN


@pytest.mark.shared_data
def test_no_game_or_screen_is_detected(shared: Path) -> None:
    paths = sorted((shared / "data" / "game_video").glob("*.mp4"))

    found = [card_correlation(squashed(frame)) for path in paths for frame in keyframes(path)]

    assert len(found) >= len(paths) > 80
    assert max(found) < THRESHOLD - MARGIN


def opened(path: Path) -> Rgb:
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture[:, :, ::-1], dtype=np.uint8)


def keyframes(path: Path) -> Iterator[Rgb]:
    with av.open(str(path), "r") as container:
        track = container.streams.video[0]
        track.codec_context.skip_frame = "NONKEY"
        for frame in container.decode(track):
            yield rgb_of(frame)
