"""Feed a codec packet by packet and count its errors."""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from scanner.media.gops import VideoPacket
from scanner.media.limits import MediaLimits
from scanner.types import KEYFRAME_WEIGHT

__all__ = ["PacketDecoder"]

_SkipFrame: TypeAlias = Literal["DEFAULT", "BIDIR", "NONREF"]

_EXACT: dict[str, _SkipFrame] = {
    "h264": "NONREF",
    "hevc": "NONREF",
    "mpeg4": "BIDIR",
    "mpeg1video": "BIDIR",
    "mpeg2video": "BIDIR",
}
"""FFmpeg's ``skip_frame`` that leaves out the frames which no other references, by codec.

The other codecs have no such frames, or their decoders would leave out frames that we want.
"""
_SKIPPABLE: dict[str, dict[str, _SkipFrame]] = {
    "exact": _EXACT,
    "fast": {**_EXACT, "h264": "BIDIR"},
}
"""``skip_frame`` by ``Sampling.between`` and codec. HEVC's decoder returns nothing more once a
reference is missing, so there is no faster setting for it."""

log = logging.getLogger(__name__)


class PacketDecoder:
    """Decodes on one thread, can skip unreferenced frames, and counts broken packets."""

    def __init__(
        self, codec: VideoCodecContext, between: Literal["fast", "exact"], limits: MediaLimits
    ) -> None:
        codec.thread_count = 1  # frame threads that are dropped undrained deadlock
        codec.options = {"max_pixels": str(limits.max_pixels)}
        self._codec = codec
        self._skippable: _SkipFrame = _SKIPPABLE[between].get(codec.name, "DEFAULT")
        self._max_errors = limits.max_errors
        self._errors_in_a_row = 0
        self.errors = 0
        """Number of packets that failed so far."""
        self.frames = 0
        """Frames that came out so far; a keyframe counts as ``KEYFRAME_WEIGHT``."""

    @property
    def has_given_up(self) -> bool:
        """Whether too many packets in a row failed, so that the rest is not tried."""
        return self._errors_in_a_row >= self._max_errors

    def feed(self, packet: VideoPacket) -> list[VideoFrame]:
        """Return the frames that came out, in order of time; often those of earlier packets."""
        if self.has_given_up:
            return []
        return self._decode(packet)

    def drain(self) -> list[VideoFrame]:
        """Return the frames still inside; the next packet fed must be a keyframe's."""
        if not self._codec.is_open:
            return []
        frames = self._decode(None)
        self._codec.flush_buffers()
        return frames

    @property
    def is_skipping(self) -> bool:
        """Whether some frames are left out because no other wanted frame references them."""
        return self._codec.skip_frame != "DEFAULT"

    def skip_unreferenced(self) -> None:
        """From here on leave out the frames that no other references, if the codec has such."""
        self._codec.skip_frame = self._skippable

    def skip_nothing(self) -> None:
        """From here on leave out no frame."""
        self._codec.skip_frame = "DEFAULT"

    def _decode(self, packet: VideoPacket | None) -> list[VideoFrame]:
        try:
            frames = self._codec.decode(packet)
        except FFmpegError as error:
            self._errors_in_a_row += 1
            self.errors += 1
            log.debug(
                "packet not decodable",
                extra={"error": str(error), "in_a_row": self._errors_in_a_row},
            )
            return []
        self._errors_in_a_row = 0
        for frame in frames:
            self.frames += KEYFRAME_WEIGHT if frame.key_frame else 1
        return frames
