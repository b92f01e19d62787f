"""Requests to a sandbox that several tests share."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

from scanner.media.samples import DecodedWindow
from scanner.sandbox.answers import AnswerBounds
from scanner.sandbox.sandbox import Sandbox
from tests.sandbox.hostile_tasks import LARGE, SMALL

SPECS = (SMALL, LARGE)
STREAM = "s"
MANY = AnswerBounds(windows=100)
"""Bounds of tasks that answer with several windows."""


def child_of(sandbox: Sandbox) -> psutil.Process:
    """Return the process that serves ``STREAM``; start it if there is none."""
    if STREAM not in sandbox.pids:
        decode(sandbox, 1)
    return psutil.Process(sandbox.pids[STREAM])


def decode(sandbox: Sandbox, count: int) -> list[DecodedWindow]:
    windows = sandbox.stream(
        "windows", [b"media"], count, specs=SPECS, name="x", stream=STREAM, bounds=MANY
    )
    return list(windows)


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until a condition that another process brings about is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
