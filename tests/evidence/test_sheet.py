"""Contact sheets show every frame, and the blurred one shows none of what is on it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from scanner.evidence.sheet import Tile, compose, write_poster, write_sheet
from scanner.imaging import BLUR_CELLS, blur
from scanner.media.samples import Rgb


def board(width: int = 320, height: int = 180) -> Rgb:
    """Return black and white fields of four pixels: nothing but detail."""
    down, across = np.indices((height, width)) // 4
    return np.repeat(((down + across) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)


def tiles(count: int) -> list[Tile]:
    return [Tile(image=board(), caption=f"0:{number:02d}.0  fire 0.50") for number in range(count)]


def read(path: Path) -> Rgb:
    image = cv2.imread(str(path))
    assert image is not None
    return np.asarray(image[..., ::-1], dtype=np.uint8)


def test_both_sheets_are_written_at_the_stated_size(tmp_path: Path) -> None:
    sheet = write_sheet(tiles(6), tmp_path, "incident")

    assert (sheet.sharp, sheet.blurred) == ("sheets/incident.jpg", "sheets/incident_blurred.jpg")
    for name in (sheet.sharp, sheet.blurred):
        assert read(tmp_path / name).shape == (sheet.height, sheet.width, 3)


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 1, 1), (4, 4, 1), (5, 4, 2), (12, 4, 3)]
)
def test_frames_lie_in_rows_of_four(count: int, columns: int, rows: int) -> None:
    sheet = compose(tiles(count))

    assert sheet.shape[1] // 320 == columns
    assert sheet.shape[0] // 180 == rows


def test_the_blurred_sheet_has_none_of_the_detail(tmp_path: Path) -> None:
    sheet = write_sheet(tiles(4), tmp_path, "incident")

    sharp, soft = (
        read(tmp_path / name)[20:160, 20:300].astype(float) for name in (sheet.sharp, sheet.blurred)
    )
    assert sharp.std() > 100
    assert soft.std() < 8


def test_a_board_and_its_negative_blur_to_the_same_picture() -> None:
    image = board()
    other = 255 - image

    assert np.abs(blur(image).astype(int) - blur(other)).max() <= 8


def test_captions_stay_readable_on_the_blurred_sheet(tmp_path: Path) -> None:
    sheet = write_sheet(tiles(1), tmp_path, "incident")

    captions = [
        read(tmp_path / name)[190:216, 8:200].astype(int) for name in (sheet.sharp, sheet.blurred)
    ]
    assert captions[0].max() > 180
    assert np.abs(captions[0] - captions[1]).mean() < 4


def test_a_blurred_frame_has_no_detail_finer_than_its_cells() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (180, 320, 3), dtype=np.uint8)

    spectrum = np.abs(np.fft.fft2(blur(noise)[..., 0].astype(float)))
    spectrum[0, 0] = 0
    kept = spectrum[:BLUR_CELLS, :BLUR_CELLS].max()
    assert spectrum[2 * BLUR_CELLS : 90, 2 * BLUR_CELLS : 160].max() < 0.01 * kept


def test_a_poster_is_written_blurred_only(tmp_path: Path) -> None:
    name = write_poster(board(), tmp_path, "incident")

    assert [path.name for path in (tmp_path / "sheets").iterdir()] == [
        "incident_poster_blurred.jpg"
    ]
    assert read(tmp_path / name)[10:-10, 10:-10].astype(float).std() < 8


@pytest.mark.parametrize("frames", [[], [board(), board(64, 64)]])
def test_frames_of_different_sizes_are_refused(frames: list[Rgb]) -> None:
    with pytest.raises(ValueError, match="one size"):
        compose([Tile(image=image, caption="fire") for image in frames])
