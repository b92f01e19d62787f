"""Liveness reports need neither journal nor disk, and stop with the loop of the process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from scanner import liveness as module
from scanner.liveness import (
    VARIABLE,
    LivenessBoard,
    LoopPulse,
    inherited_descriptor,
    reporting_liveness,
)

PROCESS = """
import os, sys
from scanner.liveness import LoopPulse, inherited_descriptor, reporting_liveness
with reporting_liveness(LoopPulse(monotonic=lambda: 0.0), inherited_descriptor(os.environ)):
    sys.stdin.read()
"""


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[LivenessBoard]:
    monkeypatch.setattr(module, "REPORT_SECONDS", 0.001)
    with closing(LivenessBoard(["one", "other"])) as board:
        yield board


def test_a_process_that_the_supervisor_started_shows_signs_that_change() -> None:
    with closing(LivenessBoard(["one", "other"])) as board:
        sign = board.descriptor("one")
        assert sign is not None
        with subprocess.Popen(
            [sys.executable, "-c", PROCESS],
            stdin=subprocess.PIPE,
            env={**os.environ, VARIABLE: str(sign)},
            pass_fds=[sign],
        ) as process:
            seen: set[int] = set()
            while len(seen) < 2 and process.poll() is None:
                seen |= {*board.latest().values()}
            process.stdin.close()  # type: ignore[union-attr]
        assert len(seen) == 2
        assert {*board.latest()} == {"one"}


def test_while_the_loop_does_not_turn_there_is_no_sign(board: LivenessBoard) -> None:
    class Pulse(LoopPulse):
        looks = 0

        @property
        def is_fresh(self) -> bool:
            self.looks += 1
            return False

    pulse = Pulse()
    with reporting_liveness(pulse, board.descriptor("one")):
        while pulse.looks < 5:
            pass
    assert board.latest() == {}


def test_a_process_that_was_started_by_hand_shows_none_and_works(board: LivenessBoard) -> None:
    environ = {"HOME": "/"}
    assert inherited_descriptor(environ) is None
    with reporting_liveness(LoopPulse(), None):
        pass
    assert board.latest() == {}


def test_the_descriptor_is_hidden_from_processes_below(board: LivenessBoard) -> None:
    sign = board.descriptor("one")
    assert sign is not None
    os.set_inheritable(sign, True)
    environ = {VARIABLE: str(sign)}
    assert inherited_descriptor(environ) == sign
    assert environ == {}
    assert not os.get_inheritable(sign)
