"""The run of segments that decoding of a stream's next segment may need: from the one with the
latest keyframe to the latest one. Pure.

    a segment with a keyframe                         begins a run
    one without, right after the run                  extends it, up to ``LONGEST_RUN``
    a discontinuity, a hole, a picture, a file        ends it
"""

from __future__ import annotations

from typing import Final

from scanner.stream.inputs import Job
from scanner.types import ScoredSegment, Segment

__all__ = ["LONGEST_RUN", "Run", "extend_recent", "extend_run", "run_before"]

LONGEST_RUN: Final = 16
"""Most segments of a run. Decoding of each segment begins at the keyframe, so that the cost grows
with the length of the run."""
Run = tuple[int, ...]
"""Sequences, each one more than the one before."""


def extend_run(run: Run, segment: ScoredSegment) -> Run:
    """Return the run after a segment that was folded."""
    sequence = segment.key.sequence
    if segment.whole_file or segment.info.still:
        return ()
    if segment.has_keyframe:
        return (sequence,)
    continues = _ends_before(run, sequence) and not segment.discontinuity
    return (*run, sequence) if continues and len(run) < LONGEST_RUN else ()


def extend_recent(
    recent: tuple[Segment, ...], segment: Segment
) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Return the segments just before one, in which its decoding may begin, and those before the
    next one, at most ``LONGEST_RUN``. ``recent`` are those before it, without a hole."""
    sequence = segment.key.sequence
    follows = bool(recent) and recent[-1].key.sequence == sequence - 1
    before = recent if follows and not segment.discontinuity else ()
    return before, (*before, segment)[-LONGEST_RUN:]


def run_before(run: Run, job: Job) -> tuple[Segment, ...]:
    """Return the segments of the run in which decoding of a job may begin: all of them, or none if
    one of them is not at hand or has another init segment."""
    segment = job.segment
    if job.windowed or segment.discontinuity or not _ends_before(run, segment.key.sequence):
        return ()
    found = {one.key.sequence: one for one in job.previous if one.init == segment.init}
    return tuple(found[one] for one in run) if found.keys() >= set(run) else ()


def _ends_before(run: Run, sequence: int) -> bool:
    return bool(run) and run[-1] == sequence - 1
