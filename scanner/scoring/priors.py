"""Labels that several models report: which model's facts apply, and how the others' probabilities
are made comparable.

A probability is only meaningful with the share of positives (the prior) that it assumes. Models
that were calibrated at different priors give different probabilities for the same evidence,
``logit(p) - logit(prior)``, so taking the higher one would be no comparison. Each model's
probabilities are therefore moved to one prior, which keeps the evidence of each sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scanner.scoring.manifest import LabelFacts, Manifest, RecommendedGate
from scanner.types import Label

__all__ = ["leading_facts", "with_common_priors"]


def leading_facts(manifests: Sequence[Manifest]) -> Mapping[Label, LabelFacts]:
    """Return for each label the facts of its leading model: the first that has the label live, else
    the first that reports it."""
    leading: dict[Label, LabelFacts] = {}
    for manifest in manifests:
        for label, facts in manifest.labels.items():
            known = leading.get(label)
            if known is None or (facts.policy.delivers and not known.policy.delivers):
                leading[label] = facts
    return leading


def with_common_priors(manifests: Sequence[Manifest]) -> tuple[Manifest, ...]:
    """Return the manifests with each label calibrated to the training prior of its leading model:
    ``logit(p') = logit(p) + logit(leading prior) - logit(own prior)``.

    The threshold of a gate moves with its label if the gate's model reports that label too. A
    manifest that shares no label is returned unchanged.
    """
    leading = leading_facts(manifests)
    return tuple(
        _move_priors(manifest, {label: leading[label].training_prior for label in manifest.labels})
        for manifest in manifests
    )


def _move_priors(manifest: Manifest, priors: Mapping[Label, float]) -> Manifest:
    shifts = {
        label: _logit(priors[label]) - _logit(facts.training_prior)
        for label, facts in manifest.labels.items()
    }
    if not any(shifts.values()):
        return manifest
    labels = {
        label: _shift_facts(facts, priors[label], shifts[label])
        for label, facts in manifest.labels.items()
    }
    gate = _shift_gate(manifest.gate, shifts)
    return manifest.model_copy(update={"labels": labels, "gate": gate})


def _shift_facts(facts: LabelFacts, prior: float, shift: float) -> LabelFacts:
    """Platt scaling is linear in the logit, so that a shift of the prior adds to its intercept."""
    calibration = facts.calibration.model_copy(update={"b": facts.calibration.b + shift})
    return facts.model_copy(update={"training_prior": prior, "calibration": calibration})


def _shift_gate(
    gate: RecommendedGate | None, shifts: Mapping[Label, float]
) -> RecommendedGate | None:
    if gate is None or not shifts.get(gate.label):
        return gate
    return gate.model_copy(update={"above": _probability(_logit(gate.above) + shifts[gate.label])})


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)


def _probability(logit: float) -> float:
    return 0.5 + 0.5 * math.tanh(0.5 * logit)
