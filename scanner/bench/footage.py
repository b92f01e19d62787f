"""What is measured with: a file that was named, or a clip that is drawn once and kept."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scanner.errors import NoVideoError, SetupError
from scanner.media.request import DecodeRequest
from scanner.media.synthetic import SyntheticClip, write_synthetic
from scanner.sandbox.sandbox import Sandbox
from scanner.types import MediaInfo

__all__ = ["Footage", "drawn", "look_at"]

DRAWN: Final = SyntheticClip()
"""1080p30, 6 Mb/s, 4 s, a keyframe each 2 s: the segment of an ordinary live stream."""
KEPT_AS: Final = "1080p30-6M-4s-gop2s-v1.ts"
"""Another version for another drawing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """The input, and what it turned out to be."""

    path: Path
    drawn: bool
    size: int
    """Bytes."""
    seconds: float
    segments: int
    """Windows that it is cut into."""
    samples: int
    """That are looked at."""
    info: MediaInfo


def look_at(path: Path | None, request: DecodeRequest, sandbox: Sandbox) -> Footage:
    """The named file, or the drawn clip where none is named, decoded once in the sandbox.

    Raises:
        InputError: it is no video that can be decoded.
        SetupError: the clip cannot be drawn or kept here.
    """
    source = drawn(_folder()) if path is None else path
    windows = list(sandbox.decode(source, request, name=source.name))
    seconds = float(sum(window.times.duration for window in windows))
    if not seconds or not any(window.samples for window in windows):
        raise NoVideoError(f"{source.name}: no video that can be decoded; name one to measure with")
    return Footage(
        path=source,
        drawn=path is None,
        size=source.stat().st_size,
        seconds=seconds,
        segments=len(windows),
        samples=sum(len(window.samples) for window in windows),
        info=windows[0].info,
    )


def drawn(folder: Path, clip: SyntheticClip = DRAWN, name: str = KEPT_AS) -> Path:
    """The clip in ``folder``, drawn if it is not there yet."""
    path = folder / name
    if path.exists():
        return path
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
        write_synthetic(Path(part.name), clip)
    os.replace(part.name, path)
    return path


def _folder() -> Path:
    """Ours among the temporary ones; nobody else may have put anything there."""
    folder = Path(tempfile.gettempdir()) / f"streamwarden-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise SetupError(
            f"{folder} belongs to somebody else; set TMPDIR to a folder of yours, or name a file with --input"
        )
    return folder
