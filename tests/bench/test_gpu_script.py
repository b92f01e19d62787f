"""The script for GPU machines runs here on the CPU, so that it runs there as it stands."""

from __future__ import annotations

import pytest

from benchmarks import gpu
from benchmarks.gpu import measure_gpu
from scanner.scoring.onnx import BATCH_SIZES


@pytest.mark.slow
def test_every_part_is_measured_or_says_why_not() -> None:
    document = measure_gpu("cpu", seconds=0.0)

    parts = document["parts"]
    assert document["errors"].keys() <= {"torch"}
    assert all(model["agrees"] for model in parts["agreement fp32"].values()), parts[
        "agreement fp32"
    ]
    assert set(parts["bound"]) == {str(size) for size in BATCH_SIZES}
    assert all(one["largest_difference"] < 1e-3 for one in parts["graphs"].values())
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
