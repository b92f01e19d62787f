"""The application of the web process: the HTTP interface of the intake, and the review console."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, FastAPI

from scanner.intake.app import create_app
from scanner.settings.service import ServiceSettings
from scanner.store.database import Journal
from scanner.store.objects import ObjectStore

__all__ = ["create_web_app"]

ROUTES: Final[tuple[APIRouter, ...]] = ()


def create_web_app(
    settings: ServiceSettings, journal: Journal, objects: ObjectStore, **limits: Any
) -> FastAPI:
    """Return the whole HTTP interface; ``limits`` are those of ``create_app``."""
    return create_app(settings, journal, objects, further=ROUTES, **limits)
