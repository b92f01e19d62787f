"""When something that failed is tried again: one table for each kind of work, and jitter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = [
    "EVIDENCE_DELAYS",
    "SINK_DELAYS",
    "WEBHOOK_DELAYS",
    "next_try",
    "pause_after",
    "spread",
]

WEBHOOK_DELAYS: Final = (
    5.0,
    5 * 60.0,
    30 * 60.0,
    2 * 3600.0,
    5 * 3600.0,
    10 * 3600.0,
    14 * 3600.0,
    20 * 3600.0,
    24 * 3600.0,
)
"""Seconds from one try of a webhook to the next: ten tries within 75 h 35 min, as the
specification of Standard Webhooks proposes."""
SINK_DELAYS: Final = (0.0, 1.0, 5.0, 15.0, 60.0)
"""Seconds for which a receiver is left alone after its first, second, ... failure without a success
between; the last value repeats."""
EVIDENCE_DELAYS: Final = (5.0, 30.0, 120.0, 600.0, 1800.0)
"""Seconds from one try of a piece of evidence to the next: six tries."""
JITTER: Final = 0.1
"""Largest share by which a delay is longer or shorter, so that retries do not come together."""


def next_try(tries: int, delays: Sequence[float]) -> float | None:
    """Return the seconds to the next try after ``tries`` of them failed; None after the last.

    >>> next_try(1, WEBHOOK_DELAYS), next_try(9, WEBHOOK_DELAYS), next_try(10, WEBHOOK_DELAYS)
    (5.0, 86400.0, None)
    """
    return delays[tries - 1] if tries <= len(delays) else None


def pause_after(failures: int) -> float:
    """Return the seconds for which a receiver is left alone after this many failures in a row.

    >>> pause_after(1), pause_after(3), pause_after(100)
    (0.0, 5.0, 60.0)
    """
    return SINK_DELAYS[min(failures, len(SINK_DELAYS)) - 1]


def spread(seconds: float, draw: float) -> float:
    """Return a delay with jitter; ``draw`` lies in [0, 1).

    >>> spread(100.0, 0.0), spread(100.0, 0.5)
    (90.0, 100.0)
    """
    return seconds * (1 - JITTER + 2 * JITTER * draw)
