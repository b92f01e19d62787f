"""Looking at a segment in motion: which segments, and what then becomes of the scores of their
single frames. Pure.

Law 13: whether a segment is taken follows from its own frames and from its key, so it is the same
whenever and wherever it is scored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from scanner.scoring.options import Motion
from scanner.scoring.scorer import Scorer, gate_of
from scanner.types import BURST_EVERY, Gate, Label, Medium, ScoredFrame, SegmentKey

__all__ = ["chance", "gates_of", "in_motion", "taken"]

LIKELY: Final = 0.5
"""Probability of a gate's media from which on a frame counts: in a game no look in motion is paid
for what no policy would judge."""
_BITS: Final = 53
"""Of the hash: as many as a float in [0, 1) holds exactly."""


def taken(
    frames: Iterable[ScoredFrame], key: SegmentKey, gates: Sequence[Gate], base_rate: float
) -> bool:
    """Whether the segment with these frames is looked at in motion: one passes a gate, or the
    segment is of the base rate's share.

    A gate hears models in shadow too: it judges nothing.
    """
    if chance(key) < base_rate:
        return True
    return any(_opens(gate, frame) for frame in frames for gate in gates)


def _opens(gate: Gate, frame: ScoredFrame) -> bool:
    counts = (
        not (gate.when and frame.medium)
        or sum(frame.medium.get(medium, 0.0) for medium in gate.when) >= LIKELY
    )
    return counts and frame.heard.get(gate.label, -1.0) >= gate.above


def chance(key: SegmentKey) -> float:
    """A number in [0, 1) that looks random and is the segment's own: the same on every machine and
    for every retry.

    >>> round(chance(SegmentKey(stream_id="s", sequence=1)), 6)
    0.517189
    """
    name = f"{key.sequence}/{key.stream_id}".encode("utf-8", "surrogatepass")
    return (int.from_bytes(hashlib.blake2b(name, digest_size=8).digest()) >> (64 - _BITS)) / (
        1 << _BITS
    )


def gates_of(scorer: Scorer, motion: Motion) -> tuple[Gate, ...]:
    """When this scorer of bursts is asked: the operator's gates, on the media of its own one, else
    its own."""
    gate = gate_of(scorer)
    if motion.above is not None:
        when = frozenset() if gate is None else gate.when
        return tuple(
            Gate(label=label, above=above, when=when) for label, above in motion.above.items()
        )
    return () if gate is None else (gate,)


def in_motion(
    frames: Sequence[ScoredFrame], bursts: Sequence[ScoredFrame]
) -> tuple[ScoredFrame, ...]:
    """Frames and bursts of one segment in order of time.

    What a burst says of a label stands in place of what the frames near it say: those as far from
    it as bursts lie apart. A burst's medium is that of the frame that is on screen as it ends.
    """
    kept = [
        replace(frame, superseded=labels) if (labels := _judged_near(frame, bursts)) else frame
        for frame in frames
    ]
    placed = [replace(burst, beside=_medium_at(burst, frames)) for burst in bursts]
    return tuple(sorted((*kept, *placed), key=lambda look: look.at))


def _judged_near(frame: ScoredFrame, bursts: Iterable[ScoredFrame]) -> frozenset[Label]:
    near = (
        burst
        for burst in bursts
        if burst.start is not None
        and burst.start - BURST_EVERY <= frame.at <= burst.at + BURST_EVERY
    )
    return frozenset(label for burst in near for label in burst.values)


def _medium_at(burst: ScoredFrame, frames: Sequence[ScoredFrame]) -> Mapping[Medium, float]:
    before = [frame for frame in frames if frame.at <= burst.at]
    beside = before[-1:] or list(frames[:1])
    return beside[0].medium if beside else {}
