"""What a killed process leaves behind is found by its mark."""

from __future__ import annotations

import os
import subprocess
import sys

from scanner.supervisor.marked import end_marked, marked_processes

NAME = "STREAMWARDEN_TEST_MARK"


def test_a_process_and_its_children_are_found_and_ended() -> None:
    value = f"mark-{os.getpid()}"
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        env={**os.environ, NAME: value},
    ) as process:
        while len(marked_processes(NAME, value)) < 2:
            assert process.poll() is None
        assert end_marked(NAME, value) == 2
    assert marked_processes(NAME, value) == []


def test_other_marks_are_left_alone() -> None:
    assert end_marked(NAME, "nobody has this") == 0
