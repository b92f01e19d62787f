"""Labels that several models know: whose word holds, and how the others' probabilities come to mean
the same.

A probability says something only beside the share of positives that it assumes. Two models that saw
other shares give other probabilities for the same evidence, so that the higher one of both is no
comparison. What stays is the evidence, ``logit(p) - logit(prior)``: each model's probabilities are
moved to one prior, and the evidence of every look is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scanner.scoring.manifest import LabelFacts, Manifest, MotionGate
from scanner.types import Label

__all__ = ["at_one_prior", "leading_facts"]


def leading_facts(manifests: Sequence[Manifest]) -> Mapping[Label, LabelFacts]:
    """Of each label the facts of the model whose word holds: the first that has it out of shadow,
    else the first that knows it."""
    facts: dict[Label, LabelFacts] = {}
    for manifest in manifests:
        for label, fact in manifest.labels.items():
            if label not in facts or (facts[label].policy.shadow and not fact.policy.shadow):
                facts[label] = fact
    return facts


def at_one_prior(manifests: Sequence[Manifest]) -> tuple[Manifest, ...]:
    """The same models, calibrated to the training prior of the one whose word holds: ``logit(p') =
    logit(p) + logit(its) - logit(own)``.

    A gate's threshold moves with its label, where the model that has the gate knows the label too:
    it speaks of evidence as well. A model that shares its labels with none is given back as it is.
    """
    facts = leading_facts(manifests)
    return tuple(
        _moved(manifest, {label: facts[label].training_prior for label in manifest.labels})
        for manifest in manifests
    )


def _moved(manifest: Manifest, priors: Mapping[Label, float]) -> Manifest:
    shifts = {
        label: _logit(priors[label]) - _logit(fact.training_prior)
        for label, fact in manifest.labels.items()
    }
    if not any(shifts.values()):
        return manifest
    labels = {
        label: _shifted(fact, priors[label], shifts[label])
        for label, fact in manifest.labels.items()
    }
    return manifest.model_copy(update={"labels": labels, "gate": _at(manifest.gate, shifts)})


def _shifted(fact: LabelFacts, prior: float, shift: float) -> LabelFacts:
    """Calibration is a line over logits, so another prior is another intercept."""
    calibration = fact.calibration.model_copy(update={"b": fact.calibration.b + shift})
    return fact.model_copy(update={"training_prior": prior, "calibration": calibration})


def _at(gate: MotionGate | None, shifts: Mapping[Label, float]) -> MotionGate | None:
    if gate is None or not shifts.get(gate.label):
        return gate
    return gate.model_copy(update={"above": _probability(_logit(gate.above) + shifts[gate.label])})


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)


def _probability(logit: float) -> float:
    return 0.5 + 0.5 * math.tanh(0.5 * logit)
