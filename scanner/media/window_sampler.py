"""Pick frames of each GOP, have them decoded and converted, and collect them in windows.

``WindowSampler`` has at most one open window:

    state        call                                       action
    ---------    ---------------------------------------    --------------------------------------
    no window    add(gop, index)                            open window ``index``, then as below
    open         add(gop)                                   pick frames, decode, add the samples
    open         close(following): inside a cut GOP         push the last picks out with the packets
                                                            of ``following``; return the window
    open         close(following): at another border        drain if picks are missing; return it
    open         close(None): the source ends               the same; add a second sample if there
                                                            is only one and two are wanted

Windows before ``request.first_window`` are decoded only where a cut GOP continues into the next
one, and they are not returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

from av.video.frame import VideoFrame

from scanner.media.bursts import BurstDecoder
from scanner.media.gop_decoder import GopDecoder, WantedFrame
from scanner.media.gops import Gop
from scanner.media.open import OpenMedia, check_pixels
from scanner.media.orientation import UPRIGHT, OrientationReader, Turn
from scanner.media.packet_buffer import PacketBuffer
from scanner.media.request import BurstRequest, DecodeRequest
from scanner.media.samples import DecodedWindow, Rgb, Sample
from scanner.media.sampling import Picker
from scanner.media.scale import Scaler, displayed_size
from scanner.media.sniff import Container
from scanner.media.timeline import PacketTime
from scanner.media.window import Window
from scanner.types import FrameSpec, MediaInfo

__all__ = ["NO_BURSTS", "BurstMaker", "WindowSampler", "WindowWithBursts"]

_USUAL_PIXELS = 1920 * 1080
"""Pixels of a frame as long as the decoder does not know how many there are."""
_ANIMATIONS = (Container.GIF, Container.APNG)
_CODEC_NAMES = {"libdav1d": "av1"}


class BurstMaker(Protocol):
    """Makes the bursts of one window."""

    @property
    def frames(self) -> int:
        """Frames that were decoded so far, weighted as in ``DecodedBursts``."""

    def make_bursts(self, request: BurstRequest) -> Iterator[Sample]:
        """Yield the bursts that can be made and that the request allows, in order of time.

        Call it before the window after the next one is begun: until then the packets are kept.
        """


class _NoBursts:
    """The bursts of a window that has none: a picture, or an animation."""

    frames = 0

    def make_bursts(self, request: BurstRequest) -> Iterator[Sample]:
        return iter(())


NO_BURSTS = _NoBursts()
WindowWithBursts = tuple[DecodedWindow, BurstMaker]


class FrameConverter:
    """Converts decoded frames of one track to the arrays that were asked for."""

    def __init__(self, media: OpenMedia, request: DecodeRequest) -> None:
        self._media = media
        self._limits = request.limits
        self._orientation = OrientationReader(media.kind)
        self._scaler = Scaler(request.frame_specs)
        self.turn: Turn = UPRIGHT
        """Orientation of the newest frame."""
        self.size = (media.codec.width, media.codec.height)
        """Displayed width and height of the newest frame."""

    def convert(self, frame: VideoFrame) -> dict[FrameSpec, Rgb]:
        """Return the frame's array for each spec of one frame.

        Raises:
            LimitError: ``limit_pixels``.
        """
        check_pixels(frame.width, frame.height, self._limits, self._media.name)
        self.turn = self._orientation.read(frame)
        self.size = displayed_size(frame, self._aspect, self.turn)
        return self._scaler.images(frame, self.size, self.turn)

    @property
    def _aspect(self) -> Fraction | None:
        """Sample aspect ratio; the decoder may learn it with its first frame."""
        return self._media.track.sample_aspect_ratio or self._media.codec.sample_aspect_ratio


class WindowSampler:
    """Samples one track, window by window (see the module's table)."""

    def __init__(self, media: OpenMedia, request: DecodeRequest) -> None:
        self._media = media
        self._request = request
        self._picker = Picker(request.sampling, media.time_base)
        self._decoder = GopDecoder(media, request)
        self._converter = FrameConverter(media, request)
        self._window: Window | None = None
        self._zero = 0
        """Tick at which the first window starts."""
        self._buffer: PacketBuffer | None = None
        """Packets of the window that is open or was open last; None if no bursts are wanted."""
        self._keyframes: set[int] = set()
        """Starts of the keyframes in the open window."""
        self._epoch: PacketTime | None = None
        """First frame of the newest GOP, from which time stamps are computed."""
        self._second_sample_gop: Gop | None = None
        """GOP of the second sample, as long as the source has only one sample."""

    @property
    def window(self) -> Window | None:
        """The window that is being sampled."""
        return self._window

    def add(self, gop: Gop, index: int) -> None:
        """Add one GOP to the open window; if there is none, window ``index`` begins with it."""
        window = self._window or self._open(gop, index)
        self._second_sample_gop = gop if self._may_need_second_sample(gop, window) else None
        window.extend(gop)
        if self._buffer is not None:
            self._buffer.add(gop)
        self._epoch = gop.first
        carries_over = self._decoder.carries_over(gop.continued)
        picks = self._pick(gop, window) if carries_over or self._is_requested(window) else ()
        if picks or carries_over:
            self._collect(self._decoder.decode(gop, picks), window)

    def close(self, *, following: Gop | None, missing: int = 0) -> WindowWithBursts | None:
        """Close the open window and return it, or None if it was not requested.

        ``following`` is the GOP after the window, or None at the end of the source. ``missing``
        ticks at the end are promised by the container and cannot be read.
        """
        window, self._window = self._window, None
        if window is None or not self._is_requested(window):
            return None
        if following is not None and self._decoder.carries_over(following.continues):
            self._collect(self._decoder.push_out(following, window.end), window)
        elif self._decoder.has_wanted:
            # the last piece of a cut GOP had no picks, so that picks of the piece before stayed in
            self._collect(self._decoder.drain(), window)
        if following is None and self._request.second_sample:
            self._add_second_sample(window)
        window.add_missing(self._decoder.give_up_wanted())
        if missing > 0:
            window.add_missing_end(missing)
        alone = window.index == 0 and following is None and missing <= 0
        info = self._info(single=alone and window.frames == len(window.samples) == 1)
        return window.finish(info, last=following is None), self._burst_maker(window, info)

    def _open(self, gop: Gop, index: int) -> Window:
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
            other_tracks=self._media.has_other_tracks,
        )
        if self._request.burst_specs:
            self._buffer = self._next_buffer(gop)
        self._picker.restart()
        self._decoder.give_up_wanted()
        self._keyframes.clear()
        return self._window

    def _next_buffer(self, gop: Gop) -> PacketBuffer:
        before, codec = self._buffer, self._media.codec
        pixels = codec.width * codec.height or _USUAL_PIXELS
        if before is None:
            return PacketBuffer(
                name=self._media.name, max_bytes=self._request.limits.max_gop_bytes, pixels=pixels
            )
        before.pixels = pixels
        return before.next_buffer(gop)

    def _burst_maker(self, window: Window, info: MediaInfo) -> BurstMaker:
        """Return the maker of the window's bursts; it keeps the packets and not the samples."""
        buffer = self._buffer
        if buffer is None or info.still or self._media.kind in _ANIMATIONS:
            return NO_BURSTS
        window = replace(window, samples=[], damaged=[], marks=[])
        return BurstDecoder(self._media, self._request, window, buffer, self._converter.turn)

    def _is_requested(self, window: Window) -> bool:
        return window.index >= self._request.first_window

    def _pick(self, gop: Gop, window: Window) -> tuple[int, ...]:
        if not gop.is_decodable or not gop.anchors:
            return ()
        if gop.shows_keyframe:
            self._keyframes.add(gop.first.ticks)
        anchors, frames = gop.anchors, sorted(gop.shown)
        if gop.recovery:
            anchors, frames = self._skip_incomplete(gop, frames, window)
            if not anchors:
                return ()
        picks = self._picker.pick(
            anchors, frames, gop.end, keyed=gop.shows_keyframe, changed=gop.changed
        )
        self._decoder.want(picks)
        return picks

    def _skip_incomplete(
        self, gop: Gop, frames: list[int], window: Window
    ) -> tuple[list[int], list[int]]:
        """Return the anchors and frames of a GOP from the one on at which the picture is complete,
        and record the others as missing."""
        anchors = gop.anchors[gop.recovery :]
        window.add_missing((gop.start,))
        return anchors, [ticks for ticks in frames if anchors and ticks >= anchors[0]]

    def _collect(self, frames: Iterator[WantedFrame], window: Window) -> None:
        """Make a sample of each frame, unless the window is decoded only for the next one.

        A frame that the decoder marks as corrupt or has concealed shows what it made up.
        """
        for ticks, frame in frames:
            if not self._is_requested(window):
                continue
            window.add_sample(
                ticks,
                self._converter.convert(frame),
                pts=window.to_pts(ticks, self._epoch),
                keyframe=ticks in self._keyframes,
                is_damaged=frame.is_corrupt,
            )

    def _may_need_second_sample(self, gop: Gop, window: Window) -> bool:
        """Return whether the GOP may be the last one of a short source and can be decoded up to its
        last frame."""
        wanted = self._request.second_sample and self._request.sampling.strategy != "keyframes"
        return (
            wanted
            and window.index == 0
            and len(window.samples) < 2
            and gop.keyed
            and bool(gop.anchors)
        )

    def _add_second_sample(self, window: Window) -> None:
        """Add a sample of the last frame of a source that has a single sample."""
        gop = self._second_sample_gop
        if (
            gop is None
            or len(window.samples) != 1
            or self._decoder.carries_over(gop.continued)
            or window.to_seconds(gop.anchors[-1]) == window.samples[0].at
        ):
            return
        self._collect(self._decoder.decode_again(gop, gop.anchors[-1]), window)

    def _info(self, *, single: bool) -> MediaInfo:
        """Describe the source; a file whose ``single`` frame was decoded is a still picture.

        A segment of one frame is not, as it does not ask for a second sample.
        """
        codec = self._media.codec
        return MediaInfo(
            container=self._media.kind.name.lower(),
            codec=_CODEC_NAMES.get(codec.name, codec.name),
            width=self._converter.size[0],
            height=self._converter.size[1],
            still=single and (self._request.second_sample or self._media.kind in _ANIMATIONS),
        )
