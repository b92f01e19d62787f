"""Encoded media to samples: the only package that knows FFmpeg."""

from scanner.media.clip import ClipInfo, ClipLimits, ClipPiece, ClipRequest, cut
from scanner.media.decode import decode
from scanner.media.limits import MediaLimits
from scanner.media.open import available_codecs
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
    "cut",
    "decode",
    "sniff",
    "thumbnails",
]
