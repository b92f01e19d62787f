"""Encoded media to samples: the only package that knows FFmpeg. Read ``decode`` first.

    sniff -> open -> gops -> sampling -> decoder -> scale -> window      samples of a source, window by window
    instants -> footage -> bursts                                        bursts of a window, where somebody asks for them
    take (collect) -> clip (mux) and stills                              pictures for people, of the same sources
    redraw                                                               a source with every picture changed, to measure with

``timeline`` has the time of all of it. Everything here takes open files and opens nothing else; it
runs in the sandbox.
"""
