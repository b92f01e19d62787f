from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scanner.bench.graph_limits import GraphCost, MachineLimits, count_events, measure_graph
from scanner.bench.infer_bench import bench_onnx, open_onnx
from scanner.bench.measure import BenchPlan
from scanner.errors import SetupError
from tests.scoring.build_onnx import tiny

ONCE = BenchPlan(repeats=2, seconds=0, warm_up=0)
LIMITS = MachineLimits(flops=1e9, moved=1e9)


def node(operator: str, inputs: list[list[int]], output: list[int]) -> dict[str, object]:
    return {
        "cat": "Node",
        "args": {
            "op_name": operator,
            "input_type_shape": [{"float": shape} for shape in inputs],
            "output_type_shape": [{"float": output}],
            "activation_size": "100",
            "parameter_size": "10",
            "output_size": "1",
        },
    }


def test_products_count_two_operations_for_each_weight_that_an_output_meets() -> None:
    cost = count_events(
        [
            node("Conv", [[1, 3, 8, 8], [16, 3, 3, 3]], [1, 16, 8, 8]),
            node("Gemm", [[1, 16], [16, 5]], [1, 5]),
            node("Relu", [[1, 5]], [1, 5]),
            {"cat": "Session", "args": {}},
        ]
    )

    assert cost.flops == 2 * (16 * 8 * 8) * (3 * 3 * 3) + 2 * 5 * 16
    assert cost.moved == 3 * 10


def test_the_limit_is_that_of_the_scarcer_resource() -> None:
    assert LIMITS.least_seconds(GraphCost(flops=2 * 10**9, moved=10**9)) == 2.0
    assert LIMITS.least_seconds(GraphCost(flops=10**9, moved=3 * 10**9)) == 3.0


def test_any_onnx_file_is_measured_and_counted(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "tiny")
    (graph,) = folder.glob("*.onnx")

    result = bench_onnx(open_onnx(graph), 3, ONCE, limits=LIMITS)

    assert result.name == f"{graph.name}, batch of 3"
    assert [run.amount.samples for run in result.runs] == [3, 3]
    assert 0 < result.facts["share_of_limit"] < 1


def test_one_run_is_enough_to_count_a_graph(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "tiny")
    (graph,) = folder.glob("*.onnx")
    session = open_onnx(graph).session
    (taken,) = session.get_inputs()
    shape = [size if isinstance(size, int) else 1 for size in taken.shape]

    assert measure_graph(graph.read_bytes(), {taken.name: np.zeros(shape, np.uint8)}).moved > 0


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("text")

    with pytest.raises(SetupError, match=r"text\.onnx"):
        open_onnx(tmp_path / "text.onnx")
    with pytest.raises(SetupError, match="cannot be read"):
        open_onnx(tmp_path / "gone.onnx")
