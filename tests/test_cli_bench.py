from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from scanner.bench.document import schema
from scanner.cli.app import run
from tests.bench.build import small_clip
from tests.scoring.build_onnx import tiny, tiny_burst

QUICK = ("--repeats", "2", "--seconds", "0")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small_clip(tmp_path_factory.mktemp("clip")))


@pytest.fixture
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave only the test card as a model."""
    monkeypatch.setenv("STREAMWARDEN_MODELS__DIR", str(tmp_path))


def strip_styles(line: str) -> str:
    """Return the line as it is shown, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def read_document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    Draft202012Validator(schema(), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
        document
    )
    return document


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.usefixtures("no_models")
def test_bench_decode_keeps_to_its_schema(clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["bench", "decode", "--input", clip, *QUICK])

    document = read_document(capsys)
    assert status == 0
    assert (document["bench"], document["input"]["name"], document["input"]["drawn"]) == (
        "decode",
        "small.ts",
        False,
    )
    assert [len(result["runs"]) for result in document["results"]] == [2]
    assert document["results"][0]["streams_per_core"]["median"] > 0


@pytest.mark.usefixtures("no_models")
def test_bench_infer_measures_every_batch(capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["bench", "infer", "--batch", "1", "--batch", "3", *QUICK])

    document = read_document(capsys)
    assert status == 0
    assert document["scenario"] == "offline"
    assert [result["name"] for result in document["results"]] == [
        "test-card@1, batch of 1",
        "test-card@1, batch of 3",
    ]
    assert document["input"] is None


@pytest.mark.usefixtures("no_models")
def test_bench_pipeline_runs_streams_side_by_side(
    clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(["bench", "pipeline", "--input", clip, "--streams", "2", *QUICK])

    document = read_document(capsys)
    assert status == 0
    assert (document["settings"]["streams"], document["settings"]["workers"]) == (2, 0)
    assert document["results"][0]["runs"][0]["units"] == 2


@pytest.mark.usefixtures("no_models")
def test_bench_pipeline_measures_a_folder_too(
    clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(clip).parent
    status = run(["bench", "pipeline", "--input", clip, "--media", str(folder), *QUICK])

    document = read_document(capsys)
    assert status == 0
    assert [result["name"] for result in document["results"]] == [
        "4 streams",
        f"a stream of {folder.name}",
    ]
    assert document["results"][1]["runs"][0]["media_seconds"] == pytest.approx(600)


def test_bench_pipeline_measures_a_stream_that_wants_bursts_where_a_model_takes_them(
    clip: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny(tmp_path / "tiny")
    tiny_burst(tmp_path / "tiny-clip")
    monkeypatch.setenv("STREAMWARDEN_MODELS__DIR", str(tmp_path))

    status = run(["bench", "pipeline", "--input", clip, *QUICK])

    usual, busy = read_document(capsys)["results"]
    assert status == 0
    assert busy["name"] == "a stream that wants bursts"
    assert busy["runs"][0]["samples"] > 2 * busy["runs"][0]["units"]
    assert usual["runs"][0]["samples"] == 2 * usual["runs"][0]["units"]


@pytest.mark.usefixtures("no_models")
def test_the_document_describes_the_machine(clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["bench", "decode", "--input", clip, "--repeats", "1", "--seconds", "0"])

    machine = read_document(capsys)["machine"]
    assert machine["cores"] >= 1
    assert {"av", "numpy"} <= machine["versions"].keys()


@pytest.mark.usefixtures("no_models")
def test_a_terminal_gets_a_table(
    clip: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    run(["bench", "decode", "--input", clip, *QUICK])

    table = capsys.readouterr().out
    assert "Decoding, each segment: medians of 2" in table
    assert "streams/core" in table
    assert all(len(strip_styles(line)) <= 80 for line in table.splitlines())
    assert "small.ts: 128x96 h264 in mpegts, 4.0 s" in table


def test_workers_need_the_workers_package(clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["bench", "pipeline", "--input", clip, "--workers", "1"])

    assert status == 2
    assert "--workers needs the package workers" in capsys.readouterr().err


def test_a_missing_file_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["bench", "decode", "--input", "gone.mp4"])

    assert status == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("streamwarden: ")


@pytest.mark.usefixtures("no_models")
def test_something_is_shown_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    run(["bench", "infer", "--batch", "1", *QUICK])

    assert capsys.readouterr().err.splitlines()[0] == "bench infer"


@pytest.mark.usefixtures("no_models")
def test_a_later_run_is_compared_and_may_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", "infer", "--batch", "1", "--repeats", "3", "--seconds", "0.02"]
    run(command)
    (tmp_path / "old.json").write_text(json.dumps(read_document(capsys)))

    same = run([*command, "--compare", str(tmp_path / "old.json"), "--fail-below", "0.01"])
    shown = capsys.readouterr().out.splitlines()[-1]
    slower = run([*command, "--compare", str(tmp_path / "old.json"), "--fail-below", "100"])

    assert (same, slower) == (0, 1)
    assert shown.startswith("infer, test-card@1, batch of 1: speed ")


@pytest.mark.usefixtures("no_models")
def test_other_work_is_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["bench", "infer", "--batch", "1", *QUICK])
    (tmp_path / "old.json").write_text(json.dumps(read_document(capsys)))

    status = run(
        ["bench", "infer", "--batch", "2", *QUICK, "--compare", str(tmp_path / "old.json")]
    )

    assert status == 2
    assert "no earlier result infer, test-card@1, batch of 2" in capsys.readouterr().err


@pytest.mark.usefixtures("no_models")
@pytest.mark.parametrize("text", [None, "text", "{}", "[]"])
def test_a_file_that_is_no_document_is_told_before_anything_is_measured(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.json"
    if text is not None:
        old.write_text(text)

    status = run(["bench", "infer", "--compare", str(old)])

    assert status == 2
    assert "old.json" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("no_models")
def test_live_finds_a_number_of_streams(clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--live", "0.5", "--live-seconds", "2", *QUICK)
    status = run(["bench", "pipeline", "--input", clip, *options])

    document = read_document(capsys)
    (result,) = document["results"]
    assert status == 0
    assert document["scenario"] == "live"
    assert result["facts"]["live_streams"] >= 1
    assert result["latency_ms"]["p95"] <= 500


@pytest.mark.usefixtures("no_models")
def test_a_fixed_rate_has_latencies_and_a_page(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "bench.html"
    options = ("--rate", "5", "--live-seconds", "1", "--html", str(page), *QUICK)
    status = run(["bench", "pipeline", "--input", clip, *options])

    document = read_document(capsys)
    assert status == 0
    assert document["scenario"] == "server"
    assert document["results"][0]["latency_ms"]["count"] == 20
    assert "<svg" in page.read_text("utf-8")


def test_another_installation_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(["bench", "infer", "--against", str(tmp_path)])

    assert status == 2
    assert "no virtual environment" in capsys.readouterr().err


@pytest.mark.usefixtures("no_models")
def test_two_installations_are_measured_in_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", "infer", "--batch", "1", *QUICK]
    run(command)
    document = read_document(capsys)
    for repeat in document["results"][0]["runs"]:
        repeat["cpu_seconds"] /= 1000
    other = tmp_path / "python"
    other.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(document)}\nEND\n")
    other.chmod(0o700)

    status = run([*command, "--against", str(other), "--rounds", "8", "--fail-below", "0.5"])

    shown = capsys.readouterr()
    assert status == 1
    assert "round 8 of 8" in shown.err
    assert ", slower" in shown.out
