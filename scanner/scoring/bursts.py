"""Bursts of a segment: which segments they are scored of, within which budget, and how their scores
combine with those of the segment's frames. Pure.

Whether bursts are scored depends only on the segment's frames, its key, and the account of its
stream, so that the decision is the same whenever and wherever the segment is scored ("Sampling is
local to a segment" in ``docs/architecture.md``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from scanner.scoring.options import BurstSelection
from scanner.scoring.scorer import Scorer, burst_gate
from scanner.stream.burst_account import BurstAccount
from scanner.types import BURST_INTERVAL, Gate, Label, Medium, ScoredFrame, SegmentKey

__all__ = [
    "Allowance",
    "BurstWish",
    "allow_bursts",
    "burst_gates",
    "hash_fraction",
    "merge_bursts",
    "wish_for_bursts",
]

LIKELY: Final = 0.5
"""The probability of a gate's media from which a frame can open it; bursts cost too much to score
them of media that no policy judges."""
_BITS: Final = 53
"""Bits of the hash that are used: as many as a float in [0, 1) holds exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstWish:
    """Why bursts of a segment are wanted, and where in it."""

    near: Fraction
    """Seconds from the segment's first frame, near which a burst tells most."""
    by_gate: bool
    """True if a frame opened a gate."""
    by_chance: bool
    """True if the segment belongs to the random share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The number of bursts that may be made of a segment."""

    work: int
    """The work that they may take, in units of ``scanner.stream.burst_account``."""
    at_least_one: bool = False
    """True to make one burst whatever it takes."""


def wish_for_bursts(
    frames: Sequence[ScoredFrame],
    key: SegmentKey,
    gates: Sequence[Gate],
    base_rate: float,
    length: Fraction,
) -> BurstWish | None:
    """Return the wish for bursts of a segment of that ``length`` in seconds, or None.

    They are wanted if one of the segment's frames opens a gate, near the frame with the highest
    score; or if the segment belongs to the random share ``base_rate``, near a random instant.
    Scores of models in shadow open a gate too, because a gate judges nothing.
    """
    chance = hash_fraction(key)
    by_chance = chance < base_rate
    opened = [
        (frame.all_values[gate.label], -frame.at)
        for frame in frames
        for gate in gates
        if _opens(gate, frame)
    ]
    if not opened:
        near = Fraction(int(chance / base_rate * 1000), 1000) * length if by_chance else None
        return None if near is None else BurstWish(near=near, by_gate=False, by_chance=True)
    return BurstWish(near=-max(opened)[1], by_gate=True, by_chance=by_chance)


def allow_bursts(
    wish: BurstWish, account: BurstAccount, selection: BurstSelection, *, live: bool
) -> Allowance | None:
    """Return what the bursts may take, or None if they are not paid for.

    ``account`` includes the segment's own frames; ``live`` says that one of the scorer's labels is.
    A gate spends what the stream has earned; where a label is live, in advance too. A segment of
    the random share may begin a debt of one burst, which is paid off before the next one.
    """
    left = account.remaining(selection.budget)
    gated = left
    if live and wish.by_gate:
        gated = max(left, account.remaining(selection.live_budget, in_advance=True))
    if wish.by_chance and left >= 0:
        return Allowance(work=gated if wish.by_gate else left, at_least_one=True)
    return Allowance(work=gated) if wish.by_gate and gated > 0 else None


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
