"""The policies in force: the defaults, overridden by the recommendations of a model's manifest,
overridden by the operator's settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from fractions import Fraction
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from scanner.errors import SetupError
from scanner.risk.policy import Policies, Policy
from scanner.scoring.manifest import LabelFacts, Manifest, RecommendedPolicy
from scanner.scoring.options import BurstSelection
from scanner.scoring.priors import leading_facts
from scanner.settings.sections import Settings, setting_keys
from scanner.taxonomy import Taxonomy
from scanner.types import Label, Medium
from scanner.validation import describe_errors

__all__ = ["burst_selection", "compose_policies", "policies_of_rows", "policy_hash", "policy_rows"]

EVERY_LABEL: Final = "default"
"""``[policy.default]`` changes the policy of all labels, and is overridden by that of one label."""
TEST_CARD: Final = {
    Label("test_card"): LabelFacts(
        training_prior=0.5, policy=RecommendedPolicy(level=2.0, dwell=0.0, still=0.5)
    ),
}
"""The facts of the built-in scorer, which has no manifest. One sample opens an incident."""
FRAME: Final = Fraction(1, 4)
"""The longest time, in seconds, that a sampled frame is displayed.

The sampler measures a gap from the end of a frame, the fold from its start. So a sample covers this
much more than ``sampling.max_gap``.
"""


def compose_policies(
    settings: Settings, manifests: Sequence[Manifest], taxonomy: Taxonomy | None = None
) -> Policies:
    """Compose the policy of each label that a model reports.

    The defaults are overridden by the manifest's recommendation, and that by the settings.

    Raises:
        SetupError: the settings have a policy for an unknown or ambiguous label, or an invalid
            value.
    """
    try:
        return _compose(settings, manifests, taxonomy or Taxonomy.load())
    except SetupError as error:
        raise SetupError(f"{settings.policy_source}: {error}") from error


def _compose(settings: Settings, manifests: Sequence[Manifest], taxonomy: Taxonomy) -> Policies:
    changes = _changes_by_label(settings.policy, taxonomy)
    common = changes.pop(EVERY_LABEL, {})
    coverage = settings.sampling.max_gap + FRAME
    composed = {}
    for label, facts in {**TEST_CARD, **leading_facts(manifests)}.items():
        entry = taxonomy.entry(label)
        recommended = {
            "category": entry.category,
            "severity": entry.severity,
            "hold": coverage,
            **_recommended_values(facts),
        }
        configured = {**common, **changes.get(label, {})}
        if "method" in configured:
            recommended.pop("tuning", None)  # it is for the recommended method
        if "shadow" in configured:
            recommended.pop("still_shadow", None)  # the operator's shadow is for stills, too
        composed[label] = _validate_policy(label, {**recommended, **configured})
    return Policies(labels=composed, max_gap=coverage)


def burst_selection(settings: Settings, taxonomy: Taxonomy | None = None) -> BurstSelection:
    """Return ``settings.bursts`` with the names of ``above`` resolved to labels of the taxonomy.

    A name that stands for fewer labels overrides one that stands for more.

    Raises:
        SetupError: a label is unknown.
    """
    if settings.bursts.above is None:
        return settings.bursts
    known = taxonomy or Taxonomy.load()
    resolved = sorted(
        ((known.matching(name), value) for name, value in settings.bursts.above.items()),
        key=lambda pair: -len(pair[0]),
    )
    return replace(
        settings.bursts,
        above={entry.label: value for entries, value in resolved for entry in entries},
    )


def policy_hash(policies: Policies) -> str:
    """Return a SHA-256 in hex that identifies the policies; equal policies have equal hashes."""
    rows = policy_rows(policies)
    text = json.dumps(
        {"labels": rows, "max_gap": str(policies.max_gap), "retell": str(policies.retell)},
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def policy_rows(policies: Policies) -> dict[str, dict[str, Any]]:
    """Return all values of each label's policy as ``json.dumps`` takes them, exact."""
    return {
        label: {key: _to_json(value) for key, value in asdict(policy).items()}
        for label, policy in policies.labels.items()
    }


def policies_of_rows(rows: Mapping[str, Mapping[str, Any]]) -> Policies:
    """Return the policies that ``policy_rows`` wrote."""
    return Policies(labels={Label(label): _policy_of(row) for label, row in rows.items()})


def _policy_of(row: Mapping[str, Any]) -> Policy:
    exact = {one.name for one in fields(Policy) if isinstance(one.default, Fraction)}
    values: dict[str, Any] = {
        name: Fraction(value) if name in exact else value for name, value in row.items()
    }
    when = values.pop("when", None)
    return Policy(**values, when=None if when is None else frozenset(map(Medium, when)))


def _recommended_values(facts: LabelFacts) -> dict[str, Any]:
    """Return the recommendation of a manifest as fields of a ``Policy``."""
    recommended = facts.policy
    values = {
        "open": recommended.level,
        "dwell": recommended.dwell,
        "window": recommended.window,
        "method": recommended.method,
        "tuning": recommended.tuning or None,
        "a": recommended.a,
        "b": recommended.b,
        "still": recommended.still,
        "when": frozenset(recommended.when) or None,
        "severity": recommended.severity,
        "still_shadow": recommended.still_shadow,
    }
    given = {key: value for key, value in values.items() if value is not None}
    return {**given, "shadow": recommended.shadow, "training_prior": facts.training_prior}


def _changes_by_label(
    policy: Mapping[str, Mapping[str, Any]], taxonomy: Taxonomy
) -> dict[str, Mapping[str, Any]]:
    """Return the configured changes by label.

    A name that stands for several labels changes each of them; one that stands for fewer labels
    overrides one that stands for more.
    """
    labels = {
        name: [entry.label for entry in taxonomy.matching(name)]
        for name in policy
        if name != EVERY_LABEL
    }
    changes: dict[str, Mapping[str, Any]] = {EVERY_LABEL: policy.get(EVERY_LABEL, {})}
    for name in sorted(labels, key=lambda name: -len(labels[name])):
        for label in labels[name]:
            changes[label] = {**changes.get(label, {}), **policy[name]}
    return changes


class _PolicyModel(BaseModel):
    """Validates a ``Policy`` with pydantic, which reports unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy


def _validate_policy(label: Label, values: Mapping[str, Any]) -> Policy:
    try:
        policy = _PolicyModel.model_validate({"policy": values}).policy
        policy.build()
    except ValidationError as error:
        messages = describe_errors(error, known=setting_keys(), noun="setting")
        raise SetupError(
            "; ".join(message.replace("policy", f"policy.{label}", 1) for message in messages)
        ) from error
    except ValueError as error:
        raise SetupError(f"policy.{label}: {error}") from error
    return policy


def _to_json(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    return sorted(value) if isinstance(value, frozenset) else value
