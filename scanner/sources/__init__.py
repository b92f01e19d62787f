"""Sources of streams: files, folders, and HLS playlists on disk or at an http(s) URL.

This is the only package that reads from the network. ``paths`` turns what a user names into
arrivals; ``hls`` follows one playlist; ``playlist`` parses its text; ``folder`` and ``origin`` read
it from disk or from a server, and decide what it may reference. ``download`` gets one file.
"""
