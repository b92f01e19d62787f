"""The codec, fed packet by packet, with its errors counted."""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from scanner.media.gops import VideoPacket
from scanner.media.limits import MediaLimits

__all__ = ["Decoder"]

_Sparing: TypeAlias = Literal["DEFAULT", "BIDIR", "NONREF"]

_EXACT: dict[str, _Sparing] = {
    "h264": "NONREF",
    "hevc": "NONREF",
    "mpeg4": "BIDIR",
    "mpeg1video": "BIDIR",
    "mpeg2video": "BIDIR",
}
"""Frames that no other leans on, by codec.

The other codecs have none, or their decoders would leave out what we want to see.
"""
_SPARED: dict[str, dict[str, _Sparing]] = {"exact": _EXACT, "fast": {**_EXACT, "h264": "BIDIR"}}
"""HEVC's decoder shows nothing more once a reference is missing, so there is no faster way."""

log = logging.getLogger(__name__)


class Decoder:
    """One thread, no frames that nobody needs, nothing raised for a broken packet."""

    def __init__(
        self, codec: VideoCodecContext, between: Literal["fast", "exact"], limits: MediaLimits
    ) -> None:
        codec.thread_count = 1  # frame threads that are dropped undrained deadlock
        codec.options = {"max_pixels": str(limits.max_pixels)}
        self._codec = codec
        self._spared: _Sparing = _SPARED[between].get(codec.name, "DEFAULT")
        self._patience = limits.max_errors
        self._failures = 0
        self.errors = 0
        """Packets that failed so far."""

    @property
    def given_up(self) -> bool:
        """So many packets in a row failed that the rest is not tried."""
        return self._failures >= self._patience

    def feed(self, packet: VideoPacket) -> list[VideoFrame]:
        """The frames that came out, in order of time; often those of earlier packets."""
        if self.given_up:
            return []
        return self._decode(packet)

    def drain(self) -> list[VideoFrame]:
        """The frames still inside; the next packet fed must be a keyframe's."""
        if not self._codec.is_open:
            return []
        frames = self._decode(None)
        self._codec.flush_buffers()
        return frames

    @property
    def spares(self) -> bool:
        """Some frames are left out, as no other that we want depends on them."""
        return self._codec.skip_frame != "DEFAULT"

    def spare_most(self) -> None:
        """From here on leave out the frames that others do not need, where the codec has such."""
        self._codec.skip_frame = self._spared

    def spare_nothing(self) -> None:
        """From here on leave out no frame."""
        self._codec.skip_frame = "DEFAULT"

    def _decode(self, packet: VideoPacket | None) -> list[VideoFrame]:
        try:
            frames = self._codec.decode(packet)
        except FFmpegError as why:
            self._failures += 1
            self.errors += 1
            log.debug("packet not decodable", extra={"why": str(why), "failures": self._failures})
            return []
        self._failures = 0
        return frames
