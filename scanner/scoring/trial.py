"""A graph tried out: who runs its operators, what is copied between memories, and whether it takes
several pictures at once."""

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

__all__ = ["Trial", "placement", "run_alone", "run_together", "try_graph"]

TOLERANCE: Final = 0.005
"""Of a probability, between a picture alone and the same one in a batch; kernels differ with the
batch's size."""
COPY: Final = "Memcpy"
"""How onnxruntime names the operators that it puts between providers: MemcpyToHost, MemcpyFromHost.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one run showed."""

    rows: NDArray[np.float32]
    """Pictures x columns, each picture run by itself."""
    nodes: Mapping[str, int]
    """Operators by the provider that ran them, as the runtime had fused them; its copies are not
    among them."""
    copies: int
    """Between the memories of two providers, in one run."""
    batches: bool
    """Whether all pictures at once give what each gives by itself."""


def try_graph(
    model: bytes, pictures: NDArray[np.uint8], *, provider: Provider, name: str = "model"
) -> Trial:
    """Run a graph of one input and one output on pictures, N x H x W x 3 uint8, first one by one,
    then all at once.

    Raises:
        SetupError: the runtime refuses the model or fails on one picture.
    """
    rows = run_alone(model, pictures, provider=provider, name=name)
    nodes, copies = placement(_profile(model, pictures[:1], provider, name))
    batches = run_together(model, pictures, rows, provider=provider, name=name)
    return Trial(rows=rows, nodes=nodes, copies=copies, batches=batches)


def run_alone(
    model: bytes, pictures: NDArray[np.uint8], *, provider: Provider, name: str = "model"
) -> NDArray[np.float32]:
    """What a graph says of each picture by itself: pictures x columns.

    Raises:
        SetupError: the runtime refuses the model, fails on a picture, or says something else of the
            first one when asked again.
    """
    session = open_session(model, provider=provider, name=name)
    try:
        rows = np.concatenate([_run(session, picture[None]) for picture in pictures])
        again = _run(session, pictures[:1])
    except SetupError as why:
        raise SetupError(f"model {name}: fails on a made-up picture: {why}") from why
    if not np.allclose(again, rows[:1], rtol=0.0, atol=TOLERANCE, equal_nan=True):
        raise SetupError(
            f"model {name}: says something else when it is asked again: it rolls dice, or remembers"
        )
    return rows


def run_together(
    model: bytes,
    pictures: NDArray[np.uint8],
    rows: NDArray[np.float32],
    *,
    provider: Provider,
    name: str = "model",
) -> bool:
    """Whether all pictures at once give the rows that each gave by itself.

    False too where the runtime refuses: a graph may say that its batch varies, and have a fixed one
    inside.
    """
    session = open_session(model, provider=provider, name=name)
    if isinstance(session.get_inputs()[0].shape[0], int):
        return False
    try:
        together = _run(session, pictures)
    except SetupError:
        return False
    return together.shape == rows.shape and bool(np.all(np.abs(together - rows) <= TOLERANCE))


def placement(events: list[dict[str, Any]]) -> tuple[dict[str, int], int]:
    """Of a profile of one run: operators by provider, and copies between providers."""
    ran = [
        event["args"]
        for event in events
        if event.get("cat") == "Node" and "provider" in event.get("args", {})
    ]
    copies = sum(args["op_name"].startswith(COPY) for args in ran)
    return dict(
        Counter(args["provider"] for args in ran if not args["op_name"].startswith(COPY))
    ), copies


def _profile(
    model: bytes, picture: NDArray[np.uint8], provider: Provider, name: str
) -> list[dict[str, Any]]:
    """The runtime's own, of one run; it is a file."""
    with tempfile.TemporaryDirectory(prefix="streamwarden-") as folder:
        session = open_session(model, provider=provider, name=name, profile=Path(folder) / "run")
        _run(session, picture)
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text("utf-8"))
        return events


def _run(session: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    (output,) = session.get_outputs()
    return run_session(
        session, [output.name], {session.get_inputs()[0].name: np.ascontiguousarray(pictures)}
    )[0]
