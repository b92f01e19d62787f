"""The whole evaluation, on made-up scores and on a few real clips."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from scanner.cli.app import run
from scanner.evaluate.streams.fit import FalseIncidentLimits
from scanner.evaluate.streams.pieces import build_pool
from scanner.evaluate.streams.recordings import Recording
from scanner.evaluate.streams.result import BEST_OF_ALL, StreamsResult, evaluate_streams
from scanner.evaluate.streams.sweep import ONE_SAMPLE, REFERENCES, candidate_families
from scanner.report.line_text import dumps
from scanner.report.lines import FrameLine, SummaryLine
from scanner.risk.methods import METHODS
from tests.evaluate.streams.build import FIGHT, policies, recordings_of_cameras

CANDIDATES = candidate_families(policies().labels[FIGHT])


def test_every_risk_method_is_compared() -> None:
    assert set(METHODS) <= set(CANDIDATES)
    assert {one.method for of in CANDIDATES.values() for one in of} == set(METHODS)


def test_dwell_requires_two_samples_or_is_for_comparison_only() -> None:
    dense = candidate_families(replace(policies().labels[FIGHT], hold=Fraction(5, 4)))

    assert {float(one.dwell) for one in CANDIDATES["dwell"]} == {2.5, 3.5, 5.0}
    assert {float(one.dwell) for one in dense["dwell"]} == {1.5, 2.0, 2.5, 3.5, 5.0}
    assert {float(one.dwell) for one in dense[ONE_SAMPLE]} == {0.5}


@pytest.fixture(scope="module")
def result() -> StreamsResult:
    """The result of six cameras and as many games."""
    return evaluate_streams(
        build_pool(recordings_of_cameras(6)), policies(), FalseIncidentLimits(), rounds=20
    )


def test_every_method_detects_clear_scores_without_false_incidents(result: StreamsResult) -> None:
    (label,) = result.labels
    assert label.label == FIGHT
    assert label.in_force.summary.missed.value == 0.0
    assert {one.name for one in label.compared} == {*CANDIDATES, BEST_OF_ALL}
    assert all(one.summary.missed.value == 0.0 for one in label.compared if one.name != "cut_aware")
    assert all(one.summary.false["all"].count == 0 for one in label.compared)
    assert label.compared[-1].fitted.candidate.method in METHODS
    assert not any(one.reference for one in label.compared if one.name not in REFERENCES)


def test_hours_are_those_of_distinct_footage(result: StreamsResult) -> None:
    assert {one.kind: (one.pieces, round(one.hours * 3600)) for one in result.safe} == {
        "ordinary": (6, 144),
        "games": (6, 144),
    }
    assert {kind: round(rate.hours * 3600) for kind, rate in result.incidents.items()} == {
        "ordinary": 144,
        "games": 144,
    }


def written(recordings: Sequence[Recording], folder: Path) -> tuple[Path, Path]:
    """The recordings as a manifest, and as the lines of a scan."""
    manifest, scores = folder / "manifest.csv", folder / "scores.jsonl"
    with manifest.open("w", newline="") as file:
        rows = [(one.row.name, one.row.task, one.row.label, one.row.group) for one in recordings]
        csv.writer(file).writerows([("path", "task", "label", "group"), *rows])
    scores.write_text("".join(f"{dumps(line)}\n" for one in recordings for line in lines(one)))
    return manifest, scores


def lines(one: Recording) -> list[FrameLine | SummaryLine]:
    on_progress: list[FrameLine | SummaryLine] = [
        FrameLine(
            path=one.row.name,
            sequence=0,
            at=float(sample.at),
            pts=int(sample.at * 1000),
            time_base="1/1000",
            scores=dict(sample.values),
            medium={medium.value: share for medium, share in sample.medium.items()},
            models=("m@1",),
        )
        for sample in one.samples
    ]
    summary = SummaryLine(
        path=one.row.name,
        duration=float(one.length),
        frames=len(on_progress),
        medium={},
        coverage=1.0,
        peak_risk={},
        peak_level={},
        peak_score={},
        flagged=(),
    )
    return [*on_progress, summary]


def test_recorded_scores_are_measured_without_a_model_and_unknown_rows_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, scores = written(recordings_of_cameras(6), tmp_path)
    with manifest.open("a") as file:
        file.write("gone.mp4,game_video,screen,game99\n")

    status = run(
        [
            "eval",
            "--streams",
            "--json",
            "--scores",
            str(scores),
            "--html",
            str(tmp_path / "page.html"),
            str(manifest),
        ]
    )

    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert (status, document["type"], document["failed"]) == (1, "stream_evaluation", 1)
    assert "gone.mp4" in "".join(captured.err.split())  # a long path is wrapped
    assert [label["label"] for label in document["labels"]] == ["fight"]
    assert document["labels"][0]["in_force"]["summary"]["false"]["all"]["count"] == 0
    assert "fight: missed against false incidents" in (tmp_path / "page.html").read_text()


def test_footage_without_events_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, scores = written(
        [one for one in recordings_of_cameras(6) if one.row.label != "1"], tmp_path
    )

    assert run(["eval", "--streams", "--json", "--scores", str(scores), str(manifest)]) == 2
    assert "both events and footage" in " ".join(capsys.readouterr().err.split())


@pytest.mark.shared_data
@pytest.mark.slow
def test_real_clips_give_streams_and_a_table(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (shared / "data" / "manifest.csv").open(newline="") as file:
        rows = [
            row for row in csv.DictReader(file) if row["task"] in ("violence_clip", "game_video")
        ]
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(
            {**row, "path": shared / "data" / row["path"]}
            for row in [*rows[:20], *rows[110:130], *rows[206:226]]
        )

    status = run(["eval", "--streams", "--json", str(tmp_path / "manifest.csv")])

    document = json.loads(capsys.readouterr().out)
    assert (status, document["failed"]) == (0, 0)
    assert Fraction(document["safe"][0]["hours"]) > 0
    assert {one["name"] for one in document["labels"][0]["compared"]} == {*CANDIDATES, BEST_OF_ALL}
