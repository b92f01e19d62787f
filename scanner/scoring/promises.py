"""A model held against its manifest: what the file is made of, what goes in and out, and what comes
out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from scanner.errors import SetupError
from scanner.scoring.manifest import Manifest, Output
from scanner.scoring.wire import GraphFacts

__all__ = [
    "Port",
    "check_contents",
    "check_graph",
    "check_shape",
    "check_signature",
    "check_values",
]

MAX_NODES: Final = 50_000
"""Operators; the largest vision models have some thousands."""
DOMAINS: Final = frozenset({"", "ai.onnx.ml"})
"""Operators that ONNX itself defines. Anything else is somebody's own code."""
SLACK: Final = 1e-4
"""How far rounding may carry a probability that a graph made itself out of [0, 1]."""


class Port(Protocol):
    """An input or output of a graph, as onnxruntime describes it."""

    name: str
    type: str
    shape: Sequence[int | str | None]
    """A dimension that may vary has a name, or nothing, in place of its size."""


def check_contents(graph: GraphFacts, name: str) -> None:
    """Refuse what must not even be loaded, whoever made it.

    Raises:
        SetupError: weights outside the file, too many operators, or operators that ONNX does not
            define.
    """
    model = f"model {name}"
    if graph.external:
        raise SetupError(
            f"{model}: keeps weights in other files ({graph.external[0]}): save it with all weights inside"
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
    """Hold what the file is made of to the manifest.

    Raises:
        SetupError: another opset, or anything that must not be loaded.
    """
    check_contents(graph, manifest.name)
    if graph.opsets.get("") != manifest.opset:
        raise SetupError(
            f"model {manifest.name}: uses opset {graph.opsets.get('')}, its manifest says {manifest.opset}"
        )


def check_signature(inputs: Sequence[Port], outputs: Sequence[Port], manifest: Manifest) -> None:
    """Hold the names, dtypes and shapes of a graph's inputs and outputs to the manifest.

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
    """Hold what came out to a row for each picture and a column for each label.

    Raises:
        SetupError: it has another shape.
    """
    wanted = (rows, len(output.labels) or shape[-1])
    if shape != wanted:
        raise SetupError(
            f"model {manifest.name}: output {output.name} has shape {_show(shape)}, wanted {_show(wanted)}"
        )


def check_values(manifest: Manifest, output: Output, row: Sequence[float]) -> None:
    """Hold one row to numbers, and where the graph is said to give probabilities, to [0, 1] and for
    media to a sum of 1.

    Raises:
        SetupError: a value is infinite, not a number or no probability.
    """
    if not all(map(math.isfinite, row)):
        raise SetupError(
            f"model {manifest.name}: output {output.name} gave {min(row):.4g} to {max(row):.4g}, wanted finite numbers"
        )
    promised = output.kind != "embedding" and output.activation == "none"
    if promised and not all(-SLACK <= value <= 1.0 + SLACK for value in row):
        raise SetupError(
            f"model {manifest.name}: output {output.name} gave {min(row):.4g} to {max(row):.4g}, wanted probabilities in [0, 1]"
        )
    if promised and output.kind == "medium" and not abs(sum(row) - 1.0) <= len(row) * SLACK:
        raise SetupError(
            f"model {manifest.name}: output {output.name} sums to {sum(row):.4g}, probabilities of the media sum to 1"
        )


_Promises = Mapping[str, tuple[str, tuple[int | None, ...]]]
"""Dtype and shape by name; None where any size will do."""


def _compare(what: str, ports: Sequence[Port], promised: _Promises, manifest: Manifest) -> None:
    found = {port.name: port for port in ports}
    if found.keys() != promised.keys():
        raise SetupError(
            f"model {manifest.name}: {what}s are {', '.join(found)}, its manifest says {', '.join(promised)}"
        )
    for name, (dtype, shape) in promised.items():
        port = found[name]
        if port.type != dtype or not _fits(port.shape, shape):
            raise SetupError(
                f"model {manifest.name}: {what} {name} is {port.type} of shape {_show(port.shape)}, "
                f"its manifest says {dtype} of shape {_show((None, *shape[1:]))}"
            )


def _fits(found: Sequence[int | str | None], wanted: Sequence[int | None]) -> bool:
    """A dimension that may vary fits for now; the first run shows what it comes to."""
    sizes = zip(found, wanted, strict=False)
    return len(found) == len(wanted) and all(
        size is None or not isinstance(got, int) or got == size for got, size in sizes
    )


def _show(shape: Sequence[int | str | None]) -> str:
    return " x ".join(str(size) if isinstance(size, int) else "N" for size in shape)
