"""The process of one source: ``python -m scanner.follow.server --source ID``.

It ends when its source does. One that fails is started again by the supervisor, later each time.
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from scanner.errors import InputError, ScannerError, SetupError, TransientError
from scanner.follow.folders import playlist_in, watch_folder
from scanner.follow.live import LIVE_PREFIXES, follow_live
from scanner.follow.pusher import SourcePusher, read_source
from scanner.service_logs import set_up_service_logs
from scanner.settings.sections import Settings, read_settings
from scanner.sources.addresses import AddressPolicy
from scanner.sources.cancellation import Cancellation
from scanner.sources.limits import FetchLimits
from scanner.sources.storage import PlaylistSegment
from scanner.store.database import Journal, open_journal
from scanner.store.objects import ObjectStore
from scanner.store.sources import FollowedLocation, Sources

__all__ = ["follow_hls", "follow_source", "main"]

EXIT_FAILED: Final = 1
EXIT_SETUP: Final = 2
log = structlog.get_logger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Follow a source until it ends, is removed or fails; return the exit status."""
    parser = argparse.ArgumentParser(prog="scanner.follow.server", description=__doc__)
    parser.add_argument("--source", required=True, help="id of the source")
    parser.add_argument("--config", type=Path, help="settings in TOML")
    arguments = parser.parse_args(argv)
    set_up_service_logs(f"source-{arguments.source}")
    try:
        settings = read_settings(arguments.config)
        journal = open_journal(settings.service.data)
    except SetupError as error:
        sys.stderr.write(f"streamwarden source: {error}\n")
        return EXIT_SETUP
    cancellation = Cancellation()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with closing(journal):
        return follow_source(arguments.source, settings, journal, cancellation)


def follow_source(
    source_id: str, settings: Settings, journal: Journal, cancellation: Cancellation
) -> int:
    """Follow a source, and record what it does; return the exit status."""
    sources = Sources(journal)
    source = sources.get(source_id)
    if source is None or source.state == "ended":
        return 0
    if source.state != "failed":
        sources.note(source_id, "running")
    log.info("source followed", location=source.shown_location, channel=source.channel)
    try:
        _follow(
            source, settings, journal, cancellation, partial(sources.note, source_id, "running")
        )
    except ScannerError as error:
        reason = str(error).replace(source.location, source.shown_location)
        log.warning("source failed", reason=reason, retry=isinstance(error, TransientError))
        sources.note(source_id, "failed", reason)
        return EXIT_FAILED
    sources.note(source_id, "ended")
    return 0


def _follow(
    source: FollowedLocation,
    settings: Settings,
    journal: Journal,
    cancellation: Cancellation,
    works: Callable[[], None],
) -> None:
    """Follow a source; ``works`` is called once it gives something, so that one that fails again
    and again stays ``failed`` since its first failure."""
    addresses: AddressPolicy = "any" if source.addresses == "any" else "public"
    limits = replace(settings.fetch, addresses=addresses)
    objects = ObjectStore(settings.service.data / "objects")
    pusher = SourcePusher(journal, objects, channel=source.channel, limits=limits, on_first=works)
    if source.location.lower().startswith(LIVE_PREFIXES):
        most = limits.segment_bytes
        follow_live(source.location, source.shown_location, pusher, most=most)
        return
    folder = Path(source.location)
    if "://" not in source.location and folder.is_dir():
        playlist = playlist_in(folder)
        if playlist is None:
            works()  # an empty folder is well
            watch_folder(folder, pusher, limits, cancellation, since=source.created_at)
            return
        follow_hls(str(playlist), pusher, limits, cancellation)
        return
    follow_hls(source.location, pusher, limits, cancellation)


def follow_hls(
    location: str, pusher: SourcePusher, limits: FetchLimits, cancellation: Cancellation
) -> None:
    """Push the segments of a playlist until it ends.

    Raises:
        ScannerError: it cannot be read, or has stopped growing.
    """
    from scanner.sources.hls import follow_playlist

    for piece in follow_playlist(location, limits, cancellation=cancellation):
        _push_piece(piece, pusher, limits)
    pusher.end()


def _push_piece(piece: PlaylistSegment, pusher: SourcePusher, limits: FetchLimits) -> None:
    path = f"follow/segment-{piece.sequence}{'.ts' if piece.init is None else '.m4s'}"
    init = gap = None
    try:
        if piece.init is not None:
            data = read_source(piece.init, most=limits.segment_bytes)
            init = f"follow/init-{hashlib.sha256(data).hexdigest()[:16]}.mp4"
            pusher.push(init, data)
        if piece.source is not None:
            data = read_source(piece.source, most=limits.segment_bytes)
            if not pusher.push(path, data):
                return
    except InputError:  # the segment is gone: a gap as one that the playlist marks
        gap = True
    pusher.list_segment(
        piece.sequence,
        path,
        duration=piece.duration or None,
        discontinuity=piece.discontinuity,
        gap=gap or piece.source is None,
        init=init,
    )


if __name__ == "__main__":
    sys.exit(main())
