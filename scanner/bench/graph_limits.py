"""The least time that a graph could take on this machine: its operations over what the machine can
do, both measured on the spot.

Operations and bytes are counted from the profile of one run, so that a graph of any tool can be
counted: multiplications and additions of convolutions and matrix products, and the weights, which
must be read at least once. What is between two operators may stay in caches and does not count.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scanner.scoring.onnx import open_session, run_session

__all__ = ["GraphCost", "MachineLimits", "count_events", "measure_graph", "measure_limits"]

_SIDE: Final = 512
_COPY_BYTES: Final = 64 << 20
_TIMES: Final = 5
_PRODUCTS: Final = ("Conv", "FusedConv", "ConvTranspose", "MatMul", "Gemm", "FusedMatMul")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphCost:
    """What one run of a graph does."""

    flops: int
    """Additions and multiplications of its convolutions and matrix products."""
    moved: int
    """Bytes of weights that its operators read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineLimits:
    """What one core of the machine can do in a second."""

    flops: float
    """Additions and multiplications of float32, as numpy's matrix product reaches."""
    moved: float
    """Bytes read and written, as a copy of a large array reaches."""

    def least_seconds(self, cost: GraphCost) -> float:
        """Return the time below which the graph cannot run on one core."""
        return max(cost.flops / self.flops, cost.moved / self.moved)


def measure_limits() -> MachineLimits:
    """Measure the ceilings, in a tenth of a second each; several threads count by their time."""
    matrix = np.random.default_rng(0).random((_SIDE, _SIDE), dtype=np.float32)
    source = np.zeros(_COPY_BYTES, np.uint8)
    target = np.empty_like(source)
    products = [_timed(lambda: matrix @ matrix) for _ in range(_TIMES)]
    copies = [_timed(lambda: np.copyto(target, source)) for _ in range(_TIMES)]
    return MachineLimits(flops=2 * _SIDE**3 / min(products), moved=2 * _COPY_BYTES / min(copies))


def measure_graph(graph: bytes, feeds: Mapping[str, NDArray[Any]]) -> GraphCost:
    """Run the graph once on the CPU, with a profile, and count what it does.

    Raises:
        SetupError: it fails on this input.
    """
    with tempfile.TemporaryDirectory(prefix="streamwarden-") as folder:
        session = open_session(graph, provider="cpu", profile=Path(folder) / "run")
        names = [output.name for output in session.get_outputs()]
        run_session(session, names, dict(feeds))
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    return count_events(events)


def count_events(events: Iterable[Mapping[str, Any]]) -> GraphCost:
    """Return the cost of a run from its profile, as onnxruntime writes it."""
    flops = moved = 0
    for event in events:
        facts = event.get("args", {})
        if event.get("cat") != "Node" or "output_type_shape" not in facts:
            continue
        moved += int(facts.get("parameter_size", 0))
        if facts.get("op_name") in _PRODUCTS:
            flops += _count_product(facts)
    return GraphCost(flops=flops, moved=moved)


def _count_product(facts: Mapping[str, Any]) -> int:
    """Return the operations of one product: for each output, two for each weight that it meets."""
    outputs = sum(prod(shape) for shape in _shapes(facts["output_type_shape"])[:1])
    inputs = _shapes(facts.get("input_type_shape", []))
    if len(inputs) < 2:
        return 0
    weights = inputs[1]
    if facts["op_name"].endswith("Conv"):
        return 2 * outputs * prod(weights[1:])
    return 2 * outputs * (inputs[0][-1] if inputs[0] else 1)


def _shapes(entries: Iterable[Mapping[str, list[int]]]) -> list[list[int]]:
    return [shape for entry in entries for shape in entry.values()]


def _timed(work: Any) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
