"""The script for GPU machines runs here on the CPU, so that it runs there as it stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gpu
from benchmarks.gpu import measure_gpu
from scanner.media.samples import Sample
from scanner.scoring.onnx import BATCH_SIZES, OnnxScorer
from scanner.types import Scores


@pytest.mark.slow
def test_every_part_is_measured_or_says_why_not() -> None:
    document = measure_gpu("cpu", seconds=0.0)

    parts = document["parts"]
    assert document["errors"].keys() <= {"torch"}
    assert all(model["agrees"] for model in parts["agreement fp32"].values()), parts[
        "agreement fp32"
    ]
    assert set(parts["bound"]) == {str(size) for size in BATCH_SIZES}
    assert document["differs"] == []
    assert all(one["largest_difference"] < 1e-3 for one in parts["graphs"].values())
    assert all(one["largest_difference"] < 1e-3 for one in parts["bound"].values())
    assert len(parts["in flight"]) == 4
    assert parts["sizes"]["filled up"]["per_second"] > 0
    assert parts["nvdec"]["h264"]["per_second"] > 0


def test_a_part_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("no such device")

    monkeypatch.setattr(gpu, "_parts", lambda *_: [("a", fail), ("b", lambda: 5)])

    document = measure_gpu("cpu", seconds=0.0)

    assert document["parts"] == {"b": 5}
    assert document["errors"] == {"a": "RuntimeError: no such device"}


def test_no_part_begins_once_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "BUDGET_SECONDS", -1.0)
    monkeypatch.setattr(gpu, "_parts", lambda *_: [("a", lambda: 5)])

    assert measure_gpu("cpu", seconds=0.0)["errors"] == {"a": "no time was left"}


def test_a_wrong_result_is_named_and_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every part that compares: with the CPU, with bound buffers, and of two threads."""
    score = OnnxScorer.score

    def score_wrongly(self: OnnxScorer, batch: Sequence[Sample]) -> list[Scores]:
        scores = score(self, batch)
        if next(calls) % 2 == 0:
            return scores
        return [replace(one, values=dict.fromkeys(one.values, 0.5)) for one in scores]

    calls = count()
    monkeypatch.setattr(OnnxScorer, "score", score_wrongly)
    parts = [
        ("agreement fp32", lambda: gpu._agreement("cpu", "fp32")),
        ("in flight", lambda: gpu._in_flight("cpu", 0.0)),
    ]
    monkeypatch.setattr(gpu, "_parts", lambda *_: parts)
    monkeypatch.setattr(gpu, "BATCH_SIZES", (1, 2))
    monkeypatch.setattr("sys.argv", ["gpu", "--provider", "cpu", "--out", str(tmp_path / "g")])

    with pytest.raises(SystemExit) as ended:
        gpu.main()

    differs = json.loads((tmp_path / "g").read_text())["differs"]
    assert ended.value.code == 1
    assert any(path.startswith("agreement fp32/streamwarden-frame") for path in differs)
    assert any(path.startswith("in flight/") for path in differs)


@pytest.mark.parametrize("wrong", [0.1, float("nan")])
def test_outputs_that_are_apart_do_not_agree(wrong: float) -> None:
    values = np.zeros(3, np.float32)

    assert gpu._compare([values], [values])["agrees"]
    assert not gpu._compare([values, values], [values, values + np.float32(wrong)])["agrees"]


def test_a_part_that_may_be_missing_fails_no_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail() -> None:
        raise ImportError("no torch")

    monkeypatch.setattr(gpu, "_parts", lambda *_: [("torch", fail)])
    monkeypatch.setattr("sys.argv", ["gpu", "--provider", "cpu", "--out", str(tmp_path / "g")])

    with pytest.raises(SystemExit) as ended:
        gpu.main()

    assert not ended.value.code
