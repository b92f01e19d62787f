"""Decode media to samples and cut clips: the only package that uses FFmpeg. Read ``decode`` first.

    sniff -> open -> gops -> window_sampler -> window          samples of a source, by window
    sampling, gop_decoder, decoder, scale, orientation         which frames, decoded, converted
    packet_buffer -> bursts                                    bursts of a window, on demand
    span_reader -> span_packets -> clip (mux), thumbnails      clips and pictures of a source
    redraw                                                     a source with every picture changed

``timeline`` gives each packet its time. Everything here takes open files and opens nothing else; it
runs in the sandbox. ``sniff``, ``limits``, ``sampling`` and ``request`` load no media library.
"""
