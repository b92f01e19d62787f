"""The policies in force: the product's defaults, then what a model's maker recommends, then the
operator's own values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from scanner.errors import SetupError
from scanner.risk.policy import Policies, Policy
from scanner.scoring.manifest import LabelFacts, Manifest, RecommendedPolicy
from scanner.scoring.options import Motion
from scanner.scoring.priors import leading_facts
from scanner.settings.sections import Settings, setting_keys
from scanner.taxonomy import Taxonomy
from scanner.types import Label
from scanner.validation import complaints

__all__ = ["compose_policies", "motion_of", "policy_hash"]

EVERY_LABEL: Final = "default"
"""``[policy.default]`` changes the policy of all labels; ``[policy.gun]`` that of one, and wins."""
TEST_CARD: Final = {
    Label("test_card"): LabelFacts(
        training_prior=0.5, policy=RecommendedPolicy(level=2.0, dwell=0.0, still=0.5)
    ),
}
"""The built-in scorer has no manifest. One look is enough: the card is there to be found."""
FRAME: Final = Fraction(1, 4)
"""Seconds that a sampled frame is itself shown, at most. The sampler's holes begin where a frame
ends, the fold's looks and coverage reach back from one frame's start to that of the one before; so
they reach this much further than ``max_gap``."""


def compose_policies(
    settings: Settings, manifests: Sequence[Manifest], taxonomy: Taxonomy | None = None
) -> Policies:
    """The policy of each label that a model can say: defaults, then the model's advice, then the
    operator's word.

    Raises:
        SetupError: a policy for a label that is unknown or ambiguous, or a value that none can
            have.
    """
    taxonomy = taxonomy or Taxonomy.load()
    changes = _by_label(settings.policy, taxonomy)
    common = changes.pop(EVERY_LABEL, {})
    reach = settings.sampling.max_gap + FRAME
    composed = {}
    for label, fact in {**TEST_CARD, **leading_facts(manifests)}.items():
        entry = taxonomy.entry(label)
        start = {
            "category": entry.category,
            "severity": entry.severity,
            "hold": reach,
            **_advice(fact),
        }
        said = {**common, **changes.get(label, {})}
        if "method" in said:
            start.pop("tuning", None)  # the advice is of another method
        composed[label] = _policy(label, {**start, **said})
    return Policies(labels=composed, max_gap=reach)


def motion_of(settings: Settings, taxonomy: Taxonomy | None = None) -> Motion:
    """``settings.bursts`` with the taxonomy's own labels, whichever of their names the operator
    used; a narrower one wins.

    Raises:
        SetupError: a label that is unknown.
    """
    if settings.bursts.above is None:
        return settings.bursts
    known = taxonomy or Taxonomy.load()
    found = sorted(
        ((known.matching(name), value) for name, value in settings.bursts.above.items()),
        key=lambda pair: -len(pair[0]),
    )
    return replace(
        settings.bursts, above={entry.label: value for entries, value in found for entry in entries}
    )


def policy_hash(policies: Policies) -> str:
    """Names the policies in force: equal policies have equal hashes, whoever wrote them (SHA-256 in
    hex)."""
    rows = {
        label: {key: _plain(value) for key, value in asdict(policy).items()}
        for label, policy in policies.labels.items()
    }
    text = json.dumps(
        {"labels": rows, "max_gap": str(policies.max_gap), "retell": str(policies.retell)},
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _advice(fact: LabelFacts) -> dict[str, Any]:
    advice = fact.policy
    said = {
        "open": advice.level,
        "dwell": advice.dwell,
        "window": advice.window,
        "method": advice.method,
        "tuning": advice.tuning or None,
        "a": advice.a,
        "b": advice.b,
        "still": advice.still,
        "when": frozenset(advice.when) or None,
        "severity": advice.severity,
    }
    known = {key: value for key, value in said.items() if value is not None}
    return {**known, "shadow": advice.shadow, "training_prior": fact.training_prior}


def _by_label(
    policy: Mapping[str, Mapping[str, Any]], taxonomy: Taxonomy
) -> dict[str, Mapping[str, Any]]:
    """Changes by the taxonomy's own labels; a name that stands for several changes each of them, a
    narrower one wins."""
    named = {
        name: [entry.label for entry in taxonomy.matching(name)]
        for name in policy
        if name != EVERY_LABEL
    }
    changes: dict[str, Mapping[str, Any]] = {EVERY_LABEL: policy.get(EVERY_LABEL, {})}
    for name in sorted(named, key=lambda name: -len(named[name])):
        for label in named[name]:
            changes[label] = {**changes.get(label, {}), **policy[name]}
    return changes


class _PolicyModel(BaseModel):
    """Validates a ``Policy`` with pydantic, so that an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy


def _policy(label: Label, values: Mapping[str, Any]) -> Policy:
    try:
        return _PolicyModel.model_validate({"policy": values}).policy
    except ValidationError as why:
        found = complaints(why, known=setting_keys(), noun="setting")
        raise SetupError(
            "; ".join(complaint.replace("policy", f"policy.{label}", 1) for complaint in found)
        ) from why


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    return sorted(value) if isinstance(value, frozenset) else value
