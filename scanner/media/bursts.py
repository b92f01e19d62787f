"""Decode the bursts of a window on demand: its packets are decoded once more, by another decoder.

A burst is planned, waits for its frames, and is then made or left out:

    planned     each instant is given the last frame that has begun by then and can be decoded; a
                burst with a frame that is more than ``MAX_STALE_STEPS`` too old is not planned
    selected    it is among those that the request allows; the others are left out
    waiting     frames come out of the decoder and are kept until no waiting burst needs them
    complete    all its frames are there: it is made
    overdue     its GOPs are decoded and frames are missing: each is replaced by the one before, or
                the burst is left out if that one is too old

Bursts leave in the order of their last frames, so that the first waiting one is always the next.
"""

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

from scanner.media.decoder import PacketDecoder
from scanner.media.open import OpenMedia, check_pixels
from scanner.media.orientation import Turn
from scanner.media.packet_buffer import BufferedGop, PacketBuffer, group_dependent_gops
from scanner.media.request import BurstRequest, DecodeRequest
from scanner.media.samples import Rgb, Sample
from scanner.media.scale import Scaler, displayed_size
from scanner.media.window import Window
from scanner.types import BURST_INTERVAL, KEYFRAME_WEIGHT, Burst, FrameSpec

__all__ = ["BurstDecoder", "plan_burst_instants"]

MAX_STALE_STEPS: Final = 2
"""Steps of a burst by which a frame may be older than it should be, where the frames after it
cannot be decoded."""

_CONTAINER_SETTINGS: Final = (
    "extradata",
    "codec_tag",
    "colorspace",
    "color_range",
    "color_primaries",
    "color_trc",
)
"""Settings of the codec that come from the container and that a new decoder would not know."""

Images = Mapping[FrameSpec, Rgb]
Instants = tuple[Fraction, ...]


def plan_burst_instants(last: Fraction, burst: Burst) -> tuple[Instants, ...]:
    """Return for each burst of a window the instants of its frames, in seconds from the window's
    first frame.

    ``last`` is where the window's last frame begins; a burst has no later instant, so that it lies
    inside its window. Bursts follow each other every ``BURST_INTERVAL`` seconds, and the last one
    is moved back to the end where that would otherwise be left out. A window that is shorter than
    one burst gets one that is spread over it, if it is at least half as long.

    >>> [instants[0] for instants in plan_burst_instants(Fraction(5), Burst(frames=8, rate=5))]
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
    return tuple(
        tuple(start + Fraction(step, burst.rate) for step in range(burst.frames))
        for start in starts
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlannedBurst:
    """One burst that is to be made."""

    burst: Burst
    start: Fraction
    """Instant of its first frame, in seconds from the window's first frame."""
    frames: tuple[int, ...]
    """Starts of the frames that its instants show, in ticks; they never fall, and one may come
    several times."""

    def distance(self, at: Fraction) -> Fraction:
        """Return the seconds between an instant and the nearest one of the burst."""
        return max(self.start - at, at - self.start - self.burst.length, Fraction(0))


class BurstDecoder:
    """Makes the bursts of one window."""

    def __init__(
        self,
        media: OpenMedia,
        request: DecodeRequest,
        window: Window,
        buffer: PacketBuffer,
        turn: Turn,
    ) -> None:
        """Copy from ``media`` what is needed, as it may be closed when the bursts are made.

        ``turn`` is the orientation of the window's samples: only the track's own decoder knows what
        the container says of it.
        """
        codec = media.codec
        self._name = media.name
        self._codec = codec.codec.name
        self._settings = {name: getattr(codec, name) for name in _CONTAINER_SETTINGS}
        self._skips_referenced = request.sampling.between == "fast" and codec.name == "h264"
        """True if frames that others reference are skipped too, so that only frames which come in
        the order of time are whole."""
        self._aspect = media.track.sample_aspect_ratio or codec.sample_aspect_ratio
        self._request = request
        self._window = window
        self._buffer = buffer
        self._turn = turn
        self._specs: dict[Burst, list[FrameSpec]] = {}
        for spec in request.burst_specs:
            if spec.burst is not None:
                self._specs.setdefault(spec.burst, []).append(spec)
        self._scaler = Scaler(tuple(dict.fromkeys(spec.frame for spec in request.burst_specs)))
        self._decoder: PacketDecoder | None = None
        self._earlier_frames = 0
        """Frames that earlier decoders decoded."""

    @property
    def frames(self) -> int:
        """Frames that were decoded so far, weighted as in ``DecodedBursts``."""
        decoder = self._decoder
        return self._earlier_frames + (decoder.frames + decoder.errors if decoder else 0)

    def make_bursts(self, request: BurstRequest) -> Iterator[Sample]:
        """Yield the bursts that can be made and that the request allows, in order of time."""
        waiting = _select(self._plan(), self._buffer.gops, request)
        images, last_frames = dict[int, Images](), dict[Burst, int]()
        wanted = frozenset(chain.from_iterable(planned.frames for planned in waiting))
        self._earlier_frames = self.frames
        decoder = self._decoder = self._create_decoder()
        for group in group_dependent_gops(self._buffer.gops, wanted):
            for ticks, converted in self._decode_group(group, wanted, decoder):
                images[ticks] = converted
                while waiting and all(frame in images for frame in waiting[0].frames):
                    yield from self._assemble(waiting.pop(0), images, last_frames)
                _discard_unneeded(images, waiting)
            end = max(group[-1].frames, default=0)
            while waiting and waiting[0].frames[-1] <= end:  # overdue
                yield from self._assemble(waiting.pop(0), images, last_frames)

    def _plan(self) -> list[_PlannedBurst]:
        frames, decodable = sorted(self._buffer.frames), self._buffer.decodable_frames
        if not decodable:
            return []
        last = self._window.to_seconds(frames[-1])
        anchors = (
            sorted(chain.from_iterable(gop.anchors for gop in self._buffer.gops))
            if self._skips_referenced
            else []
        )
        planned = (
            self._plan_burst(burst, instants, frames, decodable, anchors)
            for burst in self._specs
            for instants in plan_burst_instants(last, burst)
        )
        return sorted(
            (one for one in planned if one is not None),
            key=lambda one: (one.frames[-1], one.burst),
        )

    def _plan_burst(
        self,
        burst: Burst,
        instants: Sequence[Fraction],
        frames: Sequence[int],
        decodable: Sequence[int],
        anchors: Sequence[int],
    ) -> _PlannedBurst | None:
        """Return None if too much of the burst cannot be decoded."""
        step = 1 / (burst.rate * self._window.time_base)
        wanted: list[int] = []
        for instant in instants:
            ticks = self._window.start + instant // self._window.time_base
            shown, able, anchor = (
                _latest(frames, ticks),
                _latest(decodable, ticks),
                _latest(anchors, ticks),
            )
            if shown is None or able is None or shown - able > MAX_STALE_STEPS * step:
                return None
            wanted.append(anchor if anchor is not None and able - anchor <= step else able)
        return _PlannedBurst(burst=burst, start=instants[0], frames=tuple(wanted))

    def _create_decoder(self) -> PacketDecoder:
        codec = CodecContext.create(self._codec, "r")
        assert isinstance(codec, VideoCodecContext)
        for name, value in self._settings.items():
            setattr(codec, name, value)
        return PacketDecoder(codec, self._request.sampling.between, self._request.limits)

    def _decode_group(
        self, group: Sequence[BufferedGop], wanted: frozenset[int], decoder: PacketDecoder
    ) -> Iterator[tuple[int, Images]]:
        """Yield the wanted frames of GOPs that follow each other, as they come out.

        If some are missing although no packet failed, the group is decoded once more in full.
        """
        left = set(wanted.intersection(chain.from_iterable(gop.starts for gop in group)))
        for skipping in (True, False):
            errors = decoder.errors
            for frame in _decode_gops(group, frozenset(left), decoder, skipping=skipping):
                if frame.pts in left and not frame.is_corrupt:
                    left.remove(frame.pts)
                    yield frame.pts, self._convert(frame)
            if not left or decoder.errors != errors:
                return

    def _convert(self, frame: VideoFrame) -> Images:
        check_pixels(frame.width, frame.height, self._request.limits, self._name)
        size = displayed_size(frame, self._aspect, self._turn)
        return self._scaler.images(frame, size, self._turn)

    def _assemble(
        self, planned: _PlannedBurst, images: Mapping[int, Images], last_frames: dict[Burst, int]
    ) -> Iterator[Sample]:
        """Yield the burst, unless a hole in it is too long, or it ends on the same frame as the
        burst before it."""
        max_age = MAX_STALE_STEPS / (planned.burst.rate * self._window.time_base)
        frames = _fill_holes(planned, images, max_age)
        if frames is None or last_frames.get(planned.burst) == frames[-1]:
            return
        last = last_frames[planned.burst] = frames[-1]
        arrays = {
            spec: np.stack([images[ticks][spec.frame] for ticks in frames])
            for spec in self._specs[planned.burst]
        }
        epoch = next((gop.epoch for gop in self._buffer.gops if last in gop.starts), None)
        yield Sample(
            at=self._window.to_seconds(last),
            pts=self._window.to_pts(last, epoch),
            keyframe=False,
            images=arrays,
            start=planned.start,
        )


def _select(
    planned: Sequence[_PlannedBurst], gops: Sequence[BufferedGop], request: BurstRequest
) -> list[_PlannedBurst]:
    """Return the bursts that the request allows, the nearest ones first in the choice, in the order
    of the plan."""
    if request.max_frames is None:
        return list(planned)
    estimate, left = _FrameEstimate(gops), request.max_frames
    chosen: set[int] = set()
    for index in sorted(range(len(planned)), key=lambda i: planned[i].distance(request.near)):
        frames = estimate.count_added(planned[index].frames) + request.frames_per_burst
        if frames <= left or (request.at_least_one and not chosen):
            estimate.add(planned[index].frames)
            chosen.add(index)
            left -= frames
    return [planned[index] for index in sorted(chosen)]


class _FrameEstimate:
    """The frames to decode for a growing set of bursts, from keyframes on: at most, as those that
    no other references may be skipped."""

    def __init__(self, gops: Sequence[BufferedGop]) -> None:
        self._fed: dict[int, int] = {}
        """Packets that are fed of each GOP, by its number."""
        self._lengths: list[int] = []
        self._places: dict[int, dict[int, int]] = {}
        """For each frame, the packets of each GOP that are fed until it comes out."""
        for number, gop in enumerate(gops):
            first, *rest = gop.packets
            order = (first, *(gop.leading if number else ()), *rest)
            before = {number - 1: self._lengths[-1]} if number else {}
            leading = frozenset(gop.leading_frames)
            for count, packet in enumerate(order, 1):
                ticks = packet.pts or 0
                self._places[ticks] = {number: count, **(before if ticks in leading else {})}
            self._lengths.append(len(order))

    def count_added(self, frames: Sequence[int]) -> int:
        """Return how many frames more are decoded for one more burst."""
        return sum(
            max(0, count - self._fed.get(number, 0))
            + (0 if number in self._fed else KEYFRAME_WEIGHT - 1)
            for number, count in self._count_needed(frames).items()
        )

    def add(self, frames: Sequence[int]) -> None:
        """Add a burst to the set."""
        for number, count in self._count_needed(frames).items():
            self._fed[number] = max(count, self._fed.get(number, 0))

    def _count_needed(self, frames: Sequence[int]) -> dict[int, int]:
        needed: dict[int, int] = {}
        for ticks in frames:
            for number, count in self._places.get(ticks, {}).items():
                needed[number] = max(count, needed.get(number, 0))
        return needed


def _decode_gops(
    group: Sequence[BufferedGop],
    wanted: frozenset[int],
    decoder: PacketDecoder,
    *,
    skipping: bool,
) -> Iterator[VideoFrame]:
    """Yield all frames of the group that come out up to its last wanted one; if ``skipping``, those
    that are neither wanted nor referenced are left out."""
    for number, gop in enumerate(group):
        first, *rest = gop.packets
        left = set(wanted.intersection(gop.starts))
        for packet in (first, *(gop.leading if number else ()), *rest):
            if skipping and packet.pts not in wanted:
                decoder.skip_unreferenced()
            else:
                decoder.skip_nothing()
            yield from decoder.feed(packet)
            left.discard(packet.pts or 0)
            if not left and gop is group[-1]:
                break
    yield from decoder.drain()


def _latest(frames: Sequence[int], ticks: int) -> int | None:
    """Return the last of the frames that has begun by then."""
    index = bisect_right(frames, ticks) - 1
    return frames[index] if index >= 0 else None


def _fill_holes(
    planned: _PlannedBurst, images: Mapping[int, Images], max_age: Fraction
) -> list[int] | None:
    """Return the frames to show, each missing one replaced by the one before; None if that one is
    older than ``max_age`` ticks."""
    filled: list[int] = []
    for ticks in planned.frames:
        shown = ticks if ticks in images else filled[-1] if filled else None
        if shown is None or ticks - shown > max_age:
            return None
        filled.append(shown)
    return filled


def _discard_unneeded(images: dict[int, Images], waiting: Sequence[_PlannedBurst]) -> None:
    """Delete the images that no waiting burst needs."""
    if not waiting:
        return
    first = min(planned.frames[0] for planned in waiting)
    for ticks in [ticks for ticks in images if ticks < first]:
        del images[ticks]
