from __future__ import annotations

from pathlib import Path

import pytest

from scanner.errors import SetupError
from scanner.scoring.golden import record_golden, write_golden
from scanner.scoring.manifest import read_manifest
from scanner.scoring.onnx import load_onnx
from scanner.scoring.options import user_models_dir
from scanner.scoring.registry import check_models, list_models, load_scorers
from scanner.scoring.scorer import frame_specs
from scanner.types import FrameSpec
from tests.scoring.build_onnx import graph, save, tiny


def models(folder: Path, *names: str) -> Path:
    for name in names:
        tiny(folder / name)
    return folder


def names_of(folder: Path, names: tuple[str, ...] | None) -> list[str]:
    return [scorer.model.name for scorer in load_scorers(folder, names)]


def test_the_test_card_is_always_first_and_all_models_follow_by_name(tmp_path: Path) -> None:
    assert names_of(models(tmp_path, "second", "first"), None) == ["test-card", "first", "second"]


def test_the_names_select_the_models_and_their_order(tmp_path: Path) -> None:
    assert names_of(models(tmp_path, "a", "b", "c"), ("c", "a", "c")) == ["test-card", "c", "a"]


def test_without_models_there_is_the_test_card(tmp_path: Path) -> None:
    assert names_of(tmp_path, None) == ["test-card"]
    assert names_of(models(tmp_path, "a"), ()) == ["test-card"]


def test_an_unknown_name_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(
        SetupError, match="model 'streamwarden-frme': not found; did you mean streamwarden-frame"
    ):
        load_scorers(models(tmp_path, "streamwarden-frame"), ["streamwarden-frme"])


def test_an_unknown_name_without_a_similar_one_is_refused_with_all_names(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="model 'x': not found; there are first, second"):
        load_scorers(models(tmp_path, "first", "second"), ["x"])


def test_a_model_that_differs_from_its_manifest_is_refused(tmp_path: Path) -> None:
    models(tmp_path, "good")
    save(tmp_path / "bad", graph(side=16))

    with pytest.raises(SetupError, match="model bad: input images"):
        load_scorers(tmp_path)


def test_models_with_the_same_input_share_one_spec(tmp_path: Path) -> None:
    scorers = load_scorers(models(tmp_path, "a", "b"))

    assert frame_specs(scorers) == (FrameSpec(width=224, height=224), FrameSpec(width=8, height=8))


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no such folder"):
        load_scorers(tmp_path / "absent")


def test_models_are_listed_by_their_manifests_without_being_loaded(tmp_path: Path) -> None:
    models(tmp_path, "b", "a")
    (tmp_path / "a" / "model.onnx").unlink()
    (tmp_path / "recipes").mkdir()

    assert [str(manifest.ref) for manifest in list_models(tmp_path)] == ["a@1", "b@1"]


def test_every_model_is_checked_even_if_one_fails(tmp_path: Path) -> None:
    models(tmp_path, "a", "b")
    write_golden(
        tmp_path / "b", record_golden(load_onnx(tmp_path / "b", read_manifest(tmp_path / "b")))
    )

    without_golden, good = check_models(tmp_path)

    assert (without_golden.name, without_golden.ok, without_golden.largest_difference) == (
        "a",
        False,
        None,
    )
    assert "golden.json" in without_golden.problem
    assert (good.name, good.ok, good.problem) == ("b", True, "")


def test_added_models_follow_the_others(tmp_path: Path) -> None:
    own, added = models(tmp_path / "own", "b"), models(tmp_path / "added", "a")

    assert [scorer.model.name for scorer in load_scorers(own, added=added)] == [
        "test-card",
        "b",
        "a",
    ]
    assert [manifest.name for manifest in list_models(own, added=added)] == ["b", "a"]
    assert [check.name for check in check_models(own, added=added)] == ["b", "a"]


def test_two_models_of_one_name_are_refused_with_both_folders(tmp_path: Path) -> None:
    own, added = models(tmp_path / "own", "a"), models(tmp_path / "added", "a")

    with pytest.raises(SetupError, match=f"model a: is both {own / 'a'} and {added / 'a'}"):
        list_models(own, added=added)


def test_a_missing_folder_of_added_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"models\.added .*absent: no such folder"):
        list_models(models(tmp_path, "a"), added=tmp_path / "absent")


def test_the_users_models_are_in_the_xdg_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with_it = user_models_dir()
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")

    assert with_it == tmp_path / "streamwarden" / "models"
    assert user_models_dir() == Path("/home/somebody/.local/share/streamwarden/models")
