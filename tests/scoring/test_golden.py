from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from scanner.errors import SetupError
from scanner.scoring.golden import (
    GoldenScores,
    check_model,
    generate_pictures,
    largest_difference,
    record_golden,
    write_golden,
)
from scanner.scoring.manifest import read_manifest
from scanner.scoring.onnx import load_onnx
from scanner.testing.scorers import FakeScorer
from scanner.types import FrameSpec, Medium
from tests.scoring.build_onnx import graph, tiny, weights, with_half, with_int8


def shipped(folder: Path) -> Path:
    """Make a model folder with its golden scores."""
    tiny(folder)
    write_golden(folder, record_golden(load_onnx(folder, read_manifest(folder))))
    return folder


def edited(folder: Path, **changes: object) -> Path:
    path = folder / "golden.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def test_the_pictures_of_a_seed_never_change() -> None:
    drawn = generate_pictures(FrameSpec(width=20, height=12), seed=7, count=8)

    digest = hashlib.sha256(b"".join(picture.tobytes() for picture in drawn)).hexdigest()

    assert digest[:16] == "e9f541fb3af48e6d"
    assert [picture.shape for picture in drawn] == [(12, 20, 3)] * 8


def test_a_released_model_reproduces_its_golden_scores(tmp_path: Path) -> None:
    assert check_model(shipped(tmp_path / "tiny")) < 1e-6


def test_a_model_with_other_scores_is_refused(tmp_path: Path) -> None:
    folder = shipped(tmp_path / "tiny")
    scores = json.loads((folder / "golden.json").read_text())["scores"]
    scores[3]["gun"] += 0.01

    with pytest.raises(
        SetupError, match=r"golden scores differ by 0\.0100 in fp32, tolerance is 0\.005"
    ):
        check_model(edited(folder, scores=scores))


def test_golden_scores_of_another_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SetupError,
        match=r"golden.json is of tiny@2, wanted tiny@1 as in the manifest: record it again",
    ):
        check_model(edited(shipped(tmp_path / "tiny"), model="tiny@2"))


def test_a_model_without_golden_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"cannot read .*golden\.json: No such file"):
        check_model(tiny(tmp_path / "tiny"))


def test_golden_scores_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SetupError,
        match=r"golden\.json: tolerance: Input should be less than or equal to 0\.1, got 2\.0",
    ):
        check_model(edited(shipped(tmp_path / "tiny"), tolerance=2.0))


def test_a_difference_in_labels_or_media_counts_as_1() -> None:
    golden = record_golden(FakeScorer("gun", media=[Medium.CAMERA]))

    assert largest_difference(FakeScorer("gun", media=[Medium.CAMERA]), golden) == 0.0
    assert largest_difference(FakeScorer("gun"), golden) == 1.0
    assert largest_difference(FakeScorer("gun", "fire", media=[Medium.CAMERA]), golden) == 1.0


def test_golden_scores_survive_being_written(tmp_path: Path) -> None:
    golden = record_golden(FakeScorer("gun"), seed=3, count=2)

    write_golden(tmp_path, golden)

    assert GoldenScores.model_validate_json((tmp_path / "golden.json").read_bytes()) == golden


def test_the_first_picture_is_the_test_card_and_the_others_differ() -> None:
    drawn = generate_pictures(FrameSpec(width=64, height=64), seed=0, count=4)

    assert len({picture.tobytes() for picture in drawn}) == 4
    assert all(picture.dtype == np.uint8 for picture in drawn)


def test_a_model_with_an_fp16_file_reproduces_its_golden_scores_in_both_precisions(
    tmp_path: Path,
) -> None:
    assert check_model(with_half(shipped(tmp_path / "tiny"))) < 1e-6


def test_an_int8_file_with_other_scores_is_refused(tmp_path: Path) -> None:
    other = graph()
    other.graph.initializer[0].CopyFrom(weights("white", -150.0))

    with pytest.raises(
        SetupError, match=r"golden scores differ by 0\.\d+ in int8, tolerance is 0\.15"
    ):
        check_model(with_int8(shipped(tmp_path / "tiny"), other))


def test_an_fp16_file_with_other_scores_is_refused(tmp_path: Path) -> None:
    other = graph()
    other.graph.initializer[0].CopyFrom(weights("white", 150.0))

    with pytest.raises(
        SetupError, match=r"golden scores differ by 0\.\d+ in fp16, tolerance is 0\.02"
    ):
        check_model(with_half(shipped(tmp_path / "tiny"), other))
