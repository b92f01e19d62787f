"""What an object is that an encoder pushed: by its name, and by its first bytes."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import structlog

from scanner.errors import InputError, LimitError
from scanner.media.boxes import read_boxes
from scanner.media.sniff import HEAD_BYTES, Container, sniff
from scanner.sources.limits import FetchLimits
from scanner.sources.manifests import Manifest, read_playlist
from scanner.sources.mpd import read_mpd
from scanner.store.objects import IncomingObject

__all__ = ["PushedFacts", "examine", "has_media_name"]

PLAYLIST_NAMES: Final = (".m3u8", ".m3u")
MPD_NAMES: Final = (".mpd",)
INIT_NAMES: Final = (".init", ".header")
MEDIA_NAMES: Final = (".ts", ".m4s", ".mp4", ".cmfv", ".cmfa", ".m4v", ".m4a", ".webm", ".aac")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedFacts:
    """What is known of an object; ``facts`` are those that its kind needs."""

    kind: Literal["segment", "init", "playlist"]
    facts: Mapping[str, Any] = field(default_factory=dict)
    keeps: bool = True
    """Whether its bytes are kept."""


def has_media_name(path: str) -> bool:
    """Return whether a name is one of media segments."""
    return path.lower().endswith(MEDIA_NAMES)


def examine(
    incoming: IncomingObject, *, path: str, prefix: str, limits: FetchLimits
) -> PushedFacts | None:
    """Return what an object is; None for one without a meaning here, such as a picture.

    A segment in no known format, and a playlist that cannot be read, are none the less what their
    names say: a playlist may name the one, and the other is logged.
    """
    extension = posixpath.splitext(path.lower())[1]
    if extension in PLAYLIST_NAMES or extension in MPD_NAMES:
        return _playlist(incoming, path=path, prefix=prefix, limits=limits)
    with incoming.path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        container = sniff(head)
    except InputError as error:
        if not has_media_name(path):
            return None
        return PushedFacts(kind="segment", facts={"problem": error.kind}, keeps=False)
    if container.is_picture:
        return None
    if container is Container.MP4:
        return _mp4(incoming, extension)
    return PushedFacts(kind="segment")


def _mp4(incoming: IncomingObject, extension: str) -> PushedFacts:
    boxes = read_boxes(incoming.path)
    if extension in INIT_NAMES or (boxes.has_tracks and not boxes.has_media):
        return PushedFacts(kind="init", facts={"is_video": boxes.is_video})
    return PushedFacts(
        kind="segment",
        facts={
            "needs_init": not boxes.has_tracks,
            "is_last": boxes.is_last,
            "is_video": boxes.is_video,
        },
    )


def _playlist(
    incoming: IncomingObject, *, path: str, prefix: str, limits: FetchLimits
) -> PushedFacts:
    reads = read_mpd if path.lower().endswith(MPD_NAMES) else read_playlist
    most = limits.playlist_bytes
    try:
        if incoming.size > most:
            raise LimitError(f"{path}: playlist over {most} bytes", kind="limit_bytes")
        body = incoming.path.read_bytes()
        manifest: Manifest = reads(body, path=path, prefix=prefix, limits=limits)
    except InputError as error:
        _log.warning("pushed playlist cannot be read", path=path, reason=str(error))
        manifest = ((), ())
    offered, listings = manifest
    facts = {
        "offered": [[one.name, one.is_video] for one in offered],
        "listings": [one.to_json() for one in listings],
    }
    return PushedFacts(kind="playlist", facts=facts, keeps=False)
