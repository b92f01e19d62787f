"""Pick the frames of a GOP that become samples. Pure: times in and out.

A sample covers its frame until the next frame is due, so a hole extends from the end of one sampled
frame to the start of the next: keyframes 2.002 s apart at 29.97 frames a second leave a hole of
1.969 s, and nothing that is shown for 2 s falls into it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

__all__ = ["Picker", "Sampling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Rule for the instants of a window that become samples."""

    strategy: Literal["adaptive", "keyframes", "every"] = "adaptive"
    """``adaptive``: keyframes at least ``min_gap`` apart, and frames between them where a hole
    would exceed ``max_gap``. ``keyframes``: each of them and nothing else. ``every``: a frame in
    each ``every`` seconds."""
    min_gap: Fraction = Fraction(1, 2)
    max_gap: Fraction = Fraction(2)
    every: Fraction = Fraction(1)
    between: Literal["fast", "exact"] = "exact"
    """Way in which frames between keyframes of H.264 are decoded. ``exact``: with every frame that
    others reference. ``fast``: without the bidirectional ones; where others do reference those
    (x264 does by default), the picture is inexact, and late in a long GOP broken."""

    def __post_init__(self) -> None:
        if not 0 < self.min_gap <= self.max_gap:
            raise ValueError(
                f"sampling wants 0 < min_gap <= max_gap, got {self.min_gap} and {self.max_gap}"
            )
        if not self.every > 0:
            raise ValueError(f"sampling wants every > 0, got {self.every}")

    @property
    def gaps(self) -> tuple[Fraction, Fraction]:
        """Least and greatest gap that the strategy keeps, in seconds."""
        return (
            (self.every, self.every) if self.strategy == "every" else (self.min_gap, self.max_gap)
        )


class Picker:
    """Picks frames GOP by GOP; its state is the last pick of the window."""

    def __init__(self, sampling: Sampling, time_base: Fraction) -> None:
        least, greatest = sampling.gaps
        self._min_gap = least / time_base
        self._max_gap = greatest / time_base
        self._keyframes_only = sampling.strategy == "keyframes"
        self._last: int | None = None
        self._covered_to = 0

    def restart(self) -> None:
        """Forget the last pick, as a window begins."""
        self._last = None

    def pick(
        self,
        anchors: Sequence[int],
        frames: Sequence[int],
        end: int,
        *,
        keyed: bool,
        changed: bool = False,
    ) -> tuple[int, ...]:
        """Return the ticks of the frames to sample, in order of time.

        ``frames`` are the starts of all frames in order of time. ``anchors`` are those of them that
        are stored in this order; they are preferred, as no others need to be decoded for them. The
        first one is the keyframe if ``keyed``; the next GOP begins at ``end``. A keyframe is picked
        whatever ``min_gap`` says if the picture's size or parameters ``changed`` with it.
        """
        if self._keyframes_only:
            return tuple(anchors[:1]) if keyed else ()
        picks: list[int] = []
        is_due = self._last is None or anchors[0] - self._last >= self._min_gap
        if self._last is None or (keyed and (changed or is_due)):
            picks.append(self._record(anchors[0], frames, end))
        while (pick := self._next_pick(anchors, frames, end)) is not None:
            picks.append(self._record(pick, frames, end))
        return tuple(picks)

    def _record(self, pick: int, frames: Sequence[int], end: int) -> int:
        following = bisect_right(frames, pick)
        self._last = pick
        self._covered_to = frames[following] if following < len(frames) else end
        return pick

    def _next_pick(self, anchors: Sequence[int], frames: Sequence[int], end: int) -> int | None:
        """Return the next frame to sample, or None if the hole to ``end`` is short enough.

        It is the last anchor within ``max_gap`` that leaves ``min_gap`` before ``end``; without
        such an anchor the last such frame, and without any the next frame.
        """
        if self._last is None or end - self._covered_to <= self._max_gap:
            return None
        limit = min(
            self._last + self._max_gap, max(end - self._min_gap, self._last + self._min_gap)
        )
        for pick in (
            _last_within(anchors, self._last, limit),
            _last_within(frames, self._last, limit),
            _next(frames, self._last),
        ):
            if pick is not None:
                return pick
        return None


def _last_within(frames: Sequence[int], after: int, limit: Fraction) -> int | None:
    index = bisect_right(frames, limit) - 1
    return frames[index] if index >= 0 and frames[index] > after else None


def _next(frames: Sequence[int], after: int) -> int | None:
    index = bisect_right(frames, after)
    return frames[index] if index < len(frames) else None
