"""Encoded media to samples: the only package that knows FFmpeg."""

from scanner.media.decode import decode
from scanner.media.limits import MediaLimits
from scanner.media.open import available_codecs
from scanner.media.request import DecodeRequest
from scanner.media.sampling import Sampling
from scanner.media.sniff import Container, sniff

__all__ = ["Container", "DecodeRequest", "MediaLimits", "Sampling", "available_codecs", "decode", "sniff"]
