"""Settings: read once, at the edge, and passed down whole or in part.

A file in TOML, then the environment (``STREAMWARDEN_SAMPLING__STRATEGY=keyframes``), then flags;
the later wins. Every default is a value that we would deploy. An unknown key is an error that names
its full path.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from scanner.errors import SetupError
from scanner.fetch.limits import FetchLimits
from scanner.media.limits import MediaLimits
from scanner.media.sampling import Sampling
from scanner.risk.policy import Policy
from scanner.sandbox.limits import SandboxLimits
from scanner.scoring.options import Motion, Precision, Provider, Reuse, user_models_dir
from scanner.validation import complaints, nearest

__all__ = [
    "EvidenceSettings",
    "ModelSettings",
    "Settings",
    "StreamSettings",
    "read_settings",
    "setting_keys",
]

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


def _unknown_variables() -> Iterator[str]:
    """Complaints about variables that look like ours and name no section; those with one are judged
    with it."""
    for name in sorted(os.environ):
        section, nested, _ = name.removeprefix(ENVIRONMENT).partition(NESTED)
        if name.startswith(ENVIRONMENT) and nested and section.lower() not in Settings.model_fields:
            yield f"{name}: no such section of the settings{nearest(section.lower(), Settings.model_fields)}"


def _complaints(why: ValidationError) -> str:
    return "; ".join(complaints(why, known=setting_keys(), noun="setting"))


def settingsetting_keys() -> Iterator[str]:
    """Yield every key that a settings file may have, for hints at a misspelt one."""
    for part in (Settings, ModelSettings, StreamSettings, EvidenceSettings):
        yield from part.model_fields
    for noun in (Sampling, MediaLimits, FetchLimits, SandboxLimits, Reuse, Motion, Policy):
        yield from (field.name for field in fields(noun))


def setting_keys() -> Iterator[str]:
    """Yield every key that a settings file may have, for hints at a misspelt one."""
    for part in (Settings, ModelSettings, StreamSettings, EvidenceSettings):
        yield from part.model_fields
    for noun in (Sampling, MediaLimits, FetchLimits, SandboxLimits, Reuse, Motion, Policy):
        yield from (field.name for field in fields(noun))
