"""Requests to a sandbox that several tests share."""

from __future__ import annotations

import psutil

from scanner.media.samples import DecodedWindow
from scanner.sandbox.sandbox import Sandbox
from tests.sandbox.hostile_tasks import LARGE, SMALL

SPECS = (SMALL, LARGE)


def child_of(sandbox: Sandbox) -> psutil.Process:
    """Return the child process of a sandbox; start it if there is none."""
    assert sandbox.restrictions.active
    return psutil.Process(sandbox.pid)


def decode(sandbox: Sandbox, count: int) -> list[DecodedWindow]:
    return list(sandbox.stream("windows", [b"media"], count, specs=SPECS, name="x"))
