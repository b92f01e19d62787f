"""The weight of a sample for a policy that names media, applied before the fold.

A gate after the fold opened an incident on 299 of 300 harmless switches from game to camera,
because the level of the game was still there when the gate opened. A sample that does not count
changes no state, so after a switch the label can open again within the evidence floor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from scanner.risk.method import FULL
from scanner.types import Medium

__all__ = ["COUNTS", "MEDIA_KEPT", "probability_of", "weight_of"]

MEDIA_KEPT: Final = 3
"""The weight is the median over the latest samples, this many: a single doubtful picture changes
nothing."""
COUNTS: Final = FULL // 2
"""A sample with this weight or more counts as one of a medium that the policy names."""


def probability_of(medium: Mapping[Medium, float], when: frozenset[Medium] | None) -> float:
    """Return the probability that a picture is of one of the media ``when``; 1 where the policy
    names none or no model reports the medium.

    >>> probability_of({Medium.CAMERA: 0.75, Medium.SCREEN: 0.25}, frozenset({Medium.CAMERA}))
    0.75
    """
    if when is None or not medium:
        return 1.0
    return sum(share for name, share in medium.items() if name in when)


def weight_of(recent: Sequence[Mapping[Medium, float]], when: frozenset[Medium] | None) -> int:
    """Return the weight of the latest of the recent samples, 0 to ``FULL``: the median, and the
    lower one of two.

    >>> weight_of([{Medium.SCREEN: 1.0}, {Medium.CAMERA: 1.0}], frozenset({Medium.CAMERA}))
    0
    """
    if when is None or not recent:
        return FULL
    probabilities = sorted(probability_of(medium, when) for medium in recent)
    return min(round(probabilities[(len(probabilities) - 1) // 2] * FULL), FULL)
