"""Follows an HLS playlist, at a URL or on disk, as long as it grows."""

from __future__ import annotations

import hashlib

from scanner.errors import InputError
from scanner.follow.pusher import SourcePusher, read_source
from scanner.sources.cancellation import Cancellation
from scanner.sources.limits import FetchLimits
from scanner.sources.storage import PlaylistSegment

__all__ = ["follow_hls"]


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
