"""Processor time is counted for a process and what is below it."""

from __future__ import annotations

import os
import subprocess
import sys

from workers.processor_time import processor_seconds

BUSY = """
import time
until = time.process_time() + 0.3
while time.process_time() < until:
    pass
print(1, flush=True)
input()
"""


def test_a_process_and_those_below_it_are_counted_by_kind() -> None:
    before = processor_seconds(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", BUSY, "scanner.sandbox"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        during = processor_seconds(os.getpid())
        busy.communicate(b"\n")

    assert during["decoders"] >= before.get("decoders", 0.0) + 0.25
    assert during["driver"] >= before["driver"] > 0.0


def test_a_process_that_is_gone_has_used_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    assert processor_seconds(gone.pid) == {"driver": 0.0}
