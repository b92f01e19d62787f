"""Settings: read once, at the edge, and passed down whole or in part.

A file in TOML, then the environment (``STREAMWARDEN_SAMPLING__STRATEGY=keyframes``), then flags;
the later wins. Every default is a value that we would deploy. An unknown key is an error that names
its full path.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from scanner.complaints import complaints, nearest
from scanner.errors import SetupError
from scanner.fetch import FetchLimits
from scanner.media import MediaLimits, Sampling
from scanner.risk import Policies, Policy
from scanner.sandbox import SandboxLimits
from scanner.scoring import (
    LabelFacts,
    Manifest,
    Motion,
    Precision,
    Provider,
    RecommendedPolicy,
    Reuse,
    leading_facts,
    user_models_dir,
)
from scanner.taxonomy import Taxonomy
from scanner.types import Label

__all__ = [
    "EvidenceSettings",
    "ModelSettings",
    "Settings",
    "StreamSettings",
    "compose_policies",
    "motion_of",
    "policy_hash",
    "read_settings",
]

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


ENVIRONMENT: Final = "STREAMWARDEN_"
NESTED: Final = "__"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSettings(_Frozen):
    """Which models, and where they run."""

    dir: Path | None = None
    """Folder of models, the whole set; where it is not given, those that came with the package and
    then the added ones."""
    added: Path | None = None
    """Folder of added models; the user's own where it is not given. Not read beside ``dir``."""
    names: tuple[str, ...] | None = None
    """In order; all that there are where it is not given. The test card is always there."""
    provider: Provider = "cpu"
    precision: Precision = "auto"
    """Of the numbers inside a network; ``auto``: fp16 on a GPU where the model has it."""
    threads: int = Field(default=1, ge=1, le=64)
    """Of one inference on a CPU; one process for each core uses them better than one inference
    does."""

    @property
    def target(self) -> Path:
        """Where a new model goes: where it will be found."""
        return self.dir or self.added or user_models_dir()

    @property
    def beside(self) -> Path | None:
        """Folder of added models that is read after the shipped ones; None beside ``dir``, and as
        long as nothing was added."""
        if self.dir is not None:
            return None
        return self.added or (user_models_dir() if user_models_dir().is_dir() else None)


class StreamSettings(_Frozen):
    """How a stream is put together from its segments."""

    missing_after: int = Field(default=3, ge=1)
    """A sequence that never came is a gap when so many later ones did."""


class EvidenceSettings(_Frozen):
    """What is cut and drawn of an incident."""

    clip_seconds: Fraction = Field(default=Fraction(60), gt=0)
    """A clip is never longer; a longer incident has several, cut while it runs."""
    clips: int = Field(default=20, ge=1)
    """Of one incident, at most."""
    frames: int = Field(default=12, ge=1, le=64)
    """Pictures of one contact sheet."""


class Settings(_Frozen):
    """Everything that an operator can set.

    Made by itself, it has the defaults; ``read_settings`` asks files and the environment.
    """

    sampling: Sampling = Sampling()
    window: Fraction = Field(default=Fraction(10), gt=0)
    """Longest window of a file, in seconds."""
    limits: MediaLimits = MediaLimits()
    fetch: FetchLimits = FetchLimits()
    sandbox: SandboxLimits = SandboxLimits()
    models: ModelSettings = ModelSettings()
    reuse: Reuse = Reuse()
    bursts: Motion = Motion()
    stream: StreamSettings = StreamSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    policy: Mapping[str, Mapping[str, Any]] = {}
    """Changes to the policy of each label, by any name that the taxonomy knows; see
    ``scanner.risk.Policy`` for the keys."""


class _Environment(Settings, BaseSettings):
    """Tells which variables there are."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT, env_nested_delimiter=NESTED)


def read_settings(path: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings from a TOML file, the environment and ``flags`` (shaped like the file), the later
    over the earlier.

    Raises:
        SetupError: the file cannot be read, or something says what no setting is; one message has
            all complaints.
    """
    where = str(path) if path is not None else "settings"
    if unknown := list(_unknown_variables()):
        raise SetupError("; ".join(unknown))
    try:
        file = {} if path is None else tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
        return Settings(**_over(_over(file, EnvSettingsSource(_Environment)()), flags or {}))
    except OSError as why:
        raise SetupError(
            f"{where}: {why.strerror}; name a file in TOML, see samples/ for some"
        ) from why
    except ValidationError as why:
        raise SetupError(f"{where}: {_complaints(why)}") from why
    except ValueError as why:
        raise SetupError(f"{where}: {why}") from why


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


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Both trees in one; where both have a value, the upper one's."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = (
            _over(below, value)
            if isinstance(below, Mapping) and isinstance(value, Mapping)
            else value
        )
    return merged


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


class _One(_Frozen):
    """Lends its configuration to the dataclass in it: an unknown key is an error."""

    policy: Policy


def _policy(label: Label, values: Mapping[str, Any]) -> Policy:
    try:
        return _One.model_validate({"policy": values}).policy
    except ValidationError as why:
        found = complaints(why, known=_keys(), noun="setting")
        raise SetupError(
            "; ".join(complaint.replace("policy", f"policy.{label}", 1) for complaint in found)
        ) from why


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    return sorted(value) if isinstance(value, frozenset) else value


def _unknown_variables() -> Iterator[str]:
    """Complaints about variables that look like ours and name no section; those with one are judged
    with it."""
    for name in sorted(os.environ):
        section, nested, _ = name.removeprefix(ENVIRONMENT).partition(NESTED)
        if name.startswith(ENVIRONMENT) and nested and section.lower() not in Settings.model_fields:
            yield f"{name}: no such section of the settings{nearest(section.lower(), Settings.model_fields)}"


def _complaints(why: ValidationError) -> str:
    return "; ".join(complaints(why, known=_keys(), noun="setting"))


def _keys() -> Iterator[str]:
    for part in (Settings, ModelSettings, StreamSettings, EvidenceSettings):
        yield from part.model_fields
    for noun in (Sampling, MediaLimits, FetchLimits, SandboxLimits, Reuse, Motion, Policy):
        yield from (field.name for field in fields(noun))
