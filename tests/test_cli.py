"""The command line as its users meet it: what it prints where, and its exit status."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samples.facts import SampleFile
from scanner.cli.app import run
from scanner.report.document import load_schema
from tests.scoring.build_onnx import tiny_burst

Media = Callable[[str], SampleFile]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, demo_media: Path) -> Path:
    """Two streams, one of them with the test card."""
    folder = tmp_path_factory.mktemp("live")
    for name in ("plasma", "test-card"):
        shutil.copytree(demo_media / name, folder / name)
    return folder


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the test card only: loading the shipped models takes 0.6 s of each command."""
    monkeypatch.setenv("STREAMWARDEN_MODELS__NAMES", "[]")


def run_command(
    capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> tuple[int, list[dict[str, Any]], str]:
    """Run a command and return its exit status, the lines on stdout and the text on stderr."""
    status = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, [json.loads(row) for row in captured.out.splitlines()], captured.err


def of(rows: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["type"] == kind]


def test_an_ordinary_file_ends_with_its_summary_and_status_0(
    sample_media: Media, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = sample_media("mp4_h264")

    status, rows, _ = run_command(capsys, "scan", "--json", sample.path)

    assert status == 0
    assert rows[-1]["type"] == "summary"
    assert rows[-1]["coverage"] == 1.0
    assert of(rows, "frame")[0]["at"] == 0.0


def test_the_test_card_is_flagged_with_status_3(
    live: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, rows, _ = run_command(capsys, "scan", "--json", live)

    (incident,) = of(rows, "incident")
    assert status == 3
    assert incident["label"] == "test_card"
    assert "test-card" in incident["path"]
    assert incident["start"] <= incident["opened"] <= incident["end"]
    assert {Path(row["path"]).parent.name: row["flagged"] for row in of(rows, "summary")}[
        "plasma"
    ] == []


@pytest.mark.usefixtures("without_models")
def test_a_path_that_fails_gives_status_1_and_the_others_continue(
    tmp_path: Path, sample_media: Media, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no film")

    status, rows, err = run_command(
        capsys, "scan", "--json", tmp_path / "gone.mp4", text, sample_media("ts_h264").path
    )

    assert status == 1
    assert [row["kind"] for row in of(rows, "error")] == ["not_found", "unsupported"]
    assert len(of(rows, "summary")) == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scan"], "Missing argument"),
        (["scan", "--max-gap", "soon", "x"], "'soon' is not a number of seconds"),
        (["scan", "--sampling", "all", "x"], "sampling.strategy"),
        (["scan", "--config", "nowhere.toml", "x"], "nowhere.toml"),
        (["scan", "--workers", "2", "x"], "--workers"),
        (["scan", "--models-dir", "nowhere", "x"], "nowhere"),
        (["replay", "nowhere.jsonl"], "nowhere.jsonl"),
        (["nothing"], "No such command"),
    ],
)
def test_wrong_usage_is_one_message_and_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, rows, err = run_command(capsys, *arguments)

    assert status == 2
    assert rows == []
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_a_report_has_the_clip_and_keeps_to_its_schema(
    live: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonschema = pytest.importorskip("jsonschema")

    status, rows, err = run_command(
        capsys, "scan", "--json", "--out", tmp_path / "out", live / "test-card"
    )

    document = json.loads((tmp_path / "out" / "report.json").read_text())
    jsonschema.validate(document, load_schema())
    assert status == 3
    assert Path(of(rows, "incident")[0]["clip"]).stat().st_size > 1000
    assert (tmp_path / "out" / "report.html").exists()
    assert "report.html" in err


@pytest.mark.usefixtures("without_models")
def test_categories_without_a_model_are_named(
    sample_media: Media, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, err = run_command(capsys, "scan", "--json", sample_media("jpeg_420").path)

    assert "self_harm" in err


@pytest.mark.usefixtures("without_models")
def test_recorded_scores_replay_to_the_incidents_of_the_scan(
    live: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows, _ = run_command(capsys, "scan", "--json", live)
    scores = tmp_path / "scores.jsonl"
    scores.write_text("".join(json.dumps(row) + "\n" for row in rows))

    status, changes, _ = run_command(capsys, "replay", "--json", scores)

    assert status == 0
    assert [{**row, "clip": None} for row in changes[-1]["incidents"]] == of(rows, "incident")


@pytest.mark.usefixtures("without_models")
def test_a_stricter_policy_loses_the_incident(
    live: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows, _ = run_command(capsys, "scan", "--json", live)
    scores, policy = tmp_path / "scores.jsonl", tmp_path / "new.toml"
    scores.write_text("".join(json.dumps(row) + "\n" for row in rows))
    policy.write_text("[policy.test_card]\nopen = 99\n")

    _, changes, _ = run_command(capsys, "replay", "--json", scores, "--policy", policy)

    assert [row["change"] for row in changes] == ["lost", "none"]


@pytest.mark.usefixtures("without_models")
def test_a_recording_replaces_an_earlier_one_and_no_other_file(
    live: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, scores = tmp_path / "a.ts", tmp_path / "scores.jsonl"
    video.write_bytes(b"a video")

    refused, _, message = run_command(capsys, "scan", "--record", video, live)
    first, _, _ = run_command(capsys, "scan", "--record", scores, live)
    again, _, _ = run_command(capsys, "scan", "--record", scores, live)

    assert (refused, video.read_bytes()) == (2, b"a video")
    assert "not a recording" in message
    assert first == again == 3


@pytest.mark.usefixtures("without_models")
@pytest.mark.parametrize("value", ["shadow = true", "severity = 2"])
def test_an_incident_that_a_policy_puts_in_shadow_or_makes_severe_is_listed(
    value: str, live: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores, policy = tmp_path / "scores.jsonl", tmp_path / "new.toml"
    run_command(capsys, "scan", "--record", scores, live)
    policy.write_text(f"[policy.test_card]\n{value}\n")

    _, changes, _ = run_command(capsys, "replay", "--json", scores, "--policy", policy)

    assert [row["change"] for row in changes] == ["moved", "none"]
    assert changes[0]["before"] != changes[0]["after"]


def test_doctor_finds_no_problem_on_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    _, rows, _ = run_command(capsys, "doctor", "--json")

    assert {row["name"]: row["ok"] for row in rows}["sandbox"]
    assert {row["name"]: row["ok"] for row in rows}["codecs"]


def test_models_list_names_every_label_of_the_taxonomy(capsys: pytest.CaptureFixture[str]) -> None:
    _, rows, _ = run_command(capsys, "models", "list", "--json")

    labels = {row["label"]: row["models"] for row in rows if row["type"] == "label"}
    assert {"gun", "self_harm", "cutting"} & labels.keys() == {"gun", "cutting"}
    assert labels["test_card"] == ["test-card@1"]


@pytest.mark.parametrize(("share", "some"), [("1", True), ("0", False)])
def test_bursts_are_scored_for_a_share_of_segments(
    share: str, some: bool, sample_media: Media, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_burst(tmp_path / "tiny-clip")

    status, rows, _ = run_command(
        capsys,
        "scan",
        "--json",
        "--models-dir",
        tmp_path,
        "--base-rate",
        share,
        sample_media("mp4_h264").path,
    )

    assert status == 0
    assert bool([row for row in of(rows, "frame") if "burst" in row]) == some
