"""A web process with the console, on loopback; started once a module."""

from __future__ import annotations

from tests.intake.conftest import _plain_logs, service
from tests.store.conftest import journal, wall_clock

__all__ = ["_plain_logs", "journal", "service", "wall_clock"]
