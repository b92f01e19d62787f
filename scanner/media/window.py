"""One window while it grows: its time, its samples, and what could not be decoded. Pure.

A window records marks, one at each sampled or missing frame; a damaged frame counts as missing. A
mark holds up to the next one, and the stretches that are not visible become the window's
``undecodable`` spans:

    marks       visible      missing   missing      visible           end of the window
                |------------|---------|------------|-----------------|
    span                     [ undecodable          )
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from scanner.errors import LimitError
from scanner.media.gops import LOOKAHEAD, Gop
from scanner.media.samples import DecodedWindow, Rgb, Sample
from scanner.media.timeline import PacketTime
from scanner.types import NEVER_WRAPS, FrameSpec, GapReason, MediaInfo, SegmentTimes, Span, Unseen

__all__ = ["VisibilityMark", "Window"]


@dataclass(frozen=True, slots=True, order=True)
class VisibilityMark:
    """From ``ticks`` on, up to the next mark, the picture can be decoded or not."""

    ticks: int
    visible: bool


@dataclass(slots=True, kw_only=True)
class Window:
    """Grows GOP by GOP and sample by sample; ticks become seconds when it is finished."""

    name: str
    """Name of the source in messages."""
    max_frames: int
    """Most samples that the window may have."""
    index: int
    first: PacketTime
    """A frame of the window whose time stamp is known."""
    start: int
    """Tick of the first frame."""
    zero: int
    """Tick at which the first window of the source starts."""
    time_base: Fraction
    wrap_bits: int
    end: int = 0
    last: int = 0
    """Tick of the last frame."""
    frames: int = 0
    samples: list[Sample] = field(default_factory=list)
    damaged: list[Sample] = field(default_factory=list)
    """Frames that show what the decoder made up."""
    marks: list[VisibilityMark] = field(default_factory=list)
    keyless: list[tuple[int, int]] = field(default_factory=list)
    """Stretches without a keyframe to begin decoding at."""
    pauses: list[tuple[int, int]] = field(default_factory=list)
    """Stretches for which no picture came although the clock went on."""
    has_keyframe: bool = False
    """True if decoding of what follows may begin in it: at a keyframe that is the first frame of
    the window, or so far from its end that the frames shown before the keyframe lie in it too."""
    late_keyframe: bool = False
    """True if the last GOP has a keyframe that is too near to the end so far."""
    other_tracks: bool = False
    """True if the source has video tracks other than the one that is decoded."""

    def extend(self, gop: Gop) -> None:
        """Extend the window's time over one more GOP."""
        if not gop.is_decodable:
            self.keyless.append((max(gop.start, self.end if self.frames else self.start), gop.end))
        self.pauses += gop.find_pauses()
        self.has_keyframe |= self.late_keyframe
        self.late_keyframe = gop.keyed and bool(self.frames) and len(gop.shown) <= LOOKAHEAD
        self.has_keyframe |= gop.keyed and not self.late_keyframe
        self.last, self.end = max(self.last, gop.last), gop.end
        self.frames += len(gop.shown)

    def add_sample(
        self,
        ticks: int,
        images: Mapping[FrameSpec, Rgb],
        *,
        pts: int,
        keyframe: bool,
        is_damaged: bool = False,
    ) -> None:
        """Add one sample; what a damaged one covers is not visible.

        Raises:
            LimitError: ``limit_frames``.
        """
        if len(self.samples) + len(self.damaged) >= self.max_frames:
            raise LimitError(
                f"{self.name}: window {self.index} has more than {self.max_frames} samples",
                kind="limit_frames",
            )
        self.marks.append(VisibilityMark(ticks, not is_damaged))
        (self.damaged if is_damaged else self.samples).append(
            Sample(at=self.to_seconds(ticks), pts=pts, keyframe=keyframe, images=images)
        )

    def add_missing(self, frames: Iterable[int]) -> None:
        """Record that the frames that begin at those ticks could not be decoded, or only with
        damage."""
        self.marks.extend(VisibilityMark(ticks, False) for ticks in frames)

    def add_missing_end(self, ticks: int) -> None:
        """Make the window longer by ticks of which nothing can be decoded."""
        self.add_missing((self.end,))
        self.end += ticks

    def to_seconds(self, ticks: int) -> Fraction:
        """Return the seconds from the window's first frame."""
        return (ticks - self.start) * self.time_base

    def to_pts(self, ticks: int, epoch: PacketTime | None = None) -> int:
        """Return the time stamp as the container has it; ``epoch`` is a frame since the clock's
        last jump."""
        near = epoch or self.first
        pts = ticks - near.ticks + near.raw
        return pts % (1 << self.wrap_bits) if self.wrap_bits < NEVER_WRAPS else pts

    def finish(self, info: MediaInfo, *, last: bool) -> DecodedWindow:
        """Return the window as the rest of the program sees it."""
        return DecodedWindow(
            index=self.index,
            times=self._times(info),
            samples=tuple(sorted(self.samples, key=lambda s: s.at)),
            unseen=() if info.still else tuple(sorted(self._unseen(), key=lambda u: u.span)),
            info=info,
            begins=(self.start - self.zero) * self.time_base,
            discontinuity=self.first.jump,
            last=last,
            has_keyframe=self.has_keyframe,
            damaged=tuple(sorted(self.damaged, key=lambda s: s.at)),
        )

    def _times(self, info: MediaInfo) -> SegmentTimes:
        return SegmentTimes(
            first_pts=self.to_pts(self.start),
            last_pts=self.to_pts(self.last),
            duration=Fraction(0) if info.still else self.to_seconds(self.end),
            time_base=self.time_base,
            wrap_bits=self.wrap_bits,
        )

    def _unseen(self) -> Iterator[Unseen]:
        yield from self._spans(self.keyless, "no_keyframe")
        yield from self._spans(self.pauses, "missing")
        if self.other_tracks:
            yield from self._spans([(self.start, self.end)], "not_scanned")
        yield from self._spans(_find_invisible(sorted(self.marks), self.end), "undecodable")

    def _spans(self, stretches: Iterable[tuple[int, int]], reason: GapReason) -> Iterator[Unseen]:
        return (
            Unseen(span=Span(start=self.to_seconds(start), end=self.to_seconds(end)), reason=reason)
            for start, end in stretches
        )


def _find_invisible(marks: Iterable[VisibilityMark], end: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches from a mark that is not visible to the next visible one.

    >>> seen, missing = (lambda t: VisibilityMark(t, True)), (lambda t: VisibilityMark(t, False))
    >>> list(_find_invisible([seen(0), missing(5), missing(7), seen(9)], 12))
    [(5, 9)]
    """
    since: int | None = None
    for mark in marks:
        if mark.visible and since is not None and mark.ticks > since:
            yield (since, mark.ticks)
        since = None if mark.visible else mark.ticks if since is None else since
    if since is not None and end > since:
        yield (since, end)
