"""A web process with the console, on loopback; started once a module."""

from __future__ import annotations

from tests.intake.conftest import _plain_logs, service

__all__ = ["_plain_logs", "service"]
