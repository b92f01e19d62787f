"""A trial run of a graph: its outputs, the provider that runs each operator, the copies between
memories, and whether it takes several pictures at once."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scanner.errors import SetupError
from scanner.scoring.onnx import open_session, run_session
from scanner.scoring.options import Provider

__all__ = ["GraphRun", "read_placement", "run_graph", "run_one_by_one", "supports_batches"]

TOLERANCE: Final = 0.005
"""The largest difference of a probability between a picture alone and in a batch, which may run by
other kernels."""
COPY: Final = "Memcpy"
"""The prefix of the operators that onnxruntime inserts between providers: MemcpyToHost,
MemcpyFromHost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRun:
    """The results of a trial run."""

    rows: NDArray[np.float32]
    """Pictures x columns: the output of each picture run by itself."""
    nodes: Mapping[str, int]
    """The number of operators by the provider that ran them, after fusion and without copies."""
    copies: int
    """The number of copies between the memories of two providers in one run."""
    batches: bool
    """True if a batch of all pictures gives the same rows."""


def run_graph(
    model: bytes, pictures: NDArray[np.uint8], *, provider: Provider, name: str = "model"
) -> GraphRun:
    """Run a graph of one input and one output on pictures, one by one and as one batch.

    Args:
        pictures: N x H x W x 3 uint8.

    Raises:
        SetupError: the runtime refuses the model or fails on a single picture.
    """
    rows = run_one_by_one(model, pictures, provider=provider, name=name)
    nodes, copies = read_placement(_profile(model, pictures[:1], provider, name))
    batches = supports_batches(model, pictures, rows, provider=provider, name=name)
    return GraphRun(rows=rows, nodes=nodes, copies=copies, batches=batches)


def run_one_by_one(
    model: bytes, pictures: NDArray[np.uint8], *, provider: Provider, name: str = "model"
) -> NDArray[np.float32]:
    """Return the graph's output for each picture by itself: pictures x columns.

    Raises:
        SetupError: the runtime refuses the model or fails on a picture, or a second run on the
            first picture gives another output.
    """
    session = open_session(model, provider=provider, name=name)
    try:
        rows = np.concatenate([_run(session, picture[None]) for picture in pictures])
        again = _run(session, pictures[:1])
    except SetupError as error:
        raise SetupError(f"model {name}: fails on a generated picture: {error}") from error
    if not np.allclose(again, rows[:1], rtol=0.0, atol=TOLERANCE, equal_nan=True):
        raise SetupError(
            f"model {name}: gives different outputs for the same picture, "
            "wanted a deterministic graph without state"
        )
    return rows


def supports_batches(
    model: bytes,
    pictures: NDArray[np.uint8],
    rows: NDArray[np.float32],
    *,
    provider: Provider,
    name: str = "model",
) -> bool:
    """Return whether one batch of all pictures gives the ``rows`` that they gave one by one.

    A graph may declare a variable batch dimension and still contain a fixed one; then the runtime
    fails on the batch.
    """
    session = open_session(model, provider=provider, name=name)
    if isinstance(session.get_inputs()[0].shape[0], int):
        return False
    try:
        together = _run(session, pictures)
    except SetupError:
        return False
    return together.shape == rows.shape and bool(np.all(np.abs(together - rows) <= TOLERANCE))


def read_placement(events: list[dict[str, Any]]) -> tuple[dict[str, int], int]:
    """Return the number of operators by provider, and the number of copies between providers.

    Args:
        events: the profile of one run, as onnxruntime writes it.
    """
    kernels = [
        event["args"]
        for event in events
        if event.get("cat") == "Node" and "provider" in event.get("args", {})
    ]
    operators = [kernel for kernel in kernels if not kernel["op_name"].startswith(COPY)]
    return dict(Counter(kernel["provider"] for kernel in operators)), len(kernels) - len(operators)


def _profile(
    model: bytes, picture: NDArray[np.uint8], provider: Provider, name: str
) -> list[dict[str, Any]]:
    """Profile one run; onnxruntime writes the profile to a file."""
    with tempfile.TemporaryDirectory(prefix="streamwarden-") as folder:
        session = open_session(model, provider=provider, name=name, profile=Path(folder) / "run")
        _run(session, picture)
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text("utf-8"))
        return events


def _run(session: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    (output,) = session.get_outputs()
    feeds = {session.get_inputs()[0].name: np.ascontiguousarray(pictures)}
    return run_session(session, [output.name], feeds)[0]
