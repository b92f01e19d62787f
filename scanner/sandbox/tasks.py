"""The child's side of each task. A task looks at nothing but the open files and arguments that it is given.

A stream is ``task(sources, arguments, *, name) -> Iterator[Decoded]``, asked with ``Sandbox.stream``.
A writer is ``task(sources, arguments, *, name, output) -> JSON value``, asked with ``Sandbox.call``.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from scanner.media import DecodeRequest
from scanner.media import decode as decode_media
from scanner.types import Decoded, FrameSpec

__all__ = ["decode", "warm_up"]


def decode(sources: Sequence[BinaryIO], arguments: DecodeRequest, *, name: str) -> Iterator[Decoded]:
    """Windows of the first source; a second one is its init segment."""
    source, *init = sources
    return decode_media(source, arguments, name=name, init=init[0].read() if init else None)
