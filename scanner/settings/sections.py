"""Settings, read once at the edge of the program and passed down whole or in part.

A TOML file is overridden by the environment (``STREAMWARDEN_SAMPLING__STRATEGY=keyframes``), which
is overridden by flags. Every default is suitable for production. An unknown key is an error that
states its full path.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from scanner.errors import SetupError
from scanner.media.limits import MediaLimits
from scanner.media.sampling import Sampling
from scanner.risk.policy import Policy
from scanner.sandbox.limits import SandboxLimits
from scanner.scoring.options import BurstSelection, Precision, Provider, Reuse, user_models_dir
from scanner.settings.console import (
    AuditSettings,
    ConsoleSettings,
    ViewSettings,
    WellbeingSettings,
)
from scanner.settings.layers import ENVIRONMENT, NESTED, SettingsLayers
from scanner.settings.service import (
    FrozenSection,
    JsonLinesSettings,
    QuotaSettings,
    RetentionSettings,
    ReviewSettings,
    ServiceSettings,
    WebhookSettings,
)
from scanner.sources.limits import FetchLimits
from scanner.validation import describe_errors, suggest_key

__all__ = [
    "ChannelSettings",
    "EvidenceSettings",
    "ModelSettings",
    "Settings",
    "StreamSettings",
    "read_layers",
    "read_settings",
    "setting_keys",
    "settings_of",
    "unknown_variables",
]

_OTHERS: Final = re.compile(
    r"API_KEY|CLUSTER|SERVICE_PROCESS|(.*_)?(SERVICE_HOST|(SERVICE_)?PORT(_.*)?)"
)
"""Ends of names of variables that are ours and no settings, or that Kubernetes sets."""


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
    """The precision of inference; ``auto`` is fp16 on a GPU if the model has it, otherwise fp32.
    ``int8`` is faster on CPUs and gives slightly other scores, on each kind of processor."""
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


class ChannelSettings(FrozenSection):
    """Policies of channels of the live service."""

    match: str = Field(min_length=1)
    """Name of a channel, or a pattern of names with ``*``, ``?`` and ``[...]``."""
    policy: Mapping[str, Mapping[str, Any]] = {}
    """Changes to policies, as in the section ``policy``, which they override."""


class EvidenceSettings(FrozenSection):
    """The clips and pictures of an incident."""

    clip_seconds: Fraction = Field(default=Fraction(60), gt=0)
    """The longest clip; a longer incident has several, cut while it is open."""
    clips: int = Field(default=20, ge=1)
    """The most clips of one incident."""
    frames: int = Field(default=12, ge=1, le=64)
    """The number of pictures of a contact sheet."""
    incident_seconds: float = Field(default=300.0, gt=0)
    """The longest time that cutting and drawing may take for one incident, which no line of a scan
    waits for."""
    stream_seconds: float = Field(default=600.0, gt=0)
    """The longest time that they may take for all incidents of one stream."""
    finish_seconds: float = Field(default=120.0, gt=0)
    """The longest time that they may take once the scan has ended; what is not cut then is named in
    the report."""
    memory_bytes: int = Field(default=256 << 20, ge=1)
    """The most bytes of segments held, in memory or in temporary files, for clips, over all
    streams; local files are read where they lie and do not count."""


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
    channels: tuple[ChannelSettings, ...] = ()
    """Further changes to policies by channel; the first that matches a channel is used."""
    _policy_source: str = PrivateAttr("settings")
    _channels_source: str = PrivateAttr("settings")

    @property
    def policy_source(self) -> str:
        """The file, or what else the changes to policies come from, for messages."""
        return self._policy_source

    @property
    def channels_source(self) -> str:
        """The file, or what else the policies of channels come from, for messages."""
        return self._channels_source


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
    return settings_of(read_layers(path, flags))


def read_layers(path: Path | None = None, flags: Mapping[str, Any] | None = None) -> SettingsLayers:
    """Read what each source has, without a check of the values.

    Raises:
        SetupError: the file cannot be read, or a section is unknown.
    """
    if unknown := list(_unknown_sections()):
        raise SetupError("; ".join(unknown))
    return SettingsLayers(
        path=None if path is None else str(path),
        file={} if path is None else _read_file(path),
        environment=_read_environment(),
        flags=flags or {},
    )


def settings_of(layers: SettingsLayers) -> Settings:
    """Return the settings of all sources together.

    Raises:
        SetupError: a setting is unknown or invalid; one message lists all of them.
    """
    try:
        settings = Settings(**layers.merge())
    except ValidationError as error:
        messages = describe_errors(error, known=setting_keys(), noun="setting")
        locations = (details["loc"] for details in error.errors(include_url=False))
        raise SetupError(
            "; ".join(
                f"{layers.name_of(location)}: {message}"
                for location, message in zip(locations, messages, strict=True)
            )
        ) from error
    settings._policy_source = layers.names_of("policy")
    settings._channels_source = layers.names_of("channels")
    return settings


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise SetupError(
            f"{path}: cannot be read: {error.strerror}; "
            "wanted a TOML file such as those in samples/"
        ) from error
    except UnicodeDecodeError as error:
        raise SetupError(f"{path}: not UTF-8, a TOML file is wanted") from error
    except ValueError as error:
        raise SetupError(f"{path}: {error}") from error


def _read_environment() -> dict[str, Any]:
    """Return the settings that environment variables make."""
    if not any(name.upper().startswith(ENVIRONMENT) for name in os.environ):
        return {}
    from pydantic_settings import (  # takes a tenth of a second to import
        BaseSettings,
        EnvSettingsSource,
        SettingsConfigDict,
        SettingsError,
    )

    class Environment(Settings, BaseSettings):
        model_config = SettingsConfigDict(env_prefix=ENVIRONMENT, env_nested_delimiter=NESTED)

    try:
        return EnvSettingsSource(Environment)()
    except SettingsError as error:
        variables = [name for name in sorted(os.environ) if _is_not_json(name)]
        where = ", ".join(variables) or "environment"
        raise SetupError(f"{where}: not JSON, a table or a list is wanted") from error


def _is_not_json(name: str) -> bool:
    """Return whether a variable stands for a whole section, or a list, and is not JSON."""
    if not name.startswith(ENVIRONMENT):
        return False
    try:
        return not isinstance(json.loads(os.environ[name]), dict | list)
    except ValueError:
        return True


def _unknown_sections() -> Iterator[str]:
    """Yield a message for each variable ``STREAMWARDEN_SECTION__KEY`` of an unknown section.

    Keys of known sections are validated with the section.
    """
    for name in sorted(os.environ):
        section, nested, _ = name.removeprefix(ENVIRONMENT).partition(NESTED)
        if name.startswith(ENVIRONMENT) and nested and section.lower() not in Settings.model_fields:
            hint = suggest_key(section.lower(), Settings.model_fields)
            yield f"{name}: no such section of the settings{hint}"


def unknown_variables() -> Iterator[str]:
    """Yield a message for each variable ``STREAMWARDEN_NAME`` that is no setting and has no effect.

    Those that Kubernetes sets for a service of our name are not meant.
    """
    for name in sorted(os.environ):
        key = name.removeprefix(ENVIRONMENT)
        if not name.startswith(ENVIRONMENT) or NESTED in key or _OTHERS.fullmatch(key):
            continue
        if key.lower() not in Settings.model_fields:
            yield (
                f"{name}: no such setting, so it has no effect; wanted {ENVIRONMENT}SECTION__KEY,"
                f" such as {ENVIRONMENT}SAMPLING__MAX_GAP"
            )


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
    ChannelSettings,
    EvidenceSettings,
    ServiceSettings,
    QuotaSettings,
    RetentionSettings,
    ReviewSettings,
    WebhookSettings,
    JsonLinesSettings,
    ConsoleSettings,
    ViewSettings,
    WellbeingSettings,
    AuditSettings,
)
"""Sections of a settings file that are models of pydantic."""
