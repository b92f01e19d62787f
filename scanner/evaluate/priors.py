"""Scores of models that assume different training priors, brought to one: the evidence stays, and a
score means the same everywhere."""

from __future__ import annotations

from dataclasses import replace

from scanner.lines import FrameLine, Line
from scanner.risk.policy import Policies, logit, sigmoid
from scanner.types import Label

__all__ = ["rebased", "rebased_score"]


def rebased(line: Line, was: Policies, now: Policies) -> Line:
    """The line as a model with the training priors of ``now`` would have told it; one of ``was``
    did."""
    if not isinstance(line, FrameLine):
        return line
    return replace(
        line,
        scores={
            label: rebased_score(value, Label(label), was, now)
            for label, value in line.scores.items()
        },
    )


def rebased_score(value: float, label: Label, was: Policies, now: Policies) -> float:
    """One score, the same way; one of a label that either does not know stays."""
    before, after = (of.labels.get(label) for of in (was, now))
    if before is None or after is None or before.training_prior == after.training_prior:
        return value
    return sigmoid(logit(value) + logit(after.training_prior) - logit(before.training_prior))
