"""SIGHUP restarts every process with the new settings, if these are valid."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import processes_below

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def supervised(folder: Path, check: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.supervisor.supervised", str(folder), check],
            cwd=ROOT,
            stderr=log,
        )
    try:
        wait_for(lambda: len(started(folder)) == 2)
        yield process
    finally:
        process.terminate()
        assert process.wait(20) == 0


def started(folder: Path) -> set[str]:
    """Return name and number of every process that was started."""
    return {path.name for path in folder.iterdir()} - {"log"}


def running(process: subprocess.Popen[bytes]) -> set[str]:
    """Return name and number of every process that runs."""
    return {
        f"{command[3]}-{one.pid}"
        for one, command in processes_below(process.pid).items()
        if "tests.supervisor.idle" in command
    }


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_valid_settings_restart_every_process_once(tmp_path: Path) -> None:
    with supervised(tmp_path, "true") as process:
        before = started(tmp_path)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(started(tmp_path)) == 4)

        wait_for(lambda: started(tmp_path) == before | running(process))
        assert not running(process) & before
        assert {name.partition("-")[0] for name in running(process)} == {"first", "second"}


def test_invalid_settings_restart_nothing_and_are_logged(tmp_path: Path) -> None:
    with supervised(tmp_path, "false") as process:
        before = started(tmp_path)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "nothing is reloaded" in (tmp_path / "log").read_text())

        assert running(process) == before == started(tmp_path)
