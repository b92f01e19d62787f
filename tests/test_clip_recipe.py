"""The training of streamwarden-clip: bursts, changes, motion statistics, and the released model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from samples.facts import SampleFile
from scanner.media.decode import decode_windows_with_bursts
from scanner.media.request import BurstRequest, DecodeRequest
from scanner.media.samples import Rgb
from scanner.media.samples import Sample as Seen
from scanner.scoring.golden import check_model
from scanner.scoring.manifest import read_manifest as read_model
from scanner.scoring.onnx import load_onnx
from scanner.types import Fit, FrameSpec, Label, Medium

REPOSITORY = Path(__file__).resolve().parent.parent
SHIPPED = REPOSITORY / "models" / "streamwarden-clip"


@pytest.fixture(scope="module", autouse=True)
def recipes() -> None:
    """The recipes are scripts, not an installed package."""
    sys.path.insert(0, str(REPOSITORY / "models" / "recipes"))


def video(frames: int = 21, rate: int = 10) -> Any:
    """Coarse grey noise that drifts to the right by two pixels a frame."""
    from clip_model.bursts import Video

    cells = np.random.RandomState(0).randint(0, 256, size=(12, 20, 1)).astype(np.uint8)
    picture = np.ascontiguousarray(
        np.repeat(np.kron(cells, np.ones((8, 8, 1), np.uint8)), 3, axis=2)
    )
    shown = tuple(
        np.ascontiguousarray(np.roll(picture, 2 * number, axis=1)) for number in range(frames)
    )
    return Video(
        at=tuple(Fraction(number, rate) for number in range(frames)),
        frames=shown,
        end=Fraction(frames, rate),
    )


def numbered(rate: int, seconds: int) -> Any:
    """Frames whose grey is their number."""
    from clip_model.bursts import Video

    count = rate * seconds
    frames = tuple(np.full((8, 8, 3), number, np.uint8) for number in range(count))
    return Video(
        at=tuple(Fraction(number, rate) for number in range(count)),
        frames=frames,
        end=Fraction(seconds),
    )


# Bursts


def test_a_burst_shows_the_frame_that_has_begun_last() -> None:
    from clip_model.bursts import frames_at

    seen = frames_at(
        numbered(rate=10, seconds=2), [Fraction(0), Fraction(19, 100), Fraction(2, 10)]
    )

    assert [frame[0, 0, 0] for frame in seen] == [0, 1, 2]


def test_training_and_scan_have_the_same_bursts(
    sample_media: Callable[[str], SampleFile],
) -> None:
    from clip_model.bursts import BURST, SIDE, extract_bursts, read_video

    sample = sample_media("mp4_h264")
    spec = FrameSpec(width=SIDE, height=SIDE, fit=Fit.SQUASH, burst=BURST)

    joined = extract_bursts(read_video(sample.path))

    request = DecodeRequest(specs=(spec,), window=None)
    served = [
        burst.images[spec]
        for _, bursts in decode_windows_with_bursts(
            BytesIO(sample.path.read_bytes()), request, name="sample"
        )
        for burst in bursts.make_bursts(BurstRequest())
    ]
    assert joined
    assert all(
        np.array_equal(np.stack(burst), other) for burst, other in zip(joined, served, strict=True)
    )


# What live streams do


def test_every_draw_of_a_scene_can_be_made_again_from_its_seed() -> None:
    from clip_model.scenes import show

    drawn = [
        show(video(), np.random.default_rng(seed), [video(11)]) for seed in (*range(8), *range(8))
    ]

    assert all(
        np.array_equal(a.frames, b.frames) for a, b in zip(drawn[:8], drawn[8:], strict=True)
    )
    assert all(frame.dtype == np.uint8 for one in drawn for frame in one.frames)


def test_every_variant_keeps_the_size_and_the_length_of_a_scene() -> None:
    from clip_model.scenes import VARIANTS

    for change in VARIANTS.values():
        apply_view = change(video(), np.random.default_rng(0), [video(11)])
        assert {frame.shape for frame in apply_view.frames} == {(96, 160, 3)}
        assert len(apply_view.at) == len(apply_view.frames)
        assert apply_view.end == video().end


def test_a_change_of_single_pictures_is_the_same_for_every_frame() -> None:
    from clip_model.scenes import still
    from frame_model.views import chat

    rested = video()
    rested = type(rested)(
        at=rested.at, frames=rested.frames[:1] * len(rested.frames), end=rested.end
    )

    apply_view = still(chat)(rested, np.random.default_rng(0), [])

    assert all(np.array_equal(a, b) for a, b in pairwise(apply_view.frames))


def test_the_noise_of_the_night_is_new_in_every_frame() -> None:
    from clip_model.scenes import dark

    rested = numbered(rate=10, seconds=1)
    apply_view = dark(
        type(rested)(
            at=rested.at, frames=(np.full((64, 64, 3), 128, np.uint8),) * 10, end=rested.end
        ),
        np.random.default_rng(1),
        [],
    )

    assert all(not np.array_equal(a, b) for a, b in pairwise(apply_view.frames))


def test_a_lower_frame_rate_keeps_the_length_of_a_scene() -> None:
    from clip_model.scenes import at_rate

    slowed = at_rate(numbered(rate=30, seconds=2), Fraction(5))

    assert [frame[0, 0, 0] for frame in slowed.frames] == list(range(0, 60, 6))
    assert slowed.end == 2


# With torch


@pytest.fixture(scope="module")
def torch() -> ModuleType:
    """Training's own library; it is in the extra ``train`` alone."""
    return pytest.importorskip(
        "torch", reason="torch is not installed: pip install streamwarden[train]"
    )


def luma_pair(torch: ModuleType, across: float, down: float) -> tuple[Any, Any]:
    """A smooth picture, and the same picture moved: 1 x 1 x 64 x 64."""
    y, x = np.mgrid[0:64, 0:64].astype(np.float32)

    def picture(x: np.ndarray, y: np.ndarray) -> Any:
        waves = np.sin(x / 4) * np.cos(y / 5) + np.sin((x + 2 * y) / 7)
        return torch.from_numpy((waves / 4 + 0.5).astype(np.float32))[None, None]

    return picture(x, y), picture(x - across, y - down)


@pytest.mark.train
def test_flow_finds_how_far_a_picture_moved(torch: ModuleType) -> None:
    from clip_model.flow import flow_between

    flow, _ = flow_between(*luma_pair(torch, 2.5, -1.0), torch.zeros(1))

    inner = flow[0, :, 12:-12, 12:-12]
    assert inner[0].median().item() == pytest.approx(2.5, abs=0.2)
    assert inner[1].median().item() == pytest.approx(-1.0, abs=0.2)


@pytest.mark.train
def test_camera_motion_is_not_counted_as_motion(torch: ModuleType) -> None:
    from clip_model.flow import camera_motion, flow_between

    flow, trust = flow_between(*luma_pair(torch, 1.5, 0.5), torch.zeros(1))

    rest = ((flow - camera_motion(flow, trust)) * trust)[..., 12:-12, 12:-12]
    assert rest.abs().mean().item() < 0.15


@pytest.mark.train
def test_inverses_are_those_of_linear_algebra(torch: ModuleType) -> None:
    from clip_model.flow import inverse

    root = torch.from_numpy(np.random.RandomState(0).rand(5, 3, 3).astype(np.float32))
    matrices = root @ root.transpose(1, 2) + torch.eye(3)

    assert torch.allclose(inverse(matrices), torch.linalg.inv(matrices), atol=1e-4)


@pytest.mark.train
def test_the_window_closes_in_on_the_place_that_changes(torch: ModuleType) -> None:
    from clip_model.model import busy_window

    differences = torch.zeros(1, 9, 160, 160)
    differences[:, :, 100:130, 20:50] = 0.5

    centre, half = busy_window(differences, torch.zeros(1))

    assert centre[0].tolist() == pytest.approx([35 / 160, 115 / 160], abs=0.05)
    assert half.item() < 0.25


@pytest.mark.train
def test_clips_have_equal_weights_whatever_their_number_of_bursts(torch: ModuleType) -> None:
    from clip_model.fitting import sample_weights
    from frame_model.corpus import CorpusRow

    rows = [
        CorpusRow(path=f"{index}", task="violence_clip", label="1", group="g") for index in range(2)
    ]

    weight = sample_weights(np.array([0, 0, 0, 1]), rows)

    assert weight.sum() == pytest.approx(1)
    assert weight[3] == pytest.approx(weight[:3].sum())


# What was shipped


def test_the_released_model_conforms_to_its_manifest_and_golden_scores() -> None:
    assert check_model(SHIPPED) <= 1e-3


def test_it_is_a_burst_model_gated_by_the_frame_models_fight() -> None:
    manifest = read_model(SHIPPED)

    assert manifest.input.burst is not None
    assert manifest.input.burst.length >= 1
    assert manifest.gate is not None
    assert manifest.gate.label == "fight"
    assert set(manifest.labels) == {"fight"}
    policy = manifest.labels[Label("fight")].policy
    assert policy is not None
    assert Medium.CAMERA in policy.when
    assert Medium.RENDERED not in policy.when


def test_a_static_burst_is_no_fight_anywhere_in_a_batch() -> None:
    scorer = load_onnx(SHIPPED, read_model(SHIPPED))
    (spec,) = scorer.inputs
    random = np.random.RandomState(0)
    pictures = [random.randint(0, 256, size=spec.frame.shape).astype(np.uint8) for _ in range(3)]

    scores = scorer.score([burst_of([picture] * 10, spec) for picture in pictures])

    alone = scorer.score([burst_of([pictures[1]] * 10, spec)])
    assert all(said.values[Label("fight")] < 0.5 for said in scores)
    assert alone[0].values[Label("fight")] == pytest.approx(
        scores[1].values[Label("fight")], abs=1e-4
    )


def burst_of(frames: list[Rgb], spec: FrameSpec) -> Seen:
    return Seen(
        at=Fraction(9, 5), pts=9, keyframe=False, images={spec: np.stack(frames)}, start=Fraction(0)
    )


def test_every_figure_of_the_manifest_is_in_the_card() -> None:
    card = (SHIPPED / "README.md").read_text("utf-8")

    assert all(value in card for value in read_model(SHIPPED).quality.values())
