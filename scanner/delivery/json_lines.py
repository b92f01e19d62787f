"""A folder of JSON Lines files as a receiver: a line for each message, durable before its receipt.

    incidents-000001.jsonl   full: complete, never changed again
    incidents-000002.jsonl   the latest: lines are appended

A batch is written and flushed to the disk before it counts as delivered, so that a receipt (file
and offset) names bytes that are there. What was written of a batch that failed is cut off again;
where that was not possible, because the process was killed or the power cut, the next opening cuts
what follows the last newline. So a line is never joined with another, and a message may be there
twice.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from scanner.delivery.receiver import Answer
from scanner.private import make_folder, private_opener
from scanner.settings.service import JsonLinesSettings

__all__ = ["JsonLinesFolder"]

log = structlog.get_logger(__name__)

PREFIX, SUFFIX = "incidents-", ".jsonl"
CHUNK: Final = 65_536
"""Bytes that are read at once in search of the last newline."""
Write = Callable[[int, bytes], int]


class JsonLinesFolder:
    """Appends messages to the latest file of a folder, which no other process writes meanwhile."""

    def __init__(self, settings: JsonLinesSettings, *, write: Write = os.write) -> None:
        self._settings = settings
        self._write = write
        self._folder: int | None = None
        """Descriptor of the folder, which holds its lock."""
        self._file: int | None = None
        self._number = 0
        self._size = 0

    async def post_all(
        self, messages: Sequence[tuple[str, str]], *, now: Callable[[], float]
    ) -> list[Answer]:
        """Append messages, given as id and JSON object; all of them are durable, or none counts."""
        began = time.monotonic()
        try:
            self._open()
            places = self._append([_line(name, body) for name, body in messages])
        except OSError as failure:
            self._release()
            reason = os.strerror(failure.errno) if failure.errno else str(failure)
            error = f"{self._settings.folder}: cannot be written: {reason}"
            seconds = time.monotonic() - began
            return [Answer(result="failed", seconds=seconds, error=error) for _ in messages]
        seconds = time.monotonic() - began
        return [Answer(result="delivered", seconds=seconds, place=place) for place in places]

    async def close(self) -> None:
        """Close the file, and give the folder to others."""
        self._release()

    # Writing

    def _append(self, lines: Sequence[bytes]) -> list[dict[str, Any]]:
        places = []
        begin = self._size
        try:
            for line in lines:
                if self._size and self._size + len(line) > self._settings.max_bytes:
                    self._begin_next()
                    begin = 0
                places.append({"file": _name(self._number), "offset": self._size})
                self._write_all(line)
            os.fsync(self._descriptor)
        except OSError:
            if self._file is not None:
                os.ftruncate(self._file, begin)
            raise
        return places

    def _write_all(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            written = self._write(self._descriptor, bytes(rest))
            rest = rest[written:]
            self._size += written

    @property
    def _descriptor(self) -> int:
        if self._file is None:
            raise OSError(errno.EBADF, "the file is not open")
        return self._file

    # Files

    def _open(self) -> None:
        """Open the latest file of the folder, unless it is open and still there."""
        folder = self._settings.folder
        if self._file is not None and _is_same(self._file, folder / _name(self._number)):
            return
        self._release()
        make_folder(folder)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(errno.EBUSY, "another process writes there") from error
        self._open_file(max(_numbers(folder), default=1))
        os.fsync(self._folder)

    def _open_file(self, number: int) -> None:
        path = self._settings.folder / _name(number)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = private_opener(str(path), flags)
        self._number, self._size = number, _cut_torn_line(self._file, path)

    def _begin_next(self) -> None:
        """Complete the file, begin the next one, and delete files that are not to be kept."""
        os.fsync(self._descriptor)
        os.close(self._descriptor)
        self._file = None
        self._open_file(self._number + 1)
        if self._folder is not None:
            os.fsync(self._folder)
        if self._settings.keep:
            for number in _numbers(self._settings.folder):
                if number <= self._number - self._settings.keep:
                    (self._settings.folder / _name(number)).unlink(missing_ok=True)

    def _release(self) -> None:
        for descriptor in (self._file, self._folder):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._folder = None


def _line(name: str, body: str) -> bytes:
    """Return a message as a line: its JSON object with its id in front."""
    return f'{{"id":{json.dumps(name)},{body[1:]}\n'.encode()


def _name(number: int) -> str:
    return f"{PREFIX}{number:06}{SUFFIX}"


def _numbers(folder: Path) -> Iterator[int]:
    for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
        digits = path.name.removeprefix(PREFIX).removesuffix(SUFFIX)
        if digits.isascii() and digits.isdigit():
            yield int(digits)


def _is_same(descriptor: int, path: Path) -> bool:
    """Return whether an open file is the one that has the name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _cut_torn_line(descriptor: int, path: Path) -> int:
    """Cut what follows the last newline of a file, and return its size."""
    size = end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - CHUNK)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        log.warning("torn line cut", file=str(path), bytes=size - end)
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
    return end
