"""The bytes of a model that somebody else made, held to a checksum.

They are read, and never run or unpickled.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit
from zipfile import BadZipFile, ZipFile

from scanner.errors import SetupError
from scanner.sources.download import download
from scanner.sources.http import redact_url

__all__ = ["is_address", "packaged_file", "read_source"]

MAX_BYTES: Final = 1 << 30
"""Of a file; a scorer reads no larger one."""
WHEEL: Final = ".whl"
PICKLES: Final = frozenset(
    {".bin", ".ckpt", ".h5", ".hdf5", ".joblib", ".keras", ".pickle", ".pkl", ".pt", ".pt2", ".pth"}
)
"""Formats that hold pickled objects or code, by the end of their names."""
PICKLE_HEADS: Final = (
    b"\x80\x02",
    b"\x80\x03",
    b"\x80\x04",
    b"\x80\x05",
    b"PK\x03\x04",
    b"\x89HDF",
)
"""The same by their first bytes: pickles, torch's archives of pickles, and HDF5."""


def read_source(where: str, *, sha256: str | None, inside: str | None = None) -> bytes:
    """The file at a path or address; of a wheel on disk, which is an archive, the file ``inside``
    it.

    Raises:
        SetupError: it cannot be read, is too large, is of a format that runs code when it is
            loaded, differs from the checksum, or is at an address and has no checksum.
        ScannerError: as ``download`` says.
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise SetupError(f"sha256 must be 64 digits of 0 to 9 and a to f, got {sha256!r}")
    shown = redact_url(where) if is_address(where) else where
    if _suffix(where) in PICKLES:
        raise _pickle(shown)
    if is_address(where) and sha256 is None:
        raise SetupError(f"{shown}: a file from an address must be pinned: give its --sha256")
    data = download(where, most=MAX_BYTES) if is_address(where) else _read(Path(where), inside)
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256:
        raise SetupError(
            f"{shown}: its sha256 is {found}, wanted {sha256}: it is another file, or was changed; nothing of it was kept"
        )
    if data.startswith(PICKLE_HEADS):
        raise _pickle(shown)
    return data


def packaged_file(package: str, file: str) -> Path | None:
    """A file that an installed distribution brought; None where it is not installed."""
    try:
        found = distribution(package)
    except PackageNotFoundError:
        return None
    path = Path(str(found.locate_file(file)))
    return path if path.is_file() else None


def is_address(where: str) -> bool:
    """Whether it names a server, and not a path."""
    return "://" in where


def _suffix(where: str) -> str:
    return PurePosixPath(urlsplit(where).path if is_address(where) else where).suffix.lower()


def _pickle(shown: str) -> SetupError:
    return SetupError(
        f"{shown}: such a file is a pickle or holds code, which runs when it is loaded, so it never is: "
        "convert it to ONNX where it is trusted"
    )


def _read(path: Path, inside: str | None) -> bytes:
    try:
        if path.suffix.lower() == WHEEL and inside is not None:
            data = _unpacked(path, inside)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as why:
        raise SetupError(f"cannot read {path}: {why.strerror or why}") from why
    if len(data) > MAX_BYTES:
        raise SetupError(f"{path}: over {MAX_BYTES} bytes")
    return data


def _unpacked(path: Path, inside: str) -> bytes:
    """One file of an archive; nothing else of it is looked at, and nothing is written."""
    try:
        with ZipFile(path) as archive, archive.open(inside) as file:
            return file.read(MAX_BYTES + 1)
    except (BadZipFile, EOFError, KeyError, NotImplementedError, RuntimeError, zlib.error) as why:
        raise SetupError(f"{path}: no wheel with {inside} inside: {why}") from why
