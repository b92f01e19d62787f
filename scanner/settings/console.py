"""Settings of the review console, the section ``[service.console]``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from scanner.store.people import SessionLimits

__all__ = [
    "AuditSettings",
    "ConsoleSettings",
    "ViewSettings",
    "WellbeingSettings",
    "session_limits",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ViewSettings(_Frozen):
    """How media is shown until the person asks for it otherwise; each may choose another."""

    blur: bool = True
    greyscale: bool = True
    mute: bool = True
    autoplay: bool = False


class WellbeingSettings(_Frozen):
    """What the console reminds of, unless the person chooses otherwise; 0 for no reminder."""

    break_minutes: int = Field(default=60, ge=0, le=1440)
    """Minutes of work without a break after which a break is suggested."""
    items: int = Field(default=300, ge=0)
    """Items a day."""
    severe_items: int = Field(default=60, ge=0)
    """Items of the highest severity a day."""
    unblurred_minutes: int = Field(default=60, ge=0)
    """Minutes of media without blur a day."""


class AuditSettings(_Frozen):
    """The audit log."""

    folder: Path | None = None
    """Second place, for signed checkpoints; None for a folder beside the data folder."""
    days: float = Field(default=730.0, gt=0)
    """Age of entries that are removed."""


class ConsoleSettings(_Frozen):
    """The review console."""

    idle_minutes: float = Field(default=60.0, gt=0)
    """Minutes without a request after which a session ends."""
    session_hours: float = Field(default=12.0, gt=0)
    """Hours after which a session ends however much it is used."""
    second_factor: Literal["auto", "optional", "leads", "everyone"] = "auto"
    """Who needs one-time codes to use the console: no one, leads and admins, or everyone; ``auto``
    is leads and admins where other machines reach the service, by TLS or a proxy."""
    view: ViewSettings = ViewSettings()
    view_by_category: dict[str, ViewSettings] = {}
    """How media of single categories is shown instead."""
    wellbeing: WellbeingSettings = WellbeingSettings()


def session_limits(settings: ConsoleSettings) -> SessionLimits:
    """Return how long sessions last."""
    return SessionLimits(
        idle_seconds=60 * settings.idle_minutes, absolute_seconds=3600 * settings.session_hours
    )
