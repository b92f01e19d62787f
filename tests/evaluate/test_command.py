from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from samples.facts import SampleFile
from scanner.cli.app import run
from scanner.report.line_text import read_lines
from scanner.report.lines import FrameLine
from tests.scoring.build_onnx import graph, save, tiny, tiny_burst

COLOURS = {"red": (0, 0, 255), "green": (0, 255, 0), "grey": (90, 90, 90)}
"""In the order of OpenCV. The tiny model's logit of a gun grows with green."""


@pytest.fixture(scope="module")
def labelled(
    tmp_path_factory: pytest.TempPathFactory, sample_media: Callable[[str], SampleFile]
) -> Path:
    """Green guns, red and grey harmless pictures, a clip; a tiny model and the settings that name
    it."""
    folder = tmp_path_factory.mktemp("labelled")
    rows = ["path,task,label,group,slice"]
    for number in range(4):
        for colour, (task, label) in {
            "green": ("weapon", "1"),
            "red": ("weapon", "0"),
            "grey": ("benign", "n1_tench"),
        }.items():
            name = f"{colour}{number}.png"
            cv2.imwrite(str(folder / name), np.full((72, 96, 3), COLOURS[colour], np.uint8))
            rows.append(f"{name},{task},{label},{name},{'left' if number % 2 else ''}")
    rows.append(f"{sample_media('mp4_one_frame').path},benign_video,0,clip,")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    tiny(folder / "models" / "small")
    (folder / "settings.toml").write_text(f'[models]\ndir = "{folder / "models"}"\n')
    return folder


def evaluated(labelled: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    capsys.readouterr()
    status = run(
        [
            "eval",
            str(labelled / "manifest.csv"),
            "--config",
            str(labelled / "settings.toml"),
            "--json",
            *options,
        ]
    )
    assert status == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_robustness_slices_and_a_page_come_from_one_command(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = labelled / "page.html"

    document = evaluated(
        labelled,
        capsys,
        "--robustness",
        "--most",
        "2",
        "--change",
        "mirror",
        "--change",
        "dark",
        "--slices",
        "--html",
        str(page),
    )

    changed = {(one["change"], one["against"]): one for one in document["robustness"]}
    assert {change for change, _ in changed} == {"", "mirror", "dark"}
    assert changed["mirror", "own"]["positives"] == 2
    assert changed["mirror", "own"]["auc_difference"]["value"] == 0.0
    assert changed["", "own"]["auc"]["value"] == 1.0
    assert {one["slice"] for one in document["slices"]} == {
        "left",
        "container mp4",
        "container png",
    }
    assert document["sampled"] == 2
    assert "<h2>Robustness</h2>" in page.read_text("utf-8")


def test_recorded_scores_give_the_figures_that_scoring_gives(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = labelled / "scores.jsonl"

    scored = evaluated(labelled, capsys, "--save-scores", str(saved))
    recorded = evaluated(labelled, capsys, "--scores", str(saved))

    assert recorded == scored
    assert scored["results"]


def test_options_of_robustness_without_it_are_wrong_usage(labelled: Path) -> None:
    assert run(["eval", str(labelled / "manifest.csv"), "--most", "3"]) == 2
    assert run(["eval", str(labelled / "manifest.csv"), "--robustness", "--change", "sepia"]) == 2


def test_an_unknown_task_is_refused_with_the_nearest_name(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["eval", str(labelled / "manifest.csv"), "--task", "weapons"]) == 2
    assert "no task 'weapons'; did you mean 'weapon'?" in capsys.readouterr().err

    assert run(["eval", str(labelled / "manifest.csv"), "--task", "fire"]) == 2
    assert "no row has the task fire; the manifest has benign" in capsys.readouterr().err


def test_rows_of_unknown_tasks_are_counted(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = labelled / "other.csv"
    text = (labelled / "manifest.csv").read_text()
    manifest.write_text(text + "a.png,wepon,1,a,\nb.png,wepon,1,b,\nc.png,,1,c,\n")

    run(["eval", str(manifest), "-c", str(labelled / "settings.toml"), "--json"])

    out, err = capsys.readouterr()
    assert json.loads(out)["left_out"] == {"wepon": 2, "": 1}
    assert "left out: 2 rows of the unknown task wepon\n" in err
    assert "left out: 1 row of the unknown task (none)\n" in err


def test_every_label_of_the_taxonomy_is_a_task(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "models" / "smoking", graph(), edit=lambda text: text.replace("gun", "tobacco"))
    (tmp_path / "settings.toml").write_text(f'[models]\ndir = "{tmp_path / "models"}"\n')
    rows = (labelled / "manifest.csv").read_text().replace(",weapon,", ",tobacco,")
    (labelled / "smoking.csv").write_text(f"{rows}green0.png,alcohol,1,a,\n")
    arguments = ["eval", str(labelled / "smoking.csv"), "-c", str(tmp_path / "settings.toml")]

    status = run([*arguments, "--json"])

    out, err = capsys.readouterr()
    document = json.loads(out)
    assert status == 0
    measured = {(one["task"], one["against"]): one["auc"]["value"] for one in document["results"]}
    assert measured == {("tobacco", "own"): 1.0, ("tobacco", "benign"): 1.0}
    assert document["unmeasured"] == {"alcohol": "no model in use scores alcohol"}
    assert "not measured: task alcohol: no model in use scores alcohol" in err


@pytest.mark.parametrize(
    ("setting", "options", "moving"),
    [("", (), True), ("[bursts]\nbase_rate = 0\n", (), False), ("", ("--base-rate", "0"), False)],
    ids=["by default", "the settings disable them", "the option disables them"],
)
def test_bursts_of_every_segment_are_sampled_by_default(
    tmp_path: Path,
    sample_media: Callable[[str], SampleFile],
    setting: str,
    options: tuple[str, ...],
    moving: bool,
) -> None:
    tiny(tmp_path / "models" / "small")
    tiny_burst(tmp_path / "models" / "moving")
    (tmp_path / "settings.toml").write_text(f'{setting}[models]\ndir = "{tmp_path / "models"}"\n')
    (tmp_path / "manifest.csv").write_text(
        f"path,task,label,group\n{sample_media('mp4_h264').path},violence_clip,1,a\n"
    )
    saved = tmp_path / "scores.jsonl"

    run(
        [
            "eval",
            str(tmp_path / "manifest.csv"),
            "-c",
            str(tmp_path / "settings.toml"),
            "--json",
            "--save-scores",
            str(saved),
            *options,
        ]
    )

    lines = list(read_lines(saved.read_text().splitlines()))
    assert any(isinstance(line, FrameLine) and line.burst is not None for line in lines) is moving
