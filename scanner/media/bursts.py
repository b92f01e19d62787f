"""Bursts of a window, made when somebody asks: its packets are decoded once more, by a decoder of
their own."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Final

import numpy as np
from av.codec import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from scanner.media.decoder import Decoder
from scanner.media.footage import Footage, Shot, runs
from scanner.media.instants import burst_instants
from scanner.media.open import Media, check_pixels
from scanner.media.orientation import Turn
from scanner.media.request import DecodeRequest
from scanner.media.samples import Rgb, Sample
from scanner.media.scale import Scaler, displayed
from scanner.media.window import Window
from scanner.types import Burst, FrameSpec

__all__ = ["Darkroom"]

PATIENCE: Final = 2
"""Steps of a burst that the frame on screen may be older than it should be, where what came after
it cannot be decoded."""

_TOLD: Final = (
    "extradata",
    "codec_tag",
    "colorspace",
    "color_range",
    "color_primaries",
    "color_trc",
)
"""What the container says, and a decoder by itself would not know."""

Images = Mapping[FrameSpec, Rgb]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """One burst that is to be made."""

    burst: Burst
    start: Fraction
    """What its first frame shows, in seconds from the window's first frame."""
    frames: tuple[int, ...]
    """Starts of the frames that its instants show, in ticks; they never fall, and one may come
    several times."""


class Darkroom:
    """All that is needed to make the bursts of one window."""

    def __init__(
        self, media: Media, request: DecodeRequest, window: Window, footage: Footage, turn: Turn
    ) -> None:
        """``turn``: of the window's samples; only the track's own decoder knows what the container
        says of it."""
        codec = media.codec
        self._name = media.name
        self._codec = codec.codec.name
        self._told = {name: getattr(codec, name) for name in _TOLD}  # it may be closed by then
        self._spares_much = request.sampling.between == "fast" and codec.name == "h264"
        """What others lean on is left out too, so that only frames which come in the order of time
        are whole."""
        self._aspect = media.track.sample_aspect_ratio or codec.sample_aspect_ratio
        self._request = request
        self._window = window
        self._footage = footage
        self._turn = turn
        self._specs: dict[Burst, list[FrameSpec]] = {}
        for spec in request.burst_specs:
            if spec.burst is not None:
                self._specs.setdefault(spec.burst, []).append(spec)
        self._scaler = Scaler(tuple(dict.fromkeys(spec.frame for spec in request.burst_specs)))

    def samples(self) -> Iterator[Sample]:
        """Every burst that can be made, in order of time."""
        wishes, images, told = self._wishes(), dict[int, Images](), dict[Burst, int]()
        wanted = frozenset(chain.from_iterable(wish.frames for wish in wishes))
        decoder = self._decoder()
        for run in runs(self._footage.shots, wanted):
            for ticks, made in self._developed(run, wanted, decoder):
                images[ticks] = made
                while wishes and all(frame in images for frame in wishes[0].frames):
                    yield from self._printed(wishes.pop(0), images, told)
                _forget(images, wishes)
            while wishes and wishes[0].frames[-1] <= max(
                run[-1].frames, default=0
            ):  # what is not here by now does not come
                yield from self._printed(wishes.pop(0), images, told)

    def _wishes(self) -> list[_Wish]:
        frames, seen = sorted(self._footage.frames), self._footage.seen
        if not seen:
            return []
        last = self._window.at(frames[-1])
        anchors = (
            sorted(chain.from_iterable(shot.anchors for shot in self._footage.shots))
            if self._spares_much
            else []
        )
        planned = (
            (burst, instants) for burst in self._specs for instants in burst_instants(last, burst)
        )
        wishes = (self._wish(burst, instants, frames, seen, anchors) for burst, instants in planned)
        return sorted(
            (wish for wish in wishes if wish is not None),
            key=lambda wish: (wish.frames[-1], wish.burst),
        )

    def _wish(
        self,
        burst: Burst,
        instants: Sequence[Fraction],
        frames: Sequence[int],
        seen: Sequence[int],
        anchors: Sequence[int],
    ) -> _Wish | None:
        """None where too much of it cannot be decoded."""
        step = 1 / (burst.rate * self._window.time_base)
        wanted: list[int] = []
        for instant in instants:
            ticks = self._window.start + instant // self._window.time_base
            shown, able, anchor = (
                _latest(frames, ticks),
                _latest(seen, ticks),
                _latest(anchors, ticks),
            )
            if shown is None or able is None or shown - able > PATIENCE * step:
                return None
            wanted.append(anchor if anchor is not None and able - anchor <= step else able)
        return _Wish(burst=burst, start=instants[0], frames=tuple(wanted))

    def _decoder(self) -> Decoder:
        codec = CodecContext.create(self._codec, "r")
        assert isinstance(codec, VideoCodecContext)
        for name, value in self._told.items():
            setattr(codec, name, value)
        return Decoder(codec, self._request.sampling.between, self._request.limits)

    def _developed(
        self, run: Sequence[Shot], wanted: frozenset[int], decoder: Decoder
    ) -> Iterator[tuple[int, Images]]:
        """The wanted frames of shots that follow each other, as they come out."""
        left = set(wanted.intersection(chain.from_iterable(shot.starts for shot in run)))
        for sparing in (True, False):
            errors = decoder.errors
            for frame in _decoded(run, frozenset(left), decoder, sparing=sparing):
                if frame.pts in left and not frame.is_corrupt:
                    left.remove(frame.pts)
                    yield frame.pts, self._images(frame)
            if not left or decoder.errors != errors:
                return

    def _images(self, frame: VideoFrame) -> Images:
        check_pixels(frame.width, frame.height, self._request.limits, self._name)
        return self._scaler.images(frame, displayed(frame, self._aspect, self._turn), self._turn)

    def _printed(
        self, wish: _Wish, images: Mapping[int, Images], told: dict[Burst, int]
    ) -> Iterator[Sample]:
        """The burst, unless a hole in it is too long, or it ends on the frame on which the one
        before it did."""
        frames = _filled(wish, images, PATIENCE / (wish.burst.rate * self._window.time_base))
        if frames is None or told.get(wish.burst) == frames[-1]:
            return
        last = told[wish.burst] = frames[-1]
        arrays = {
            spec: np.stack([images[ticks][spec.frame] for ticks in frames])
            for spec in self._specs[wish.burst]
        }
        epoch = next((shot.epoch for shot in self._footage.shots if last in shot.starts), None)
        yield Sample(
            at=self._window.at(last),
            pts=self._window.raw(last, epoch),
            keyframe=False,
            images=arrays,
            start=wish.start,
        )


def _decoded(
    run: Sequence[Shot], wanted: frozenset[int], decoder: Decoder, *, sparing: bool
) -> Iterator[VideoFrame]:
    """All frames of the run that come out up to its last wanted one; those that nobody needs are
    left out if ``sparing``."""
    for number, shot in enumerate(run):
        first, *rest = shot.packets
        left = set(wanted.intersection(shot.starts))
        for packet in (first, *(shot.leading if number else ()), *rest):
            if sparing and packet.pts not in wanted:
                decoder.spare_most()
            else:
                decoder.spare_nothing()
            yield from decoder.feed(packet)
            left.discard(packet.pts or 0)
            if not left and shot is run[-1]:
                break
    yield from decoder.drain()


def _latest(frames: Sequence[int], ticks: int) -> int | None:
    """The last of the frames that has begun by then."""
    index = bisect_right(frames, ticks) - 1
    return frames[index] if index >= 0 else None


def _filled(wish: _Wish, images: Mapping[int, Images], patience: Fraction) -> list[int] | None:
    """The frames that are there in the places of those that are wanted; None where one is too old."""
    filled: list[int] = []
    for ticks in wish.frames:
        shown = ticks if ticks in images else filled[-1] if filled else None
        if shown is None or ticks - shown > patience:
            return None
        filled.append(shown)
    return filled


def _forget(images: dict[int, Images], wishes: Sequence[_Wish]) -> None:
    """Drop what no burst wants any more."""
    if not wishes:
        return
    first = min(wish.frames[0] for wish in wishes)
    for ticks in [ticks for ticks in images if ticks < first]:
        del images[ticks]
