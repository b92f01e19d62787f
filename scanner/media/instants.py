"""When bursts are taken, and which frame each of their instants shows.

Pure: times in, times out.
"""

from __future__ import annotations

from fractions import Fraction

from scanner.types import BURST_INTERVAL, Burst

__all__ = ["burst_instants"]

Instants = tuple[Fraction, ...]


def burst_instants(last: Fraction, burst: Burst) -> tuple[Instants, ...]:
    """For each burst of a window the instants that its frames show, in seconds from the window's
    first frame.

    ``last`` is where the window's last frame begins: nothing later is asked for, so a burst lies
    inside its window. Bursts follow each other every ``BURST_INTERVAL`` seconds, the last one moved
    back to the end where that would else be left out. A window shorter than one burst gets one that
    is spread over it, if it is half as long at least.

    >>> [instants[0] for instants in burst_instants(Fraction(5), Burst(frames=8, rate=5))]
    [Fraction(0, 1), Fraction(2, 1), Fraction(18, 5)]
    """
    if last < burst.length:
        steps = burst.frames - 1
        return (
            (tuple(last * step / steps for step in range(burst.frames)),)
            if last >= burst.length / 2
            else ()
        )
    whole = int((last - burst.length) // BURST_INTERVAL)
    starts = [BURST_INTERVAL * number for number in range(whole + 1)]
    if last - (starts[-1] + burst.length) > max(BURST_INTERVAL - burst.length, Fraction(0)):
        starts.append(last - burst.length)
    return tuple(_from(start, burst) for start in starts)


def _from(start: Fraction, burst: Burst) -> Instants:
    return tuple(start + Fraction(step, burst.rate) for step in range(burst.frames))
