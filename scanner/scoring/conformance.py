"""Checks of a model against its manifest: the contents of its file, the graph's inputs and outputs,
and the values that it returns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from scanner.errors import SetupError
from scanner.scoring.graph_facts import GraphFacts
from scanner.scoring.manifest import Manifest, Output

__all__ = [
    "SessionTensor",
    "check_contents",
    "check_graph",
    "check_shape",
    "check_signature",
    "check_values",
]

MAX_NODES: Final = 50_000
"""The most operators of a graph; the largest vision models have some thousands."""
DOMAINS: Final = frozenset({"", "ai.onnx.ml"})
"""The operator domains that ONNX defines; other operators need custom code."""
SLACK: Final = 1e-4
"""The distance by which rounding may move a probability that the graph computes out of [0, 1]."""


class SessionTensor(Protocol):
    """An input or output of a graph, as onnxruntime describes it."""

    name: str
    type: str
    shape: Sequence[int | str | None]
    """The size of each dimension; a name or None for one that may vary."""


def check_contents(graph: GraphFacts, name: str) -> None:
    """Refuse a graph that must not be loaded, whatever its manifest states.

    Raises:
        SetupError: weights outside the file, too many operators, or operators that ONNX does not
            define.
    """
    model = f"model {name}"
    if graph.external:
        raise SetupError(
            f"{model}: keeps weights in other files ({graph.external[0]}), "
            "wanted a file that contains all weights"
        )
    if not 0 < graph.nodes <= MAX_NODES:
        raise SetupError(f"{model}: has {graph.nodes} operators, wanted 1 to {MAX_NODES}")
    if foreign := sorted(
        {f"{domain}.{name}" for domain, name in graph.operators if domain not in DOMAINS}
    ):
        raise SetupError(
            f"{model}: uses operators that ONNX does not define: {', '.join(foreign[:3])}"
        )


def check_graph(graph: GraphFacts, manifest: Manifest) -> None:
    """Check the contents of a model's file against its manifest.

    Raises:
        SetupError: the opset differs, or the graph must not be loaded.
    """
    check_contents(graph, manifest.name)
    if graph.opsets.get("") != manifest.opset:
        raise SetupError(
            f"model {manifest.name}: uses opset {graph.opsets.get('')}, "
            f"its manifest states {manifest.opset}"
        )


def check_signature(
    inputs: Sequence[SessionTensor], outputs: Sequence[SessionTensor], manifest: Manifest
) -> None:
    """Check the names, dtypes and shapes of a graph's inputs and outputs against the manifest.

    Raises:
        SetupError: one of them differs.
    """
    _compare(
        "input",
        inputs,
        {manifest.input.name: ("tensor(uint8)", (1, *manifest.input.spec.shape))},
        manifest,
    )
    _compare(
        "output",
        outputs,
        {o.name: ("tensor(float)", (1, len(o.labels) or None)) for o in manifest.outputs},
        manifest,
    )


def check_shape(manifest: Manifest, output: Output, shape: tuple[int, ...], *, rows: int) -> None:
    """Check that an output has one row for each picture and one column for each label.

    Raises:
        SetupError: the output has another shape.
    """
    wanted = (rows, len(output.labels) or shape[-1])
    if shape != wanted:
        raise SetupError(
            f"model {manifest.name}: output {output.name} has shape {_format(shape)}, "
            f"wanted {_format(wanted)}"
        )


def check_values(manifest: Manifest, output: Output, row: Sequence[float]) -> None:
    """Check that one row has finite numbers, and probabilities if the graph returns those.

    Raises:
        SetupError: a value is not finite, or not a probability although the manifest states so.
    """
    subject = f"model {manifest.name}: output {output.name}"
    if not all(map(math.isfinite, row)):
        raise SetupError(f"{subject} gave {_format_range(row)}, wanted finite numbers")
    if output.kind == "embedding" or output.activation != "none":
        return
    if not all(-SLACK <= value <= 1.0 + SLACK for value in row):
        raise SetupError(f"{subject} gave {_format_range(row)}, wanted probabilities in [0, 1]")
    if output.kind == "medium" and not abs(sum(row) - 1.0) <= len(row) * SLACK:
        raise SetupError(f"{subject} sums to {sum(row):.4g}, wanted probabilities that sum to 1")


_TensorTypes = Mapping[str, tuple[str, tuple[int | None, ...]]]
"""Dtype and shape by name; None for a dimension of any size."""


def _compare(
    kind: str, tensors: Sequence[SessionTensor], wanted: _TensorTypes, manifest: Manifest
) -> None:
    found = {tensor.name: tensor for tensor in tensors}
    if found.keys() != wanted.keys():
        raise SetupError(
            f"model {manifest.name}: {kind}s are {', '.join(found)}, "
            f"its manifest states {', '.join(wanted)}"
        )
    for name, (dtype, shape) in wanted.items():
        tensor = found[name]
        if tensor.type != dtype or not _fits(tensor.shape, shape):
            raise SetupError(
                f"model {manifest.name}: {kind} {name} is {tensor.type} "
                f"of shape {_format(tensor.shape)}, "
                f"its manifest states {dtype} of shape {_format((None, *shape[1:]))}"
            )


def _fits(found: Sequence[int | str | None], wanted: Sequence[int | None]) -> bool:
    """Return whether a shape fits; a dimension that may vary does, until the first run."""
    sizes = zip(found, wanted, strict=False)
    return len(found) == len(wanted) and all(
        size is None or not isinstance(got, int) or got == size for got, size in sizes
    )


def _format(shape: Sequence[int | str | None]) -> str:
    return " x ".join(str(size) if isinstance(size, int) else "N" for size in shape)


def _format_range(row: Sequence[float]) -> str:
    return f"{min(row):.4g} to {max(row):.4g}"
