"""What the tests ask of a sandbox again and again."""

from __future__ import annotations

import psutil

from scanner.media.samples import Decoded
from scanner.sandbox.sandbox import Sandbox
from tests.sandbox.hostile_tasks import LARGE, SMALL

SPECS = (SMALL, LARGE)


def child_of(sandbox: Sandbox) -> psutil.Process:
    """The process behind a sandbox, started if need be."""
    assert sandbox.walls.held
    return psutil.Process(sandbox.pid)


def decode(sandbox: Sandbox, count: int) -> list[Decoded]:
    return list(sandbox.stream("windows", [b"media"], count, specs=SPECS, name="x"))
