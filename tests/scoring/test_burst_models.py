"""Burst models, from the manifest to the scores."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from scanner.errors import SetupError
from scanner.media.samples import Rgb, Sample
from scanner.scoring.golden import check_model, generate_pictures, record_golden, write_golden
from scanner.scoring.manifest import read_manifest
from scanner.scoring.onnx import OnnxScorer, load_onnx
from scanner.scoring.registry import list_models
from scanner.scoring.scorer import burst_gate, frame_specs, is_burst_scorer
from scanner.scoring.segment import score_bursts, separate_shadow, shadowed_labels
from scanner.testing.scorers import FakeScorer, check_scorer, sample
from scanner.types import Burst, FrameSpec, Gate, Label, ModelRef, ScoredFrame, Scores
from tests.scoring.build_onnx import tiny_burst

RANDOM = np.random.default_rng(0)
BURST = Burst(frames=4, rate=5)
GATE = '[gate]\nlabel = "fight"\nabove = 0.3\n'
FIGHT = Label("fight")


def load(folder: Path) -> OnnxScorer:
    return load_onnx(folder, read_manifest(folder))


def flicker(*levels: int) -> Rgb:
    return np.stack([np.full((8, 8, 3), level, np.uint8) for level in levels])


def burst(at: Fraction | int, images: Rgb) -> Sample:
    return sample(at, images, rate=BURST.rate)


def test_a_manifest_states_the_burst_format_and_the_gate(tmp_path: Path) -> None:
    scorer = load(tiny_burst(tmp_path / "clip", gate=GATE))

    assert scorer.inputs == (FrameSpec(width=8, height=8, burst=BURST),)
    assert scorer.inputs[0].shape == (4, 8, 8, 3)
    assert burst_gate(scorer) == Gate(label=FIGHT, above=0.3)
    assert is_burst_scorer(scorer)


def test_a_manifest_may_have_no_gate(tmp_path: Path) -> None:
    assert burst_gate(load(tiny_burst(tmp_path / "clip"))) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("frames = 4", "frames = 1", "burst must have 2 to 32 frames, got 1"),
        ("frames = 4", "frames = 33", "burst must have 2 to 32 frames, got 33"),
        ("rate = 5", "rate = 0", "burst must have 1 to 30 frames a second, got 0"),
        ("rate = 5", "rat = 5", "burst"),
        ('label = "fight"\nabove', 'label = "fihgt"\nabove', "fihgt"),
        ("above = 0.3", "above = 1.3", "gate.above"),
        ("above = 0.3", "abov = 0.3", "above"),
        (
            "burst = { frames = 4, rate = 5 }\n",
            "",
            "gate: must be absent unless the input has a burst",
        ),
    ],
)
def test_an_invalid_manifest_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    folder = tiny_burst(tmp_path / "clip", gate=GATE, edit=edit)

    with pytest.raises(SetupError, match=message):
        read_manifest(folder)


def test_a_graph_of_another_burst_is_refused(tmp_path: Path) -> None:
    folder = tiny_burst(
        tmp_path / "clip", edit=lambda text: text.replace("frames = 4", "frames = 5")
    )

    with pytest.raises(
        SetupError,
        match=r"input images is tensor\(uint8\) of shape N x 4 x 8 x 8 x 3.*N x 5 x 8 x 8 x 3",
    ):
        load(folder)


def test_a_graph_of_single_frames_is_refused(tmp_path: Path) -> None:
    folder = tiny_burst(
        tmp_path / "clip", edit=lambda text: text.replace("burst = { frames = 4, rate = 5 }\n", "")
    )

    with pytest.raises(SetupError, match="its manifest states"):
        load(folder)


def test_scores_are_what_the_graph_computes(tmp_path: Path) -> None:
    scorer = load(tiny_burst(tmp_path / "clip"))

    still, moving = scorer.score([burst(1, flicker(0, 0, 0, 0)), burst(2, flicker(0, 51, 0, 51))])

    assert still.values == {FIGHT: pytest.approx(1 / (1 + math.exp(4.0)), abs=1e-6)}
    assert moving.values == {FIGHT: pytest.approx(1 / (1 + math.exp(4.0 - 40 * 0.2)), abs=1e-6)}


@pytest.mark.parametrize("batches", [False, True])
def test_it_keeps_the_contract_of_a_scorer(batches: bool, tmp_path: Path) -> None:
    loaded = load(tiny_burst(tmp_path / "clip"))
    bursts = [burst(at, RANDOM.integers(0, 256, (4, 8, 8, 3), np.uint8)) for at in range(1, 5)]

    scorer = OnnxScorer(loaded.manifest, loaded._session, batches=batches, path=loaded.path)
    check_scorer(scorer, bursts)


def test_a_fake_burst_scorer_keeps_the_contract() -> None:
    spec = FrameSpec(width=8, height=8, burst=BURST)

    check_scorer(
        FakeScorer("fight", spec=spec),
        [burst(1, flicker(0, 1, 2, 3)), burst(2, flicker(9, 9, 9, 9))],
    )


def test_a_burst_sample_states_its_format_and_start() -> None:
    sampled = burst(2, flicker(0, 0, 0, 0))

    assert (sampled.burst, sampled.start, sampled.at) == (BURST, Fraction(7, 5), 2)
    assert sample(2, np.zeros((8, 8, 3), np.uint8)).burst is None


def test_golden_pictures_of_a_burst_move_and_never_change() -> None:
    drawn = generate_pictures(FrameSpec(width=20, height=12, burst=BURST), seed=7, count=8)

    digest = hashlib.sha256(b"".join(picture.tobytes() for picture in drawn)).hexdigest()

    assert digest[:16] == "c8fdfec8523e50b2"
    assert [picture.shape for picture in drawn] == [(4, 12, 20, 3)] * 8
    assert [bool((picture[0] == picture[1]).all()) for picture in drawn] == [True] + [False] * 7


def test_golden_scores_of_a_burst_model_are_recorded_and_compared(tmp_path: Path) -> None:
    folder = tiny_burst(tmp_path / "clip")
    write_golden(folder, record_golden(load(folder)))

    assert check_model(folder) < 1e-6
    assert [manifest.input.burst for manifest in list_models(tmp_path)] == [BURST]


def test_bursts_go_to_the_scorers_of_their_format() -> None:
    four, two = (
        FrameSpec(width=8, height=8, burst=BURST),
        FrameSpec(width=8, height=8, burst=Burst(frames=2, rate=1)),
    )
    one, other = (
        FakeScorer("fight", spec=four, name="one"),
        FakeScorer("gun", spec=two, name="other"),
    )
    bursts = [
        burst(1, flicker(51, 51, 51, 51)),
        sample(2, flicker(255, 255), rate=1),
        burst(3, flicker(0, 0, 0, 0)),
    ]

    frames = score_bursts([one, other], bursts)

    assert [frame.values for frame in frames] == [{FIGHT: 0.2}, {Label("gun"): 1.0}, {FIGHT: 0.0}]
    assert [(frame.at, frame.start, frame.burst) for frame in frames] == [
        (b.at, b.start, b.burst) for b in bursts
    ]
    assert (one.scored_times, other.scored_times) == ([1, 3], [2])
    assert score_bursts([one], bursts[1:2]) == ()
    assert frame_specs([one, other, one]) == (four, two)


def test_a_scorer_takes_bursts_of_one_format_or_frames() -> None:
    mixed = FakeScorer("fight")
    mixed.inputs = (FrameSpec(width=8, height=8), FrameSpec(width=8, height=8, burst=BURST))  # type: ignore[assignment]

    with pytest.raises(SetupError, match="has inputs of several kinds"):
        is_burst_scorer(mixed)
    assert not is_burst_scorer(FakeScorer("fight"))


def test_a_label_is_shadowed_only_if_another_model_has_it_live() -> None:
    live, shadow = (
        FakeScorer("fight", "gun", name="live"),
        FakeScorer("fight", "fire", name="shadow", shadow=("fight", "fire")),
    )

    assert shadowed_labels([live, shadow]) == {shadow.model: frozenset({FIGHT})}
    assert shadowed_labels([shadow]) == {}


def test_shadowed_scores_are_kept_by_model() -> None:
    scores = Scores(
        model=ModelRef(name="shadow", version="1"), values={FIGHT: 0.9, Label("fire"): 0.1}
    )
    frame = ScoredFrame(at=Fraction(0), pts=0, keyframe=True, scores=(scores,))

    (separated,) = separate_shadow([frame], {scores.model: frozenset({FIGHT})})

    assert separated.values == {Label("fire"): 0.1}
    assert separated.scores[0].shadow == {FIGHT: 0.9}
    assert separate_shadow([frame], {}) == (frame,)
