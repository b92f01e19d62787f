"""Objects: encoded media in a directory, durable before their rows are.

    receive   bytes into a temporary file, with their digest
    put_many  rename into place, one flush of the file system for all of them
    delete    unlink; the row that names the object goes first

A name contains a digest of the bytes, so that two processes never write different bytes under one
name. A crash between the rename and the commit of a row leaves an object without a row, which
``sweep`` removes.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import secrets
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Final, Self

from scanner.private import private_opener

__all__ = ["IncomingObject", "ObjectStore", "segment_name"]

INCOMING: Final = "incoming"
NAME_DIGITS: Final = 24
"""Hexadecimal digits of a digest within a name: 96 bits."""


def segment_name(kind: str, stream_id: str, item: str, sha256: str) -> str:
    """Return the name of an object of a stream: a segment's or an init segment's.

    >>> segment_name("segments", "s", "7", "ab" * 32)
    'segments/04/043a718774c572bd8a25adbe-7-abababababababababababab'
    """
    stream = hashlib.sha256(stream_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kind}/{stream[:2]}/{stream[:NAME_DIGITS]}-{item}-{sha256[:NAME_DIGITS]}"


class IncomingObject:
    """Bytes on their way in, in a temporary file; ``discard`` removes it unless it was put."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self._file = file
        self._digest = hashlib.sha256()
        self._is_put = False
        self.size = 0
        """Bytes so far."""

    def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            OSError: the disk is full or failed.
        """
        view = memoryview(chunk)
        while view:
            view = view[self._file.write(view) :]
        self.count(chunk)

    def count(self, chunk: bytes) -> None:
        """Add bytes that the file has already to its digest and size."""
        self._digest.update(chunk)
        self.size += len(chunk)

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, in hex."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close the file; its bytes stay."""
        self._file.close()

    def discard(self) -> None:
        """Close and remove the file, if it was not put."""
        self._file.close()
        if not self._is_put:
            self.path.unlink(missing_ok=True)

    def put(self, target: str) -> None:
        """Close the file and move it into place; its folder is made if it is missing.

        Raises:
            OSError: the disk failed.
        """
        self._file.close()
        try:
            os.rename(self.path, target)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            os.rename(self.path, target)
        self._is_put = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


class ObjectStore:
    """Objects below one directory; several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / INCOMING
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        # The kernel reports an error of writing back once to each descriptor that was open before.
        # One that is opened for each flush misses errors that another process has seen.
        self._directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        weakref.finalize(self, os.close, self._directory)

    def receive(self) -> IncomingObject:
        """Return a new, empty temporary file."""
        path = self._incoming / secrets.token_hex(12)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return IncomingObject(path, FileIO(descriptor, "wb"))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Make a folder for files that are to become objects; it is removed with what is left."""
        with TemporaryDirectory(dir=self._incoming) as folder:
            yield Path(folder)

    def clear_scratch(self) -> None:
        """Remove the ``scratch`` folders of processes that were killed."""
        for entry in self._incoming.iterdir():
            if entry.is_dir():
                rmtree(entry, ignore_errors=True)

    def adopt(self, path: Path) -> IncomingObject:
        """Return a finished file of a ``scratch`` folder as one that can be put."""
        incoming = IncomingObject(path, FileIO(path, "ab", opener=private_opener))
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                incoming.count(chunk)
        return incoming

    def path(self, name: str) -> Path:
        """Return where an object is, whether or not it exists.

        Raises:
            ValueError: the name leaves the directory.
        """
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"object name must stay within its directory, got {name!r}")
        return self._folder / name

    def put_many(self, items: Sequence[tuple[IncomingObject, str]]) -> None:
        """Move objects into place under their names, then flush all of them once.

        After the return they survive a power cut. An object that is there already is replaced: its
        earlier bytes may never have been flushed.

        Raises:
            OSError: the disk failed; whether anything is durable is not known, and a retry would
                not tell.
        """
        paths = [self.path(name) for _, name in items]
        for (incoming, _), path in zip(items, paths, strict=True):
            incoming.put(str(path))
        if items:
            self._flush(paths)

    def delete(self, name: str) -> None:
        """Remove an object; one that is gone already is no error."""
        self.path(name).unlink(missing_ok=True)

    def list_older(self, than: float) -> Iterator[str]:
        """Yield names of objects and temporary files, last modified before ``than``."""
        for folder, _, files in os.walk(self._folder):
            for file in files:
                path = Path(folder) / file
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < than:
                        yield path.relative_to(self._folder).as_posix()

    def free_bytes(self) -> int:
        """Return the bytes that this process may still write to the file system."""
        facts = os.statvfs(self._folder)
        return facts.f_bavail * facts.f_frsize

    def total_bytes(self) -> int:
        """Return the size of the file system in bytes."""
        facts = os.statvfs(self._folder)
        return facts.f_blocks * facts.f_frsize

    def _flush(self, paths: Iterable[Path]) -> None:
        """Flush the files and their directories: with one ``syncfs``, which Linux 5.8 and later
        report errors of, otherwise each by itself."""
        if _SYNCFS is not None:
            if _SYNCFS(self._directory) == 0:
                return
            number = ctypes.get_errno()
            if number != errno.ENOSYS:
                raise OSError(number, os.strerror(number), str(self._folder))
        self._flush_each(paths)

    def _flush_each(self, paths: Iterable[Path]) -> None:
        folders: dict[Path, None] = {}
        for path in paths:
            _fsync(path)
            for parent in path.parents:
                folders[parent] = None
                if parent == self._folder:
                    break
        for folder in folders:
            _fsync(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _load_syncfs() -> ctypes._NamedFuncPointer | None:
    """Return the C library's ``syncfs`` where the kernel reports its errors."""
    release = os.uname().release.split(".")
    try:
        version = (int(release[0]), int(release[1].split("-")[0]))
        function = ctypes.CDLL(None, use_errno=True).syncfs
    except (AttributeError, IndexError, OSError, ValueError):
        return None
    function.argtypes = [ctypes.c_int]
    return function if version >= (5, 8) else None


_SYNCFS: Final = _load_syncfs()
