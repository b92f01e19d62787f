"""Files that only their owner may read: reports, clips, pictures and recordings, which contain what
may be horrible."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

__all__ = ["make_folder", "private_opener", "write_file"]

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter, and those above it; one that exists stays as it
    is.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)


def private_opener(path: str, flags: int) -> int:
    """Open a file as ``open`` asks for it (its ``opener``), so that only its owner may read it,
    also where a file of this name was there. Pipes and devices stay as they are."""
    descriptor = os.open(path, flags, _FILE_MODE)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, _FILE_MODE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_file(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read.

    Raises:
        OSError: it cannot be written.
    """
    with open(path, "wb", opener=private_opener) as file:
        file.write(content)
