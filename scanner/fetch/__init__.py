"""HLS playlists as streams of segments, and single files; the only place that reads from the
network.

``segments_of_playlist`` in ``stream`` is most of it: ``playlist`` turns text into nouns, ``folder``
and ``origin`` are the two homes that a playlist can have, and decide what it may name. ``download``
gets one file.
"""

from scanner.fetch.download import download
from scanner.fetch.limits import FetchLimits
from scanner.fetch.pace import Pace
from scanner.fetch.stream import PlaylistSegment, segments_of_playlist

__all__ = ["FetchLimits", "Pace", "PlaylistSegment", "download", "segments_of_playlist"]
