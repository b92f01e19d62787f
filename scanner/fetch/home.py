"""Where a playlist lives. It may name what lies there too, and nothing else."""

from __future__ import annotations

from typing import Protocol

from scanner.fetch.playlist import ByteRange
from scanner.types import Source

__all__ = ["Home"]


class Home(Protocol):
    """A folder or an origin: turns names into locations that are allowed, and reads those."""

    start: str
    """Location of the playlist that was asked for."""
    live: bool
    """What is read here may change; a folder holds recordings and is read once."""

    def locate(self, name: str, *, base: str) -> str:
        """Where ``name``, found in the playlist at ``base``, leads.

        Raises:
            RefusedError: somewhere else.
        """

    def shown(self, location: str) -> str:
        """The location as messages may show it, without passwords."""

    def playlist(self, location: str) -> bytes:
        """The playlist there.

        Raises:
            InputError: there is none.
            LimitError: it is too long.
            TransientError: it cannot be reached now.
        """

    def source(self, location: str, span: ByteRange | None) -> Source | None:
        """The media there, or one range of it; ``None`` where nothing is there (any more).

        Raises:
            DamagedError: the range lies outside.
            LimitError: it is too long.
            TransientError: it cannot be reached now.
        """
