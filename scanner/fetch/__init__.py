"""HLS playlists as streams of segments, and single files; the only place that reads from the
network.

``segments_of_playlist`` in ``stream`` is most of it: ``playlist`` turns text into nouns, ``folder``
and ``origin`` are the two homes that a playlist can have, and decide what it may name. ``download``
gets one file.
"""
