from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from samples.facts import SampleFile
from scanner.cli.app import run
from scanner.evaluate.comparisons import ScoredRow
from scanner.evaluate.results import measure_comparisons
from scanner.evaluate.rows import LabelledRow
from scanner.report.line_text import read_lines
from scanner.report.lines import FrameLine
from tests.scoring.build_onnx import tiny


def scored(
    task: str, label: str, group: str = "g", medium: float = 0.0, **scores: float
) -> ScoredRow:
    return ScoredRow(
        row=LabelledRow(path=Path("x"), task=task, label=label, group=group),
        scores=scores,
        medium={"rendered": medium},
    )


ROWS = [
    scored("violence_clip", "1", "a", fight=0.9),
    scored("violence_clip", "0", "a", fight=0.2),
    scored("weapon", "1", "b", gun=0.8),
    scored("benign", "n04090263_rifle", "c", gun=0.95),
    scored("benign", "n01440764_tench", "c", gun=0.1, fire=0.1),
    scored("fire", "smoke", "d", smoke=0.7),
    scored("fire", "normal", "d", smoke=0.1),
    scored("game_video", "rendered_3d", "e", medium=0.9, gun=0.5),
    scored("game_video", "screen", "f", medium=0.1, gun=0.1),
]


def found(task: str, against: str) -> tuple[int, int, float]:
    (one,) = [
        result
        for result in measure_comparisons(ROWS, rounds=10)
        if (result.task, result.against) == (task, against)
    ]
    return one.positives, one.negatives, one.auc.value


def test_fights_are_compared_with_ordinary_scenes_of_the_same_cameras() -> None:
    assert found("violence_clip", "own") == (1, 1, 1.0)


def test_pictures_that_show_weapons_are_no_negatives_for_guns() -> None:
    assert found("weapon", "benign") == (1, 1, 1.0)


def test_smoke_counts_as_fire() -> None:
    assert found("fire", "own") == (1, 1, 1.0)


def test_games_are_negatives_for_real_weapons() -> None:
    assert found("weapon", "games") == (1, 2, 1.0)


def test_a_row_without_a_score_for_the_label_is_no_negative() -> None:
    silent = scored("benign", "n01440764_tench", "still")

    assert [
        one.negatives
        for one in measure_comparisons([*ROWS, silent], rounds=5)
        if (one.task, one.against) == ("weapon", "benign")
    ] == [1]


def test_rendered_games_are_compared_with_camera_footage() -> None:
    assert found("game_video", "camera") == (1, 4, 1.0)


def test_a_model_in_shadow_has_its_own_result_over_the_rows_it_scored() -> None:
    shadow_rows = [
        replace(
            scored("violence_clip", label, group, fight=0.5), shadow={"clips": {"fight": value}}
        )
        for label, group, value in (("1", "a", 0.9), ("0", "a", 0.1))
    ]

    found = {
        one.label: (one.positives, one.negatives, one.auc.value)
        for one in measure_comparisons([*shadow_rows, *ROWS[:2]], rounds=5)
        if one.against == "own"
    }

    assert found["fight by clips, in shadow"] == (1, 1, 1.0)
    assert found["fight"][:2] == (2, 2)


def test_eval_scores_every_row_and_names_those_it_could_not_read(
    tmp_path: Path, sample_media: Callable[[str], SampleFile], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        ("gone.mp4", "fire", "fire", "a"),
        (sample_media("mp4_h264").path, "benign_video", "0", "b"),
    ]
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "task", "label", "group"), *rows])

    status = run(["eval", "--json", str(tmp_path / "manifest.csv")])

    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert status == 1
    assert (document["rows"], document["failed"]) == (1, 1)
    assert "gone.mp4" in "".join(captured.err.split())  # a long path is wrapped


def test_eval_writes_the_lines_of_a_scan_with_the_paths_of_the_manifest(
    tmp_path: Path, sample_media: Callable[[str], SampleFile]
) -> None:
    media = sample_media("mp4_h264").path
    (tmp_path / media.name).symlink_to(media)
    (tmp_path / "manifest.csv").write_text(
        f"path,task,label,group\n{media.name},benign_video,0,b\n"
    )
    folds = tmp_path / "folds"
    tiny(folds / "fold-0" / "small")
    (folds / "folds.csv").write_text(f"path,fold\n{media.name},0\n")
    saved = tmp_path / "scores.jsonl"

    run(
        [
            "eval",
            "--json",
            str(tmp_path / "manifest.csv"),
            "--save-scores",
            str(saved),
            "--fold-models",
            str(folds),
        ]
    )

    lines = list(read_lines(saved.read_text().splitlines()))
    assert {line.path for line in lines} == {media.name}
    assert {models for line in lines if isinstance(line, FrameLine) for models in line.models} == {
        "test-card@1",
        "small@1",
    }
