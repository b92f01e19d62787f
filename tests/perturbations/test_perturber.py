from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from samples.facts import SampleFile
from scanner.errors import FormatError
from scanner.media.redraw import read_first_picture, redraw
from scanner.media.samples import Rgb
from scanner.media.sniff import Container, sniff
from scanner.perturbations.perturber import Perturber
from scanner.perturbations.transforms import PERTURBATIONS, find_perturbation

PERTURBATION_SAMPLE = [
    find_perturbation(name) for name in ("encoded again", "mirror", "shrunk x 0.5", "x264 crf 43")
]


def read_frames(data: bytes) -> list[tuple[float, bool]]:
    with av.open(BytesIO(data)) as container:
        return [
            (round(frame.time, 4), frame.key_frame)
            for frame in container.decode(video=0)
            if frame.time is not None
        ]


def keep(rgb: Rgb, number: int) -> Rgb:
    return rgb


@pytest.mark.parametrize("name", ["mp4_h264", "ts_h264", "webm_vp9", "mp4_rotated_90"])
def test_a_clip_keeps_the_times_of_its_pictures_and_where_its_keyframes_are(
    name: str, sample_media: Callable[[str], SampleFile]
) -> None:
    sample = sample_media(name)
    with sample.path.open("rb") as file:
        perturbed = read_frames(redraw(file, keep, name=name))

    first = sample.facts.pts[0]
    expected = [round(float((pts - first) * sample.facts.time_base), 4) for pts in sample.facts.pts]
    assert [at - perturbed[0][0] for at, _ in perturbed] == pytest.approx(expected, abs=2e-4)
    assert [index for index, (_, key) in enumerate(perturbed) if key] == list(
        sample.facts.keyframes
    )


@pytest.mark.parametrize("name", ["jpeg_420", "png_alpha", "webp", "jpeg_orientation_6"])
def test_a_still_remains_a_still_and_is_rotated_upright(
    name: str, sample_media: Callable[[str], SampleFile]
) -> None:
    sample = sample_media(name)
    with sample.path.open("rb") as file:
        perturbed = redraw(file, keep, name=name)
        upright = read_first_picture(file, name=name)

    assert sniff(perturbed) is Container.PNG
    assert np.array_equal(read_first_picture(BytesIO(perturbed), name="again"), upright)
    assert upright.shape == (sample.facts.height, sample.facts.width, 3)


def test_a_still_at_a_low_bitrate_differs_and_keeps_its_size(
    sample_media: Callable[[str], SampleFile],
) -> None:
    with sample_media("jpeg_420").path.open("rb") as file:
        degraded = read_first_picture(
            BytesIO(redraw(file, keep, crf=50, name="s")), name="low bitrate"
        )
        fine = read_first_picture(file, name="fine")

    assert degraded.shape == fine.shape
    assert 0.5 < np.abs(degraded.astype(int) - fine).mean() < 40


def test_every_perturbation_of_stills_and_clips_is_reproducible(
    sample_media: Callable[[str], SampleFile],
) -> None:
    still, clip = (sample_media(name).path for name in ("jpeg_420", "mp4_h264"))
    with Perturber() as perturber:
        copies = perturber.perturb(still, PERTURBATIONS, seed=1, others=[clip, still])
        first, second = (perturber.perturb(clip, PERTURBATION_SAMPLE, seed=1) for _ in range(2))

    assert list(copies) == [change.name for change in PERTURBATIONS]
    assert all(sniff(data) is Container.PNG for data in copies.values())
    assert all(sniff(data) is Container.MP4 for data in first.values())
    assert first == second
    assert len(first["x264 crf 43"]) < len(first["encoded again"])


def test_an_unreadable_source_is_refused_and_the_next_one_still_works(
    tmp_path: Path, sample_media: Callable[[str], SampleFile]
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video, " * 100)
    with Perturber() as perturber:
        with pytest.raises(FormatError, match="broken"):
            perturber.perturb(broken, PERTURBATION_SAMPLE, seed=0)
        copies = perturber.perturb(
            sample_media("jpeg_420").path, PERTURBATION_SAMPLE, seed=0, others=[broken]
        )

    assert len(copies) == len(PERTURBATION_SAMPLE)
