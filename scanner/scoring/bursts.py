"""Bursts of a segment: which segments they are scored of, and how their scores combine with those
of the segment's frames. Pure.

Whether bursts are scored depends only on the segment's frames and its key, so that the decision is
the same whenever and wherever the segment is scored ("Sampling is local to a segment" in
``docs/architecture.md``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from scanner.scoring.options import BurstSelection
from scanner.scoring.scorer import Scorer, burst_gate
from scanner.types import BURST_INTERVAL, Gate, Label, Medium, ScoredFrame, SegmentKey

__all__ = ["burst_gates", "hash_fraction", "merge_bursts", "wants_bursts"]

LIKELY: Final = 0.5
"""The probability of a gate's media from which a frame can open it; bursts cost too much to score
them of media that no policy judges."""
_BITS: Final = 53
"""Bits of the hash that are used: as many as a float in [0, 1) holds exactly."""


def wants_bursts(
    frames: Iterable[ScoredFrame], key: SegmentKey, gates: Sequence[Gate], base_rate: float
) -> bool:
    """Return whether bursts of a segment are scored.

    They are if one of the segment's frames opens a gate, or if the segment belongs to the random
    share ``base_rate``. Scores of models in shadow open a gate too, because a gate judges nothing.
    """
    if hash_fraction(key) < base_rate:
        return True
    return any(_opens(gate, frame) for frame in frames for gate in gates)


def _opens(gate: Gate, frame: ScoredFrame) -> bool:
    counts = (
        not (gate.when and frame.medium)
        or sum(frame.medium.get(medium, 0.0) for medium in gate.when) >= LIKELY
    )
    return counts and frame.all_values.get(gate.label, -1.0) >= gate.above


def hash_fraction(key: SegmentKey) -> float:
    """Return a uniformly distributed number in [0, 1) that depends on the segment's key only.

    >>> round(hash_fraction(SegmentKey(stream_id="s", sequence=1)), 6)
    0.517189
    """
    name = f"{key.sequence}/{key.stream_id}".encode("utf-8", "surrogatepass")
    return (int.from_bytes(hashlib.blake2b(name, digest_size=8).digest()) >> (64 - _BITS)) / (
        1 << _BITS
    )


def burst_gates(scorer: Scorer, selection: BurstSelection) -> tuple[Gate, ...]:
    """Return the gates of a burst scorer.

    The operator's ``bursts.above`` replaces the gate that the model recommends, whose media are
    kept.
    """
    gate = burst_gate(scorer)
    if selection.above is not None:
        when = frozenset() if gate is None else gate.when
        return tuple(
            Gate(label=label, above=above, when=when) for label, above in selection.above.items()
        )
    return () if gate is None else (gate,)


def merge_bursts(
    frames: Sequence[ScoredFrame], bursts: Sequence[ScoredFrame]
) -> tuple[ScoredFrame, ...]:
    """Merge the frames and bursts of one segment in order of time.

    A burst's score of a label supersedes those of the frames within ``BURST_INTERVAL`` of it. A
    burst gets the medium of the frame that is on screen when it ends.
    """
    marked = [
        replace(frame, superseded_labels=labels)
        if (labels := _labels_of_nearby_bursts(frame, bursts))
        else frame
        for frame in frames
    ]
    with_medium = [replace(burst, context_medium=_medium_at(burst, frames)) for burst in bursts]
    return tuple(sorted((*marked, *with_medium), key=lambda frame: frame.at))


def _labels_of_nearby_bursts(frame: ScoredFrame, bursts: Iterable[ScoredFrame]) -> frozenset[Label]:
    nearby = (
        burst
        for burst in bursts
        if burst.start is not None
        and burst.start - BURST_INTERVAL <= frame.at <= burst.at + BURST_INTERVAL
    )
    return frozenset(label for burst in nearby for label in burst.values)


def _medium_at(burst: ScoredFrame, frames: Sequence[ScoredFrame]) -> Mapping[Medium, float]:
    """Return the medium of the last frame up to the burst's end, else of the first frame."""
    before = [frame for frame in frames if frame.at <= burst.at]
    on_screen = before[-1:] or list(frames[:1])
    return on_screen[0].medium if on_screen else {}
