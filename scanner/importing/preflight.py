"""What is looked at before somebody's network becomes one of ours, and told to the operator."""

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

__all__ = ["Preflight", "check_rows", "counted", "read_contents"]


LOOPS: Final = frozenset({"Loop", "Scan", "SequenceMap"})
DICE: Final = frozenset(
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
    """Of one network."""

    sha256: str
    size: int
    """Bytes, of the file as it came."""
    opsets: Mapping[str, int]
    """Version by domain; ONNX's own is the empty string."""
    operators: Mapping[str, int]
    """How often each stands in the file as it came, the most frequent first."""
    input: str
    output: str
    """Name, type and shape, of the file as it came; of several outputs the one that has the
    classes."""
    provider: str
    """What it was tried on."""
    nodes: Mapping[str, int]
    """By provider, the operators that one run of the finished model took, as the runtime had fused
    them."""
    copies: int
    """Between the memories of providers, in one run."""
    walls: tuple[str, ...]
    """Which held around the process that took it apart and tried it first
    (``scanner.sandbox.restrictions``)."""
    batches: bool
    """Whether it takes any number of pictures at once, tried out; else it is run on one at a time.
    """


def read_contents(data: bytes, name: str) -> GraphFacts:
    """What a file is made of, from its bytes.

    Raises:
        SetupError: it is no ONNX model, keeps weights elsewhere, or has operators that ONNX does
            not define, or that no image classifier needs: those that go round and round, that roll
            dice, or that work on texts.
    """
    facts = read_graph(data)
    check_contents(facts, name)
    if facts.functions:
        raise SetupError(
            f"model {name}: defines {facts.functions} operators of its own: onnx.inliner.inline_local_functions undoes that"
        )
    if facts.strings:
        raise SetupError(f"model {name}: has texts in it: it is no image classifier")
    if round_and_round := sorted(LOOPS & {operator for _, operator in facts.operators}):
        raise SetupError(
            f"model {name}: uses {', '.join(round_and_round)}, which may never end: export it without loops"
        )
    if dice := sorted(DICE & {operator for _, operator in facts.operators}):
        raise SetupError(
            f"model {name}: uses {', '.join(dice)}: a picture must score the same whenever it is scored"
        )
    return facts


def counted(facts: GraphFacts) -> dict[str, int]:
    """How often each operator stands in a file, the most frequent first; one that is not of ONNX's
    own domain has it before its name."""
    names = {
        f"{domain}.{name}" if domain else name: count
        for (domain, name), count in facts.operators.items()
    }
    return dict(sorted(names.items(), key=lambda item: (-item[1], item[0])))


def check_rows(trial: GraphRun, name: str) -> None:
    """Hold what came of made-up pictures to probabilities that depend on the picture.

    Raises:
        SetupError: not numbers, outside [0, 1], or the same for every picture.
    """
    rows = trial.rows
    if not np.all(np.isfinite(rows)):
        raise SetupError(
            f"model {name}: gives infinite numbers or none at all: the wrong scale, mean or std?"
        )
    if rows.min() < -SLACK or rows.max() > 1.0 + SLACK:
        raise SetupError(
            f"model {name}: gives {_range(rows)}, wanted probabilities in [0, 1]: another --activation or --combine?"
        )
    if np.all(rows == rows[:1]):
        raise SetupError(
            f"model {name}: says {_range(rows)} of every picture, whatever is on it: the wrong scale, mean or std?"
        )


def _range(rows: NDArray[Any]) -> str:
    return f"{rows.min():.4g} to {rows.max():.4g}"
