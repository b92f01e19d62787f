from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scanner.errors import SetupError
from scanner.scoring.graph_run import read_placement, run_graph
from tests.scoring.build_onnx import SIDE, graph

ONE_OUTPUT = (("logits", 2),)


def event(operator: str, provider: str) -> dict[str, Any]:
    return {
        "cat": "Node",
        "name": f"{operator}_kernel_time",
        "args": {"op_name": operator, "provider": provider},
    }


def test_operators_are_counted_by_provider_without_copies() -> None:
    ran = [
        event("Conv", "CUDA"),
        event("Conv", "CUDA"),
        event("MemcpyToHost", "CUDA"),
        event("Loop", "CPU"),
        event("MemcpyFromHost", "CUDA"),
    ]
    others = [
        {"cat": "Session", "name": "model_run"},
        {"cat": "Node", "name": "Conv_fence_before", "args": {"op_name": "Conv"}},
    ]

    assert read_placement([*ran, *others]) == ({"CUDA": 2, "CPU": 1}, 2)


def test_pictures_are_run_one_by_one_and_as_a_batch() -> None:
    pictures = np.arange(3 * SIDE * SIDE * 3, dtype=np.uint8).reshape(3, SIDE, SIDE, 3)

    trial = run_graph(graph(outputs=ONE_OUTPUT).SerializeToString(), pictures, provider="cpu")

    assert trial.batches
    assert trial.rows == pytest.approx(pictures.mean(axis=(1, 2))[:, :2] / 255, abs=1e-6)
    assert sum(trial.nodes.values()) >= 3
    assert trial.copies == 0


def test_a_fixed_batch_takes_one_picture() -> None:
    pictures = np.zeros((2, SIDE, SIDE, 3), np.uint8)

    assert not run_graph(
        graph(batch=1, outputs=ONE_OUTPUT).SerializeToString(), pictures, provider="cpu"
    ).batches


def test_a_graph_that_fails_on_a_picture_is_reported_with_the_reason() -> None:
    with pytest.raises(SetupError, match="model odd: fails on a generated picture: "):
        run_graph(
            graph(side=16, outputs=ONE_OUTPUT).SerializeToString(),
            np.zeros((1, SIDE, SIDE, 3), np.uint8),
            provider="cpu",
            name="odd",
        )
