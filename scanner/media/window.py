"""One window in the making: its time, its samples, and what could not be seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from scanner.errors import LimitError
from scanner.media.gops import Gop
from scanner.media.samples import Decoded, Rgb, Sample
from scanner.media.timeline import Placed
from scanner.types import NEVER_WRAPS, FrameSpec, GapReason, MediaInfo, SegmentTimes, Span, Unseen

__all__ = ["Mark", "Window"]


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """From ``ticks`` on, up to the next mark, the picture can be seen or not."""

    ticks: int
    seen: bool


@dataclass(slots=True, kw_only=True)
class Window:
    """Grows GOP by GOP and sample by sample; ticks become seconds when it is closed."""

    name: str
    """What messages call the source."""
    max_frames: int
    index: int
    first: Placed
    """A frame of it whose time stamp is known."""
    start: int
    zero: int
    """Where its source's first window starts."""
    time_base: Fraction
    wrap_bits: int
    end: int = 0
    last: int = 0
    frames: int = 0
    samples: list[Sample] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    unkeyed: list[tuple[int, int]] = field(default_factory=list)
    """Stretches without a keyframe to begin decoding at."""

    def extend(self, gop: Gop) -> None:
        """Its time goes on over one more GOP."""
        if not gop.decodable:
            self.unkeyed.append((max(gop.start, self.end if self.frames else self.start), gop.end))
        self.last, self.end = max(self.last, gop.last), gop.end
        self.frames += len(gop.shown)

    def add(
        self, ticks: int, images: Mapping[FrameSpec, Rgb], *, pts: int, keyframe: bool, seen: bool
    ) -> None:
        """One sample, whole (``seen``) or damaged.

        Raises:
            LimitError: ``limit_frames``.
        """
        if len(self.samples) >= self.max_frames:
            raise LimitError(
                f"{self.name}: window {self.index} has more than {self.max_frames} samples",
                kind="limit_frames",
            )
        self.marks.append(Mark(ticks, seen))
        self.samples.append(Sample(at=self.at(ticks), pts=pts, keyframe=keyframe, images=images))

    def at(self, ticks: int) -> Fraction:
        """Seconds from the window's first frame."""
        return (ticks - self.start) * self.time_base

    def raw(self, ticks: int, epoch: Placed | None = None) -> int:
        """The time stamp as the container has it; ``epoch`` is a frame since the clock's last jump."""
        near = epoch or self.first
        pts = ticks - near.ticks + near.raw
        return pts % (1 << self.wrap_bits) if self.wrap_bits < NEVER_WRAPS else pts

    def decoded(self, info: MediaInfo, *, last: bool) -> Decoded:
        """What leaves."""
        return Decoded(
            index=self.index,
            times=self._times(info),
            samples=tuple(sorted(self.samples, key=lambda s: s.at)),
            unseen=() if info.still else tuple(sorted(self._unseen(), key=lambda u: u.span)),
            info=info,
            begins=(self.start - self.zero) * self.time_base,
            discontinuity=self.first.jump,
            last=last,
        )

    def _times(self, info: MediaInfo) -> SegmentTimes:
        return SegmentTimes(
            first_pts=self.raw(self.start),
            last_pts=self.raw(self.last),
            duration=Fraction(0) if info.still else self.at(self.end),
            time_base=self.time_base,
            wrap_bits=self.wrap_bits,
        )

    def _unseen(self) -> Iterator[Unseen]:
        yield from self._spans(self.unkeyed, "no_keyframe")
        yield from self._spans(_dark(sorted(self.marks), self.end), "undecodable")

    def _spans(self, stretches: Iterable[tuple[int, int]], reason: GapReason) -> Iterator[Unseen]:
        return (
            Unseen(span=Span(start=self.at(start), end=self.at(end)), reason=reason)
            for start, end in stretches
        )


def _dark(marks: Iterable[Mark], end: int) -> Iterator[tuple[int, int]]:
    """Stretches from an unseen mark to the next seen one.

    >>> list(_dark([Mark(0, True), Mark(5, False), Mark(7, False), Mark(9, True)], 12))
    [(5, 9)]
    """
    since: int | None = None
    for mark in marks:
        if mark.seen and since is not None and mark.ticks > since:
            yield (since, mark.ticks)
        since = None if mark.seen else mark.ticks if since is None else since
    if since is not None and end > since:
        yield (since, end)
