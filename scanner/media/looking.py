"""Looks at GOPs: picks frames, has them decoded, scales them, and gathers them into windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from av.video.frame import VideoFrame

from scanner.media.bursts import Darkroom
from scanner.media.decoder import Decoder
from scanner.media.footage import Footage
from scanner.media.gops import Gop
from scanner.media.open import Media, check_pixels
from scanner.media.orientation import UPRIGHT, Compass
from scanner.media.request import DecodeRequest
from scanner.media.samples import Decoded, Rgb, Sample
from scanner.media.sampling import Picker
from scanner.media.scale import Scaler, displayed
from scanner.media.sniff import Container
from scanner.media.timeline import Placed
from scanner.media.window import Mark, Window
from scanner.types import FrameSpec, MediaInfo

__all__ = ["Looker", "Seen"]

_DELAY = 17
"""Packets after which a frame has left any decoder of one thread (H.264 reorders 16)."""
_USUAL_PIXELS = 1920 * 1080
"""Of a frame, as long as no decoder has said how many there are."""
_CODEC_NAMES = {"libdav1d": "av1"}


Seen = tuple[Decoded, Callable[[], Iterator[Sample]]]
"""A window, and what makes its bursts, in order of time, if it is asked before the window after the
next one is begun."""


class Looker:
    """Holds the decoder, the scaler and the window that is open."""

    def __init__(self, media: Media, request: DecodeRequest) -> None:
        self._media = media
        self._request = request
        self._decoder = Decoder(media.codec, request.sampling.between, request.limits)
        self._picker = Picker(request.sampling, media.time_base)
        self._compass = Compass(media.kind)
        self._scaler = Scaler(request.frame_specs)
        self._turn = UPRIGHT
        self._footage: Footage | None = None
        """Of the window that is open, or was; None where nobody wants bursts."""
        self._early: list[VideoFrame] = []
        self._wanted: set[int] = set()
        self._keyframes: set[int] = set()
        self._epoch: Placed | None = None
        self._window: Window | None = None
        self._zero = 0
        self._latest: Gop | None = None
        """While the source has one sample: where its second look would be."""
        self._shape = (media.codec.width, media.codec.height)

    @property
    def window(self) -> Window | None:
        """The one that is open."""
        return self._window

    def look(self, gop: Gop, index: int) -> None:
        """Add one GOP to the open window; where none is, window ``index`` begins with it."""
        window = self._window or self._begin(gop, index)
        self._latest = gop if self._may_look_again(gop, window) else None
        window.extend(gop)
        if self._footage is not None:
            self._footage.add(gop)
        self._epoch = gop.first
        goes_on = self._goes_on(gop.continued)
        picks = self._pick(gop) if goes_on or self._looks_at(window) else ()
        if picks or goes_on:
            self._show(gop, picks, window)

    def close(self, *, following: Gop | None, missing: int = 0) -> Iterator[Seen]:
        """The open window, if it is one that was asked for; a GOP that goes on in ``following``
        keeps its decoder's state.

        ``missing`` ticks at its end are promised by the container, and cannot be read.
        """
        window, self._window = self._window, None
        if window is None or not self._looks_at(window):
            return
        if following is not None and self._goes_on(following.continues):
            self._look_ahead(following, window)
        elif self._wanted:  # the last piece of a cut GOP had nothing to look at, and left inside what the one before wanted
            self._receive(self._decoder.drain(), window)
        if following is None and self._request.second_look:
            self._look_again(window)
        window.marks.extend(Mark(ticks, False) for ticks in self._wanted)
        self._wanted.clear()
        if missing > 0:
            window.marks.append(Mark(window.end, False))
            window.end += missing
        alone = window.index == 0 and following is None and missing <= 0
        info = self._info(window, still=alone and window.frames == len(window.samples) == 1)
        yield window.decoded(info, last=following is None), self._bursts(window, info)

    def _begin(self, gop: Gop, index: int) -> Window:
        if index == 0:
            self._zero = gop.start
        self._window = Window(
            name=self._media.name,
            max_frames=self._request.limits.max_frames,
            index=index,
            first=gop.first,
            start=gop.start,
            zero=self._zero,
            time_base=self._media.time_base,
            wrap_bits=self._media.wrap_bits,
        )
        if self._request.burst_specs:
            self._footage = self._next_footage(gop)
        self._picker.restart()
        self._wanted.clear()
        self._keyframes.clear()
        return self._window

    def _next_footage(self, gop: Gop) -> Footage:
        before, codec = self._footage, self._media.codec
        pixels = codec.width * codec.height or _USUAL_PIXELS
        if before is None:
            return Footage(
                name=self._media.name, max_bytes=self._request.limits.max_gop_bytes, pixels=pixels
            )
        before.pixels = pixels
        return before.following(gop)

    def _bursts(self, window: Window, info: MediaInfo) -> Callable[[], Iterator[Sample]]:
        """What makes the window's bursts. It keeps the packets, and not the samples."""
        footage = self._footage
        if footage is None or info.still or self._media.kind is Container.GIF:
            return lambda: iter(())
        return Darkroom(
            self._media, self._request, replace(window, samples=[], marks=[]), footage, self._turn
        ).samples

    def _looks_at(self, window: Window) -> bool:
        """It is one that was asked for; of those before it only what they leave in the decoder
        counts."""
        return window.index >= self._request.first_window

    def _pick(self, gop: Gop) -> tuple[int, ...]:
        if not gop.decodable or not gop.anchors:
            return ()
        if gop.opens:
            self._keyframes.add(gop.first.ticks)
        picks = self._picker.pick(gop.anchors, sorted(gop.shown), gop.end, keyed=gop.opens)
        self._wanted.update(picks)
        return picks

    def _show(self, gop: Gop, picks: tuple[int, ...], window: Window) -> None:
        """Decode as far as is needed: up to the last pick, or all of it where another piece goes on
        from there."""
        needed = None if self._goes_on(gop.continued) else frozenset(picks)
        if gop.keyed:
            self._decoder.spare_most()
        if not (self._media.ordered and set(picks).issubset(gop.anchors)):
            self._decoder.spare_nothing()
        errors = self._decoder.errors
        self._run(gop, needed, window)
        if (
            gop.keyed
            and len(picks) > 1
            and self._is_missing(picks, needed)
            and self._decoder.spares
            and self._decoder.errors == errors
        ):
            self._decoder.drain()
            self._decoder.spare_nothing()
            self._run(gop, needed, window)

    def _is_missing(self, picks: tuple[int, ...], needed: frozenset[int] | None) -> bool:
        """Frames that were thought to depend on no spared one did: any of them, or all of them
        where some may still come."""
        return (
            self._wanted.issuperset(picks[1:])
            if needed is None
            else not self._wanted.isdisjoint(picks)
        )

    def _run(self, gop: Gop, needed: frozenset[int] | None, window: Window) -> None:
        """Feed packets until the ``needed`` ones are in and have the frames out; or all packets, to
        be gone on from.

        H.264 loses keyframes of open GOPs that follow each other without the frames between: its
        counter of frames wraps.
        """
        self._receive(self._early, window)
        self._early.clear()
        left = set(needed or ())
        for packet in gop.packets[gop.fed :]:
            self._receive(self._decoder.feed(packet), window)
            left.discard(packet.pts or 0)
            if needed is not None and not left:
                break
        if needed is not None:
            self._receive(self._decoder.drain(), window)

    def _goes_on(self, cut: bool) -> bool:
        """The decoder's state is needed beyond the cut inside a GOP."""
        return cut and self._request.sampling.strategy != "keyframes"

    def _look_again(self, window: Window) -> None:
        """One more sample, of the last frame of a source that had a single one."""
        gop = self._latest
        if gop is None or len(window.samples) != 1 or self._goes_on(gop.continued):
            return
        last = gop.anchors[-1]
        if window.at(last) == window.samples[0].at:
            return
        self._decoder.drain()
        self._wanted.add(last)
        self._run(gop, frozenset((last,)), window)

    def _may_look_again(self, gop: Gop, window: Window) -> bool:
        """It may be the last one of a short source, and be decoded up to its last frame."""
        wanted = self._request.second_look and self._request.sampling.strategy != "keyframes"
        return (
            wanted
            and window.index == 0
            and len(window.samples) < 2
            and gop.keyed
            and bool(gop.anchors)
        )

    def _look_ahead(self, following: Gop, window: Window) -> None:
        """Frames come out a few packets late: push the last wanted ones out with what follows."""
        for packet in following.packets[:_DELAY]:
            if not self._wanted:
                return
            following.fed += 1
            self._receive_early(self._decoder.feed(packet), window)
        if self._wanted and not (following.fed < len(following.packets) or following.continued):
            self._receive_early(self._decoder.drain(), window)

    def _receive_early(self, frames: Sequence[VideoFrame], window: Window) -> None:
        self._receive(frames, window)
        self._early.extend(f for f in frames if f.pts is not None and f.pts >= window.end)

    def _receive(self, frames: Iterable[VideoFrame], window: Window) -> None:
        """Keep what was wanted."""
        for frame in frames:
            if frame.pts in self._wanted:
                self._wanted.remove(frame.pts)
                if self._looks_at(window):
                    self._keep(frame, frame.pts, window)

    def _keep(self, frame: VideoFrame, ticks: int, window: Window) -> None:
        pts, keyframe = window.raw(ticks, self._epoch), ticks in self._keyframes
        window.add(
            ticks, self._images(frame), pts=pts, keyframe=keyframe, seen=not frame.is_corrupt
        )

    def _images(self, frame: VideoFrame) -> dict[FrameSpec, Rgb]:
        check_pixels(frame.width, frame.height, self._request.limits, self._media.name)
        turn = self._turn = self._compass.turn(frame)
        aspect = self._media.track.sample_aspect_ratio or self._media.codec.sample_aspect_ratio
        self._shape = displayed(frame, aspect, turn)
        return self._scaler.images(frame, self._shape, turn)

    def _info(self, window: Window, *, still: bool) -> MediaInfo:
        """``still``: one frame, which was decoded, is all that there is.

        In a segment that says nothing, a file is then a picture.
        """
        codec = self._media.codec
        return MediaInfo(
            container=self._media.kind.name.lower(),
            codec=_CODEC_NAMES.get(codec.name, codec.name),
            width=self._shape[0],
            height=self._shape[1],
            still=still and (self._request.second_look or self._media.kind is Container.GIF),
        )
