"""Settings, read once at the edge of the program and passed down whole or in part.

A TOML file is overridden by the environment (``STREAMWARDEN_SAMPLING__STRATEGY=keyframes``), which
is overridden by flags. Every default is suitable for production. An unknown key is an error that
states its full path.
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

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from scanner.errors import SetupError
from scanner.media.limits import MediaLimits
from scanner.media.sampling import Sampling
from scanner.risk.policy import Policy
from scanner.sandbox.limits import SandboxLimits
from scanner.scoring.options import BurstSelection, Precision, Provider, Reuse, user_models_dir
from scanner.settings.service import (
    FrozenSection,
    QuotaSettings,
    RetentionSettings,
    ServiceSettings,
    WebhookSettings,
)
from scanner.sources.limits import FetchLimits
from scanner.validation import describe_errors, suggest_key

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


class ModelSettings(FrozenSection):
    """The models in use and where they run."""

    dir: Path | None = None
    """The folder that holds all models in use; None for the shipped models and the added ones."""
    added: Path | None = None
    """The folder of added models; None for the user's own. Ignored if ``dir`` is set."""
    names: tuple[str, ...] | None = None
    """The models in use, in order; None for all. The test card is always included."""
    provider: Provider = "cpu"
    precision: Precision = "auto"
    """The precision of inference; ``auto`` is fp16 on a GPU if the model has it, otherwise fp32."""
    threads: int = Field(default=1, ge=1, le=64)
    """Threads of one inference on a CPU; one process per core is faster than several threads."""

    @property
    def install_dir(self) -> Path:
        """The folder that a new model is installed in, which scans read."""
        return self.dir or self.added or user_models_dir()

    @property
    def added_dir(self) -> Path | None:
        """The folder of added models, read after the shipped ones; None if ``dir`` is set or no
        such folder is configured or exists."""
        if self.dir is not None:
            return None
        return self.added or (user_models_dir() if user_models_dir().is_dir() else None)


class StreamSettings(FrozenSection):
    """The settings of assembling a stream from its segments."""

    missing_after: int = Field(default=3, ge=1)
    """The number of later sequences after which one that has not arrived is a gap."""


class EvidenceSettings(FrozenSection):
    """The clips and pictures of an incident."""

    clip_seconds: Fraction = Field(default=Fraction(60), gt=0)
    """The longest clip; a longer incident has several, cut while it is open."""
    clips: int = Field(default=20, ge=1)
    """The most clips of one incident."""
    frames: int = Field(default=12, ge=1, le=64)
    """The number of pictures of a contact sheet."""
    memory_bytes: int = Field(default=256 << 20, ge=1)
    """The most bytes of segments held in memory for clips, over all streams; local files are read
    where they lie and do not count."""


class Settings(FrozenSection):
    """The settings of an operator.

    ``Settings()`` has the defaults; ``read_settings`` reads a file and the environment.
    """

    sampling: Sampling = Sampling()
    window: Fraction = Field(default=Fraction(10), gt=0)
    """The longest window of a file, in seconds."""
    limits: MediaLimits = MediaLimits()
    fetch: FetchLimits = FetchLimits()
    sandbox: SandboxLimits = SandboxLimits()
    models: ModelSettings = ModelSettings()
    reuse: Reuse = Reuse()
    bursts: BurstSelection = BurstSelection()
    stream: StreamSettings = StreamSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    service: ServiceSettings = ServiceSettings()
    policy: Mapping[str, Mapping[str, Any]] = {}
    """Changes to policies by label, or by another name of the taxonomy; the keys are the fields of
    ``scanner.risk.policy.Policy``."""


class _Environment(Settings, BaseSettings):
    """The environment variables that exist, for ``EnvSettingsSource``."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT, env_nested_delimiter=NESTED)


def read_settings(path: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings from a TOML file, the environment and ``flags``, which override each other
    in this order.

    Args:
        path: the TOML file; None for none.
        flags: settings from the command line, in the structure of the file.

    Raises:
        SetupError: the file cannot be read, or a setting is unknown or invalid; one message lists
            all of them.
    """
    where = str(path) if path is not None else "settings"
    if unknown := list(_unknown_variables()):
        raise SetupError("; ".join(unknown))
    try:
        file = {} if path is None else tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
        environment = EnvSettingsSource(_Environment)()
        return Settings(**_override(_override(file, environment), flags or {}))
    except OSError as error:
        raise SetupError(
            f"{where}: cannot be read: {error.strerror}; "
            "wanted a TOML file such as those in samples/"
        ) from error
    except ValidationError as error:
        messages = describe_errors(error, known=setting_keys(), noun="setting")
        raise SetupError(f"{where}: {'; '.join(messages)}") from error
    except ValueError as error:
        raise SetupError(f"{where}: {error}") from error


def _override(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two trees; where both have a value, the upper one's is used."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = (
            _override(below, value)
            if isinstance(below, Mapping) and isinstance(value, Mapping)
            else value
        )
    return merged


def _unknown_variables() -> Iterator[str]:
    """Yield a message for each variable ``STREAMWARDEN_SECTION__KEY`` of an unknown section.

    Keys of known sections are validated with the section.
    """
    for name in sorted(os.environ):
        section, nested, _ = name.removeprefix(ENVIRONMENT).partition(NESTED)
        if name.startswith(ENVIRONMENT) and nested and section.lower() not in Settings.model_fields:
            hint = suggest_key(section.lower(), Settings.model_fields)
            yield f"{name}: no such section of the settings{hint}"


def setting_keys() -> Iterator[str]:
    """Yield every key that a settings file may have, to correct misspelt ones."""
    for part in _SECTIONS:
        yield from part.model_fields
    for noun in (Sampling, MediaLimits, FetchLimits, SandboxLimits, Reuse, BurstSelection, Policy):
        yield from (field.name for field in fields(noun))


_SECTIONS: Final[tuple[type[BaseModel], ...]] = (
    Settings,
    ModelSettings,
    StreamSettings,
    EvidenceSettings,
    ServiceSettings,
    QuotaSettings,
    RetentionSettings,
    WebhookSettings,
)
"""Sections of a settings file that are models of pydantic."""
