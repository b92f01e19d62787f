"""The policies in force: the defaults, overridden by the recommendations of a model's manifest,
overridden by the operator's settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from scanner.errors import SetupError
from scanner.risk.policy import Policies, Policy, matches_channel
from scanner.scoring.manifest import LabelFacts, Manifest, RecommendedPolicy
from scanner.scoring.options import BurstSelection
from scanner.scoring.priors import leading_facts
from scanner.settings.sections import Settings, setting_keys
from scanner.taxonomy import Taxonomy
from scanner.types import Label, Medium
from scanner.validation import describe_errors

__all__ = [
    "PolicyValue",
    "burst_selection",
    "channel_rows",
    "compose_policies",
    "explain_policies",
    "policies_of_rows",
    "policy_hash",
    "policy_rows",
]

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
    """Compose the policy of each label that a model reports, and those of channels.

    The defaults are overridden by the manifest's recommendation, that by the settings, and those by
    what the settings have for a channel.

    Raises:
        SetupError: the settings have a policy for an unknown or ambiguous label, or an invalid
            value.
    """
    taxonomy = taxonomy or Taxonomy.load()
    recommended = _recommended(settings, manifests, taxonomy)
    with _told_from(settings.policy_source):
        common = _changes(settings.policy, taxonomy)
        default = _compose(settings, recommended, common)
    channels = []
    for number, channel in enumerate(settings.channels):
        with _told_from(f"{settings.channels_source}: channels.{number} ({channel.match})"):
            changes = [*common, *_changes(channel.policy, taxonomy)]
            channels.append((channel.match, _compose(settings, recommended, changes)))
    return replace(default, channels=tuple(channels))


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValue:
    """One value of a label's policy, and where it comes from."""

    label: Label
    key: str
    value: Any
    """As ``json.dumps`` takes it."""
    origin: str | tuple[str, ...]
    """``default``, ``taxonomy``, ``manifest``, or the key of the settings that has it."""


def explain_policies(
    settings: Settings, manifests: Sequence[Manifest], *, channel: str | None
) -> Iterator[PolicyValue]:
    """Yield every value of the policies in force on a channel, by label; None for no channel.

    Raises:
        SetupError: as ``compose_policies``.
    """
    taxonomy = Taxonomy.load()
    policies = compose_policies(settings, manifests, taxonomy).of_channel(channel)
    changes = _changes(settings.policy, taxonomy)
    for number, one in enumerate(settings.channels):
        if channel is not None and matches_channel(channel, one.match):
            changes += _changes(one.policy, taxonomy, before=("channels", str(number)))
            break
    facts = {**TEST_CARD, **leading_facts(manifests)}
    for label, row in policy_rows(policies).items():
        given = _recommended_values(facts[Label(label)])
        for key, value in row.items():
            origin = _origin(Label(label), key, changes, given)
            yield PolicyValue(label=Label(label), key=key, value=value, origin=origin)


def _origin(
    label: Label, key: str, changes: Sequence[_Change], given: Mapping[str, Any]
) -> str | tuple[str, ...]:
    for change in reversed(changes):
        if change.concerns(label) and key in change.values:
            return (*change.location, key)
    if key in given:
        return "manifest"
    return "taxonomy" if key in ("category", "severity") else "default"


@contextmanager
def _told_from(source: str) -> Iterator[None]:
    """Name the source of a setting in its error."""
    try:
        yield
    except SetupError as error:
        raise SetupError(f"{source}: {error}") from error


def _recommended(
    settings: Settings, manifests: Sequence[Manifest], taxonomy: Taxonomy
) -> Mapping[Label, Mapping[str, Any]]:
    """Return the values of each label's policy before the operator's changes."""
    rows = {}
    for label, facts in {**TEST_CARD, **leading_facts(manifests)}.items():
        entry = taxonomy.entry(label)
        rows[label] = {
            "category": entry.category,
            "severity": entry.severity,
            "hold": settings.sampling.max_gap + FRAME,
            **_recommended_values(facts),
        }
    return rows


def _compose(
    settings: Settings,
    recommended: Mapping[Label, Mapping[str, Any]],
    changes: Sequence[_Change],
) -> Policies:
    composed = {}
    for label, row in recommended.items():
        configured: dict[str, Any] = {}
        for change in changes:
            if change.concerns(label):
                configured |= change.values
        before = dict(row)
        if "method" in configured:
            before.pop("tuning", None)  # it is for the recommended method
        if "shadow" in configured:
            before.pop("still_shadow", None)  # the operator's shadow is for stills, too
        composed[label] = _validate_policy(label, {**before, **configured})
    return Policies(labels=composed, max_gap=settings.sampling.max_gap + FRAME)


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
    facts: dict[str, Any] = {"labels": rows}
    facts |= {"max_gap": str(policies.max_gap), "retell": str(policies.retell)}
    if policies.channels:
        facts["channels"] = channel_rows(policies)
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def policy_rows(policies: Policies) -> dict[str, dict[str, Any]]:
    """Return all values of each label's policy as ``json.dumps`` takes them, exact."""
    return {
        label: {key: _to_json(value) for key, value in asdict(policy).items()}
        for label, policy in policies.labels.items()
    }


def channel_rows(policies: Policies) -> list[dict[str, Any]]:
    """Return for each channel, in order, what it matches and the policies of the labels whose
    policy differs there, as ``json.dumps`` takes them."""
    common = policy_rows(policies)
    return [
        {
            "match": pattern,
            "labels": {
                label: row for label, row in policy_rows(of_channel).items() if row != common[label]
            },
        }
        for pattern, of_channel in policies.channels
    ]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One table of the settings with values of policies."""

    location: tuple[str, ...]
    """Its key in the settings."""
    labels: frozenset[Label] | None
    """The labels that it changes; None for all."""
    values: Mapping[str, Any]

    def concerns(self, label: Label) -> bool:
        """Return whether it changes the policy of a label."""
        return self.labels is None or label in self.labels


def _changes(
    tables: Mapping[str, Mapping[str, Any]], taxonomy: Taxonomy, before: tuple[str, ...] = ()
) -> list[_Change]:
    """Return the configured changes, each of which overrides those before it.

    A name that stands for several labels changes each of them; one that stands for fewer labels
    overrides one that stands for more.
    """
    changes = [
        _Change(
            location=(*before, "policy", name),
            labels=None
            if name == EVERY_LABEL
            else frozenset(entry.label for entry in taxonomy.matching(name)),
            values=values,
        )
        for name, values in tables.items()
    ]
    return sorted(changes, key=lambda one: (one.labels is not None, -len(one.labels or ())))


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
