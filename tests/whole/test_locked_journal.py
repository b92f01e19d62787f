"""FFmpeg pushes HLS and DASH while another process holds the journal's lock."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.whole.service import SETTLE_SECONDS, RunningService, running_service
from tests.whole.test_push_encoders import (
    SEGMENT_SECONDS,
    PushedStream,
    command,
    encoders,
    is_over,
    new_key,
    pushed_streams,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg"),
]

HOLD = """
import sys, time
from pysqlite3 import dbapi2 as sqlite
connection = sqlite.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""
KINDS = [("ts", "bearer"), ("fmp4", "basic"), ("dash", "path")]
BEFORE, AFTER = 8, 16
"""Seconds for which encoders push before and after the lock."""


@contextmanager
def locked(service: RunningService, seconds: float) -> Iterator[None]:
    """Hold the lock of the journal, in another process, for this long from the beginning of the
    block on; wait for that at its end."""
    file = str(service.data / "journal.sqlite3")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, file, str(seconds)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield


@pytest.mark.parametrize("seconds", [5, 35, 90])
def test_what_is_pushed_while_the_journal_is_locked_is_scored(tmp_path: Path, seconds: int) -> None:
    pushed = push_through_lock(tmp_path, seconds, kills_web=False)
    for one in pushed.values():
        assert one.lost == set()
        assert len(one.scored) >= (BEFORE + seconds + AFTER) // SEGMENT_SECONDS


@pytest.mark.parametrize("seconds", [35, 90])
def test_what_web_had_not_recorded_when_it_was_killed_is_a_gap(
    tmp_path: Path, seconds: int
) -> None:
    pushed = push_through_lock(tmp_path, seconds, kills_web=True)
    for one in pushed.values():
        assert len(one.scored) >= (BEFORE + AFTER) // SEGMENT_SECONDS - 2
        assert one.sequences >= (BEFORE + seconds + AFTER) // SEGMENT_SECONDS - 1


def push_through_lock(folder: Path, seconds: int, *, kills_web: bool) -> dict[str, PushedStream]:
    """Push for a while before, during and after a lock; return what became of it."""
    with running_service(folder / "data") as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        key, whole = new_key(service), BEFORE + seconds + AFTER
        commands = [
            command(service.address, key, muxer=muxer, auth=auth, seconds=whole)
            for muxer, auth in KINDS
        ]
        with encoders(commands) as started:
            time.sleep(BEFORE)  # real encoders push in real time
            with locked(service, seconds):
                time.sleep(seconds / 2)
                if kills_web:
                    service.kill(lambda listed: next(one for one in listed if one[1] == "web"))
            assert [one.wait(120) for one in started] == [0] * len(KINDS)
        service.wait_for(is_over(service, len(KINDS)), 120, "ended")
        assert "process silent" not in service.log.read_text()
        return pushed_streams(service.data)
