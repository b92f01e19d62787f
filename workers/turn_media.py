"""The media that a turn has in memory, and that travels with it."""

from __future__ import annotations

from dataclasses import replace

from scanner.stream.inputs import SegmentTurn, Turn
from scanner.types import held_size

__all__ = ["media_bytes", "trim_previous"]


def trim_previous(turn: Turn, needed_from: int) -> Turn:
    """Return the turn without the earlier segments that no decoding may begin in any more, so that
    they do not travel."""
    if not (isinstance(turn, SegmentTurn) and turn.job.previous):
        return turn
    needed = tuple(one for one in turn.job.previous if one.key.sequence >= needed_from)
    return replace(turn, job=replace(turn.job, previous=needed))


def media_bytes(turn: Turn) -> int:
    """Return the bytes of media that a turn holds; a path has none."""
    if not isinstance(turn, SegmentTurn):
        return 0
    return held_size(turn.job.segment.source) + held_size(turn.job.segment.init)
