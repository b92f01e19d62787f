"""A source is cut into windows without loss, and decoding can be resumed at any of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from samples.facts import SampleFile
from scanner.media.samples import DecodedWindow
from scanner.media.sampling import Sampling
from tests.corpus.checks import check_holes, check_windows, decode_sample
from tests.corpus.names import VIDEO

Media = Callable[[str], SampleFile]
LENGTHS = [Fraction(1), Fraction(3), Fraction(10)]
LONG = [
    "ts_h264_open_gop",
    "ts_long_gop_b_frames",
    "mp4_short_gops",
    "webm_long_gop",
    "mp4_uneven",
    "ts_jump_back",
    "ts_wrap",
]


@pytest.mark.parametrize("name", VIDEO)
@pytest.mark.parametrize("length", LENGTHS)
def test_windows_cover_every_frame_once(name: str, length: Fraction, sample_media: Media) -> None:
    sample = sample_media(name)

    windows = decode_sample(sample, window=length, specs=())

    check_windows(sample.facts, windows, length)


@pytest.mark.parametrize("name", VIDEO)
def test_without_windows_a_source_is_one(name: str, sample_media: Media) -> None:
    facts = sample_media(name).facts

    (window,) = decode_sample(sample_media(name), window=None, specs=())

    assert (window.index, window.last) == (0, True)
    assert window.times.first_pts == facts.pts[0]
    ticks = (window.times.last_pts - window.times.first_pts) % (
        1 << facts.wrap_bits
    )  # on the first frame's clock, whatever jumps follow
    assert ticks * facts.time_base == facts.times[-1]


@pytest.mark.parametrize("name", [name for name in VIDEO if name != "mp4_trimmed"])
@pytest.mark.parametrize(
    "gaps",
    [(Fraction(1, 2), Fraction(2)), (Fraction(1, 4), Fraction(1)), (Fraction(1), Fraction(4))],
)
def test_adaptive_sampling_keeps_between_its_gaps(
    name: str, gaps: tuple[Fraction, Fraction], sample_media: Media
) -> None:
    sample = sample_media(name)
    sampling = Sampling(min_gap=gaps[0], max_gap=gaps[1])

    windows = decode_sample(sample, sampling=sampling, specs=())

    check_holes(sample.facts, windows, sampling)


@pytest.mark.parametrize("name", LONG)
def test_resumed_decoding_gives_the_remaining_windows(name: str, sample_media: Media) -> None:
    sample = sample_media(name)
    whole = decode_sample(sample, window=Fraction(2))

    for first in range(len(whole) + 1):
        assert summarize(
            decode_sample(sample, window=Fraction(2), first_window=first)
        ) == summarize(whole[first:])


def summarize(windows: list[DecodedWindow]) -> list[object]:
    """Return all fields of the windows, pictures as bytes."""
    return [
        (
            w.index,
            w.times,
            w.unseen,
            w.info,
            w.discontinuity,
            w.last,
            [(s.at, s.pts, s.keyframe, pictures(s.images)) for s in w.samples],
        )
        for w in windows
    ]


def pictures(images: object) -> list[bytes]:
    """Return the bytes of each array."""
    assert isinstance(images, dict)
    return [np.asarray(image).tobytes() for image in images.values()]
