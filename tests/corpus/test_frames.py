"""Every sample is the frame that its time names, upright and in the right colours."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest

from samples.drawing import read_mark, shows_block, shows_speck
from samples.facts import SampleFile
from scanner.media.sampling import Sampling
from scanner.types import Fit, FrameSpec
from tests.corpus.checks import EVERYTHING, SPEC, check_frames, decode_sample, rgb
from tests.corpus.names import EVENTFUL, STILL, VIDEO

Media = Callable[[str], SampleFile]
KEYFRAMES = Sampling(strategy="keyframes")


@pytest.mark.parametrize(
    "sampling", [Sampling(), KEYFRAMES, EVERYTHING], ids=["adaptive", "keyframes", "every"]
)
@pytest.mark.parametrize("name", VIDEO)
def test_each_sample_is_the_frame_that_its_time_names(
    name: str, sampling: Sampling, sample_media: Media
) -> None:
    sample = sample_media(name)

    windows = decode_sample(sample, sampling=sampling)

    check_frames(sample.facts, windows)


@pytest.mark.parametrize("name", VIDEO)
def test_the_keyframes_strategy_gives_exactly_the_keyframes(name: str, sample_media: Media) -> None:
    sample = sample_media(name)

    windows = decode_sample(sample, sampling=KEYFRAMES)

    assert [s.pts for w in windows for s in w.samples] == [
        sample.facts.pts[k] for k in sample.facts.keyframes
    ]


@pytest.mark.parametrize("name", VIDEO)
def test_every_frame_that_others_reference_can_be_sampled(name: str, sample_media: Media) -> None:
    facts = sample_media(name).facts

    windows = decode_sample(sample_media(name), sampling=EVERYTHING)

    had, wanted = [s.pts for w in windows for s in w.samples], list(facts.pts[facts.hidden :])
    assert had == wanted or (facts.sparable and set(had) < set(wanted))


@pytest.mark.parametrize("name", [name for name in (*VIDEO, *STILL) if name != "ts_resized"])
def test_container_codec_and_size_are_reported(name: str, sample_media: Media) -> None:
    sample = sample_media(name)

    infos = {
        (w.info.container, w.info.codec, w.info.width, w.info.height, w.info.still)
        for w in decode_sample(sample)
    }

    facts = sample.facts
    assert infos == {(facts.container, facts.codec, facts.width, facts.height, facts.still)}


@pytest.mark.parametrize("name", STILL)
def test_a_still_is_one_upright_sample_at_zero(name: str, sample_media: Media) -> None:
    sample = sample_media(name)

    (window,) = decode_sample(sample)

    assert [(s.at, s.keyframe) for s in window.samples] == [(Fraction(0), True)]
    assert window.times.duration == 0
    check_frames(sample.facts, [window])


@pytest.mark.parametrize("name", EVENTFUL)
@pytest.mark.parametrize(("max_gap", "shortest"), [(Fraction(2), 2), (Fraction(1, 2), 1)])
def test_events_between_keyframes_are_sampled(
    name: str, max_gap: Fraction, shortest: int, sample_media: Media
) -> None:
    sample = sample_media(name)

    windows = decode_sample(sample, sampling=Sampling(max_gap=max_gap), window=None)

    shown = {s.at: shows_block(rgb(s)) for w in windows for s in w.samples}
    assert shown == {at: any(at in event for event in sample.facts.events) for at in shown}
    assert [
        e
        for e in sample.facts.events
        if e.end - e.start >= shortest and not any(at in e for at in shown)
    ] == []


def test_a_speck_on_a_still_screen_is_sampled(sample_media: Media) -> None:
    sample = sample_media("ts_still_screen")

    (window,) = decode_sample(sample)

    (event,) = sample.facts.events
    assert [shows_speck(rgb(s)) for s in window.samples] == [s.at in event for s in window.samples]
    assert any(s.at in event for s in window.samples)


def test_a_letterbox_keeps_the_whole_upright_picture(sample_media: Media) -> None:
    spec = FrameSpec(width=160, height=160, fit=Fit.LETTERBOX)

    (window,) = decode_sample(sample_media("mp4_rotated_90"), specs=(spec,))

    image = window.samples[0].images[spec]
    assert read_mark(image[:, 35:125]) == 0
    assert max(image[:, :33].max(), image[:, 127:].max()) <= 20


def test_a_letterbox_keeps_the_aspect_that_is_shown(sample_media: Media) -> None:
    spec = FrameSpec(width=192, height=192, fit=Fit.LETTERBOX)

    (window,) = decode_sample(sample_media("mp4_anamorphic"), specs=(spec,))

    image = window.samples[0].images[spec]
    assert read_mark(image[60:132]) == 0
    assert max(image[:58].max(), image[134:].max()) <= 20


def test_a_crop_keeps_the_middle(sample_media: Media) -> None:
    spec = FrameSpec(width=128, height=128, fit=Fit.CROP)

    (window,) = decode_sample(sample_media("mp4_h264"), specs=(spec,))

    wide = np.zeros((128, 228, 3), np.uint8)
    wide[:, 50:178] = window.samples[0].images[spec]
    assert read_mark(wide) == 0


def test_each_spec_is_made_of_the_same_frame(sample_media: Media) -> None:
    specs = (SPEC, FrameSpec(width=64, height=64), FrameSpec(width=300, height=200))

    windows = decode_sample(sample_media("ts_h264_b_frames"), specs=specs)

    for sample in (s for w in windows for s in w.samples):
        assert {spec: image.shape for spec, image in sample.images.items()} == {
            spec: spec.shape for spec in specs
        }
        assert len({read_mark(image) for image in sample.images.values()}) == 1


@pytest.mark.parametrize(
    "name", ["ts_h264_b_frames", "mp4_hevc_10_bit", "webm_vp9", "bt601_full", "h264_444"]
)
def test_a_small_picture_is_the_mean_of_the_full_one(name: str, sample_media: Media) -> None:
    spec, path = FrameSpec(width=160, height=90), sample_media(name).path

    windows = decode_sample(sample_media(name), specs=(spec,), sampling=KEYFRAMES)

    with av.open(str(path), "r") as container:
        full = {
            frame.pts: frame.to_ndarray(format="rgb24")
            for frame in container.decode(video=0)
            if frame.key_frame
        }
    for sample in (s for w in windows for s in w.samples):
        mean = full[sample.pts].reshape(90, 2, 160, 2, 3).mean(axis=(1, 3))
        assert np.abs(sample.images[spec] - mean).mean() < 2


@pytest.mark.parametrize("name", ["ts_starts_mid_gop"])
def test_spans_that_cannot_be_decoded_are_reported(name: str, sample_media: Media) -> None:
    sample = sample_media(name)

    (window,) = decode_sample(sample)

    assert {unseen.reason for unseen in window.unseen} >= set(sample.facts.unseen)
