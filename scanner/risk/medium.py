"""How much a look counts for a policy that names media, decided before the fold.

Gating after the fold opened an incident on 299 of 300 harmless switches from game to camera: the
level of the game was still there when the gate opened. A look that does not count leaves nothing
behind, so a switch re-arms within D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from scanner.risk.method import FULL
from scanner.types import Medium

__all__ = ["COUNTS", "LOOKS", "mass", "weight"]

LOOKS: Final = 3
"""The weight is the median over so many looks: one doubtful picture changes nothing."""
COUNTS: Final = FULL // 2
"""A look with this weight or more is one that saw what the policy asks for."""


def mass(medium: Mapping[Medium, float], when: frozenset[Medium] | None) -> float:
    """The probability that the picture is of a medium that counts; 1 where the policy or the model
    does not tell.

    >>> mass({Medium.CAMERA: 0.75, Medium.SCREEN: 0.25}, frozenset({Medium.CAMERA}))
    0.75
    """
    if when is None or not medium:
        return 1.0
    return sum(share for name, share in medium.items() if name in when)


def weight(recent: Sequence[Mapping[Medium, float]], when: frozenset[Medium] | None) -> int:
    """Weight of the latest of the recent looks, 0 to ``FULL``; of two looks the lower one.

    >>> weight([{Medium.SCREEN: 1.0}, {Medium.CAMERA: 1.0}], frozenset({Medium.CAMERA}))
    0
    """
    if when is None or not recent:
        return FULL
    masses = sorted(mass(medium, when) for medium in recent)
    return min(round(masses[(len(masses) - 1) // 2] * FULL), FULL)
