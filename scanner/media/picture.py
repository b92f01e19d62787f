"""Still pictures: decoded without a demuxer, after their header was read."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.media.request import DecodeRequest
from scanner.media.sniff import Container
from scanner.types import Decoded

__all__ = ["decode_picture"]


def decode_picture(data: bytes, kind: Container, request: DecodeRequest, name: str) -> Iterator[Decoded]:
    """One window with one sample."""
    raise FormatError(f"{name}: {kind}")
    yield
