"""Checks of a network before it becomes a model, and the facts about it that are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scanner.errors import SetupError
from scanner.scoring.conformance import SLACK, check_contents
from scanner.scoring.graph_facts import GraphFacts, read_graph
from scanner.scoring.graph_run import GraphRun

__all__ = ["Preflight", "check_file", "check_outputs", "count_operators"]

LOOPS: Final = frozenset({"Loop", "Scan", "SequenceMap"})
RANDOM: Final = frozenset(
    {
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The facts about an imported network."""

    sha256: str
    """The checksum of the original file."""
    size: int
    """The bytes of the original file."""
    opsets: Mapping[str, int]
    """The version of each operator domain; ONNX's own is the empty string."""
    operators: Mapping[str, int]
    """The number of uses of each operator in the original file, the most frequent first."""
    input: str
    """Name, type and shape of the original input."""
    output: str
    """Name, type and shape of the original output that has the classes."""
    provider: str
    """The provider of the trial run."""
    nodes: Mapping[str, int]
    """The number of operators of one run of the wrapped network, after fusion, by provider."""
    copies: int
    """The number of copies between the memories of providers in one run."""
    restrictions: tuple[str, ...]
    """The restrictions that were active in the sandbox of its first run
    (``scanner.sandbox.restrictions``)."""
    batches: bool
    """True if the trial showed that it takes several pictures at once; else it is run on single
    pictures."""


def check_file(data: bytes, name: str) -> GraphFacts:
    """Check the contents of an ONNX file and return the facts about it.

    Raises:
        SetupError: it is not an ONNX model, has weights in other files, uses operators that ONNX
            does not define, or uses what no image classifier needs: loops, random numbers, strings.
    """
    facts = read_graph(data)
    check_contents(facts, name)
    operators = {operator for _, operator in facts.operators}
    if facts.functions:
        raise SetupError(
            f"model {name}: defines {facts.functions} operators of its own, wanted none: "
            "onnx.inliner.inline_local_functions removes them"
        )
    if facts.strings:
        raise SetupError(
            f"model {name}: has {facts.strings} string tensors, wanted an image classifier without"
        )
    if loops := sorted(LOOPS & operators):
        raise SetupError(
            f"model {name}: uses {', '.join(loops)}, which may never end: export it without loops"
        )
    if random := sorted(RANDOM & operators):
        raise SetupError(f"model {name}: uses {', '.join(random)}, wanted a deterministic graph")
    return facts


def count_operators(facts: GraphFacts) -> dict[str, int]:
    """Return the number of uses of each operator, the most frequent first.

    Operators of other domains than ONNX's own are named ``domain.operator``.
    """
    names = {
        f"{domain}.{name}" if domain else name: count
        for (domain, name), count in facts.operators.items()
    }
    return dict(sorted(names.items(), key=lambda item: (-item[1], item[0])))


def check_outputs(run: GraphRun, name: str) -> None:
    """Check that the outputs for generated pictures are probabilities that depend on the picture.

    Raises:
        SetupError: they are not finite, outside [0, 1], or the same for every picture.
    """
    rows = run.rows
    if not np.all(np.isfinite(rows)):
        raise SetupError(
            f"model {name}: gives infinite numbers or NaN, wanted probabilities: "
            "check --scale, --mean and --std"
        )
    if rows.min() < -SLACK or rows.max() > 1.0 + SLACK:
        raise SetupError(
            f"model {name}: gives {_format_range(rows)}, wanted probabilities in [0, 1]: "
            "check --activation and --combine"
        )
    if np.all(rows == rows[:1]):
        raise SetupError(
            f"model {name}: gives {_format_range(rows)} for every picture, "
            "wanted a result that depends on the picture: check --scale, --mean and --std"
        )


def _format_range(rows: NDArray[Any]) -> str:
    return f"{rows.min():.4g} to {rows.max():.4g}"
