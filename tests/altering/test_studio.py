from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from samples.facts import Sample
from scanner.altering.changes import CHANGES, change_named
from scanner.altering.studio import Studio
from scanner.errors import FormatError
from scanner.media.redraw import first_picture, redraw
from scanner.media.samples import Rgb
from scanner.media.sniff import Container, sniff

CALM = [change_named(name) for name in ("encoded again", "mirror", "shrunk x 0.5", "x264 crf 43")]


def frames(data: bytes) -> list[tuple[float, bool]]:
    with av.open(BytesIO(data)) as container:
        return [
            (round(frame.time, 4), frame.key_frame)
            for frame in container.decode(video=0)
            if frame.time is not None
        ]


def same(rgb: Rgb, number: int) -> Rgb:
    return rgb


@pytest.mark.parametrize("name", ["mp4_h264", "ts_h264", "webm_vp9", "mp4_rotated_90"])
def test_a_clip_keeps_the_times_of_its_pictures_and_where_its_keyframes_are(
    name: str, sample_media: Callable[[str], Sample]
) -> None:
    sample = sample_media(name)
    with sample.path.open("rb") as file:
        drawn = frames(redraw(file, same, name=name))

    first = sample.facts.pts[0]
    expected = [round(float((pts - first) * sample.facts.time_base), 4) for pts in sample.facts.pts]
    assert [at - drawn[0][0] for at, _ in drawn] == pytest.approx(expected, abs=2e-4)
    assert [index for index, (_, key) in enumerate(drawn) if key] == list(sample.facts.keyframes)


@pytest.mark.parametrize("name", ["jpeg_420", "png_alpha", "webp", "jpeg_orientation_6"])
def test_a_still_stays_one_and_is_upright(name: str, sample_media: Callable[[str], Sample]) -> None:
    sample = sample_media(name)
    with sample.path.open("rb") as file:
        drawn = redraw(file, same, name=name)
        shown = first_picture(file, name=name)

    assert sniff(drawn) is Container.PNG
    assert np.array_equal(first_picture(BytesIO(drawn), name="again"), shown)
    assert shown.shape == (sample.facts.height, sample.facts.width, 3)


def test_a_still_through_a_poor_encoder_is_another_picture_of_the_same_size(
    sample_media: Callable[[str], Sample],
) -> None:
    with sample_media("jpeg_420").path.open("rb") as file:
        poor = first_picture(BytesIO(redraw(file, same, crf=50, name="s")), name="poor")
        fine = first_picture(file, name="fine")

    assert poor.shape == fine.shape
    assert 0.5 < np.abs(poor.astype(int) - fine).mean() < 40


def test_the_studio_makes_every_change_of_stills_and_clips_the_same_each_time(
    sample_media: Callable[[str], Sample],
) -> None:
    still, clip = (sample_media(name).path for name in ("jpeg_420", "mp4_h264"))
    with Studio() as studio:
        made = studio.altered(still, CHANGES, seed=1, others=[clip, still])
        one, again = (studio.altered(clip, CALM, seed=1) for _ in range(2))

    assert list(made) == [change.name for change in CHANGES]
    assert all(sniff(data) is Container.PNG for data in made.values())
    assert all(sniff(data) is Container.MP4 for data in one.values())
    assert one == again
    assert len(one["x264 crf 43"]) < len(one["encoded again"])


def test_what_cannot_be_read_is_refused_and_the_studio_goes_on(
    tmp_path: Path, sample_media: Callable[[str], Sample]
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video, " * 100)
    with Studio() as studio:
        with pytest.raises(FormatError, match="broken"):
            studio.altered(broken, CALM, seed=0)
        made = studio.altered(sample_media("jpeg_420").path, CALM, seed=0, others=[broken])

    assert len(made) == len(CALM)
