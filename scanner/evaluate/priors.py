"""Scores of models that assume different training priors, brought to one: the evidence stays, and a score means the same everywhere."""

from __future__ import annotations

from dataclasses import replace

from scanner.lines import FrameLine, Line
from scanner.risk import Policies
from scanner.risk.policy import logit, sigmoid
from scanner.types import Label

__all__ = ["rebased"]


def rebased(line: Line, was: Policies, now: Policies) -> Line:
    """The line as a model with the training priors of ``now`` would have told it; one of ``was`` did."""
    if not isinstance(line, FrameLine):
        return line
    return replace(line, scores={label: _moved(value, _shift(Label(label), was, now)) for label, value in line.scores.items()})


def _shift(label: Label, was: Policies, now: Policies) -> float:
    before, after = (of.labels.get(label) for of in (was, now))
    return 0.0 if before is None or after is None else logit(after.training_prior) - logit(before.training_prior)


def _moved(value: float, shift: float) -> float:
    return value if shift == 0.0 else sigmoid(logit(value) + shift)
