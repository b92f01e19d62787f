"""Encoded media to samples: the only package that knows FFmpeg. Read ``decode`` first.

    sniff -> open -> gops -> sampling -> decoder -> scale -> window      samples of a source, window by window
    instants -> footage -> bursts                                        bursts of a window, where somebody asks for them
    take (collect) -> clip (mux) and stills                              pictures for people, of the same sources
    redraw                                                               a source with every picture changed, to measure with

``timeline`` has the time of all of it. Everything here takes open files and opens nothing else; it
runs in the sandbox.
"""

from scanner.media.clip import ClipInfo, ClipLimits, ClipPiece, ClipRequest, cut
from scanner.media.decode import decode, look
from scanner.media.instants import burst_instants
from scanner.media.limits import MediaLimits
from scanner.media.open import available_codecs
from scanner.media.redraw import first_picture, redraw
from scanner.media.request import DecodeRequest
from scanner.media.sampling import Sampling
from scanner.media.sniff import Container, sniff
from scanner.media.stills import StillRequest, thumbnails

__all__ = [
    "ClipInfo",
    "ClipLimits",
    "ClipPiece",
    "ClipRequest",
    "Container",
    "DecodeRequest",
    "MediaLimits",
    "Sampling",
    "StillRequest",
    "available_codecs",
    "burst_instants",
    "cut",
    "decode",
    "first_picture",
    "look",
    "redraw",
    "sniff",
    "thumbnails",
]
