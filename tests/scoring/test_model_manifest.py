from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from scanner.errors import SetupError
from scanner.scoring.manifest import Manifest, read_manifest
from scanner.types import Fit, FrameSpec, Label, Medium, ModelRef
from tests.scoring.build_onnx import graph, manifest_table, save, tiny


def error_after(folder: Path, old: str, new: str) -> str:
    """Return the error for a manifest in which one piece of text was replaced."""

    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    save(folder, graph(), edit=edit)
    with pytest.raises(SetupError) as error:
        read_manifest(folder)
    return str(error.value)


def test_a_manifest_has_the_properties_of_its_scorer(tmp_path: Path) -> None:
    manifest = read_manifest(tiny(tmp_path / "tiny"))

    assert manifest.ref == ModelRef(name="tiny", version="1")
    assert manifest.input.spec == FrameSpec(width=8, height=8, fit=Fit.SQUASH)
    assert manifest.scored_labels == ("fight", "gun")
    assert manifest.media == (Medium.CAMERA, Medium.RENDERED, Medium.SCREEN)


def test_omitted_values_have_neutral_defaults(tmp_path: Path) -> None:
    facts = read_manifest(tiny(tmp_path / "tiny")).labels

    assert (facts[Label("fight")].calibration.a, facts[Label("fight")].calibration.b) == (1.0, 0.0)
    assert facts[Label("fight")].policy.level is None
    assert facts[Label("gun")].policy.when == (Medium.CAMERA,)


def test_a_manifest_is_immutable(tmp_path: Path) -> None:
    manifest = read_manifest(tiny(tmp_path / "tiny"))

    with pytest.raises(ValidationError, match="frozen"):
        manifest.version = "2"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("width = 8", "widht = 8", "input.widht: no such key; did you mean width?"),
        ("still = 0.9", "stil = 0.9", "labels.gun.policy.stil: no such key; did you mean still?"),
        ("width = 8", "width = 4", "input: frame spec must be 8 to 2048 pixels a side, got 4x8"),
        (
            "training_prior = 0.25",
            "training_prior = 1.0",
            "labels.gun.training_prior: Input should be less than 1",
        ),
        (
            "training_prior = 0.25",
            "training_prior = nan",
            "labels.gun.training_prior: Input should be",
        ),
        ("a = 2.0", "a = -2.0", "labels.gun.calibration.a: Input should be greater than 0"),
        ('file = "model.onnx"', 'file = "../model.onnx"', "file: String should match pattern"),
        (
            '"camera", "rendered"',
            '"cinema", "rendered"',
            "outputs.1: unknown medium cinema; known are camera, rendered, drawn, screen, mixed",
        ),
        (
            '"fight", "gun"',
            '"gun", "gun"',
            "outputs.0: labels must differ from each other, got gun, gun",
        ),
        (
            'labels = ["fight", "gun"]',
            "labels = []",
            "outputs.0: output of kind label must have labels",
        ),
        (
            '"softmax"',
            '"sigmoid"',
            "outputs.1: activation of an output of kind medium must be softmax or none",
        ),
        (
            '"sigmoid"',
            '"sigmoid"\ntemperature = 2.0',
            "outputs.0: temperature must be 1 unless the activation is softmax",
        ),
        (
            "[labels.gun]",
            "[labels.gum]",
            "labels: label 'gum' is not in the taxonomy; did you mean 'gun'?",
        ),
        (
            "[labels.gun]",
            "[labels.yes_fight]",
            "labels: 'yes_fight' is not a label, wanted fight",
        ),
        ('"fight", "gun"', '"gun"', "[labels.fight] is the label of no output"),
        ('"fight", "gun"', '"fight", "gun", "fire"', "no [labels.fire] with its training_prior"),
        ("opset = 17", 'opset = "new"', "opset: Input should be a valid integer"),
        ('licence = "CC0-1.0"', "", "licence: Field required"),
        ("[input]", "[input", "Expected ']'"),
        (
            'name = "tiny"',
            'name = "small"',
            "name is small, wanted the name of its folder, tiny",
        ),
    ],
)
def test_an_error_states_the_file_and_the_full_path_of_the_key(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    error = error_after(tmp_path / "tiny", old, new)

    assert str(tmp_path / "tiny" / "model.toml") in error
    assert message in error


def test_a_model_with_nothing_to_score_is_refused() -> None:
    table = manifest_table() | {
        "labels": {},
        "outputs": [{"name": "features", "kind": "embedding"}],
    }

    with pytest.raises(ValidationError, match="wanted one of kind label or medium"):
        Manifest.model_validate(table)


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    error = error_after(tmp_path / "tiny", "width = 8\nheight = 8", "widht = 8\nheight = 8.5")

    assert "input.width: Field required" in error
    assert "input.widht: no such key" in error
    assert "input.height: Input should be a valid integer" in error


def test_a_folder_without_a_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"cannot read .*model.toml: No such file"):
        read_manifest(tmp_path)
