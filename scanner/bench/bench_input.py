"""The video that a benchmark runs on: a named file, or a clip that is generated once and kept."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scanner.errors import InputError, NoVideoError, SetupError
from scanner.media.request import DecodeRequest
from scanner.media.synthetic import SyntheticClip, write_synthetic
from scanner.sandbox.sandbox import Sandbox
from scanner.types import MediaInfo

__all__ = ["BenchInput", "clip_folder", "ensure_clip", "probe_folder", "probe_input"]

DEFAULT_CLIP: Final = SyntheticClip()
"""1080p30 at 6 Mb/s, 4 s, a keyframe every 2 s: a segment of an ordinary live stream."""
DEFAULT_CLIP_NAME: Final = "1080p30-6M-4s-gop2s-v1.ts"
"""The version in the name changes when the clip's content does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchInput:
    """The video and its properties."""

    path: Path
    drawn: bool
    """Whether it is the generated clip."""
    size: int
    """Size in bytes."""
    seconds: float
    segments: int
    """Number of decoding windows."""
    samples: int
    """Number of frames that are sampled from it."""
    info: MediaInfo


def probe_input(path: Path | None, request: DecodeRequest, sandbox: Sandbox) -> BenchInput:
    """Decode the named file, or the generated clip if none is named, once in the sandbox.

    Raises:
        InputError: the file has no video that can be decoded.
        SetupError: the clip cannot be generated or kept here.
    """
    source = ensure_clip(clip_folder()) if path is None else path
    windows = list(sandbox.decode(source, request, name=source.name))
    seconds = float(sum(window.times.duration for window in windows))
    if not seconds or not any(window.samples for window in windows):
        raise NoVideoError(f"{source.name}: no video that can be decoded; name one to measure with")
    return BenchInput(
        path=source,
        drawn=path is None,
        size=source.stat().st_size,
        seconds=seconds,
        segments=len(windows),
        samples=sum(len(window.samples) for window in windows),
        info=windows[0].info,
    )


def probe_folder(folder: Path, request: DecodeRequest, sandbox: Sandbox) -> tuple[BenchInput, ...]:
    """Decode every file in the folder and its folders once, and return those that are videos.

    Raises:
        NoVideoError: there is none.
    """
    videos: list[BenchInput] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with suppress(InputError):
            videos.append(probe_input(path, request, sandbox))
    if not videos:
        raise NoVideoError(f"{folder}: no video in it that can be decoded, at least one is wanted")
    return tuple(videos)


def ensure_clip(
    folder: Path, clip: SyntheticClip = DEFAULT_CLIP, name: str = DEFAULT_CLIP_NAME
) -> Path:
    """Return the path of the clip in ``folder``, generating it if it does not exist."""
    path = folder / name
    if path.exists():
        return path
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
        write_synthetic(Path(part.name), clip)
    os.replace(part.name, path)
    return path


def clip_folder() -> Path:
    """Return our folder in the temporary directory, after checking that no other user owns it."""
    folder = Path(tempfile.gettempdir()) / f"streamwarden-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise SetupError(
            f"{folder} belongs to another user; set TMPDIR to a folder of yours,"
            " or name a file with --input"
        )
    return folder
