"""Follows a live input over RTMP or RTSP, which an unprivileged child reads and cuts."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from typing import IO, Final

from scanner.errors import DamagedError, TransientError
from scanner.follow.pusher import SourcePusher
from scanner.rational import load_fraction
from scanner.sandbox.launcher import child_environment

__all__ = ["LIVE_PREFIXES", "follow_live", "read_piece"]

LIVE_PREFIXES: Final = ("rtmp://", "rtmps://", "rtsp://", "rtsps://")
LONGEST_HEAD: Final = 256
COMMAND: Final = (sys.executable, "-m", "scanner.follow.live_child")


def follow_live(
    location: str,
    shown: str,
    pusher: SourcePusher,
    *,
    most: int,
    command: Sequence[str] = COMMAND,
) -> None:
    """Push the segments of a live input as long as it lasts; ``most`` bytes each.

    Raises:
        TransientError: it ended, or cannot be read; another attempt may succeed.
    """
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        with suppress(BrokenPipeError):  # it has ended already; its message says why
            child.stdin.write(f"{location}\n{shown}\n".encode())
            child.stdin.close()
        while (piece := read_piece(child.stdout, most=most)) is not None:
            data, _ = piece
            # One number in the name: segments are told by it to belong together.
            pusher.push(f"follow/segment-{time.time_ns() // 1000}.ts", data)
        reason = child.stderr.read(2000).decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise TransientError(reason or f"{shown}: the server ended the stream")
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        child.stderr.close()


def read_piece(stream: IO[bytes], *, most: int) -> tuple[bytes, Fraction] | None:
    """Return the next segment that the child wrote, with its duration; None at the end.

    Raises:
        DamagedError: it is not what the child should write.
    """
    head = stream.readline(LONGEST_HEAD)
    if not head:
        return None
    try:
        told = json.loads(head)
        size, duration = told["size"], load_fraction(told["duration"])
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise DamagedError("the reader of a live input wrote no segment") from error
    if type(size) is not int or not 0 < size <= most:
        raise DamagedError(f"a segment of a live input has {size} bytes, limit is {most}")
    data = stream.read(size)
    return None if len(data) < size else (data, duration)
