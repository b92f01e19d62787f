"""A live input over RTMP or RTSP, cut at keyframes into MPEG-TS segments.

The connection is made first. What arrives is read and cut afterwards, when the process has given up
its rights: ``restrict`` is called in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from scanner.errors import DamagedError, FormatError, NoVideoError, TransientError
from scanner.media.gops import VideoPacket
from scanner.media.segmenting import (
    CARRIED,
    carry_configurations,
    group_packets,
    mux_group,
)

__all__ = ["cut_live"]

OPEN_SECONDS: Final = 15.0
SILENT_SECONDS: Final = 20.0
"""Longest wait for the next packet."""
OPTIONS: Final = {
    "protocol_whitelist": "rtmp,rtmps,rtsp,rtp,tcp,tls,crypto",
    "format_whitelist": "flv,live_flv,rtsp",
    "rtsp_transport": "tcp",
}


def cut_live(
    url: str, seconds: Fraction, *, shown: str, restrict: Callable[[], None]
) -> Iterator[tuple[bytes, Fraction]]:
    """Yield segments of at least ``seconds`` with their durations, until the server ends.

    ``shown`` is the URL without its password.

    Raises:
        TransientError: the server cannot be reached, or is silent for ``SILENT_SECONDS``.
        NoVideoError: there is no video.
        FormatError: MPEG-TS does not carry its codec.
        DamagedError: it cannot be cut.
    """
    try:
        container = av.open(url, options=OPTIONS, timeout=(OPEN_SECONDS, SILENT_SECONDS))
    except (OSError, av.error.FFmpegError) as error:
        raise TransientError(f"{shown}: cannot be opened: {error.strerror}") from error
    with container:
        if not container.streams.video:
            raise NoVideoError(f"{shown}: no video")
        track = container.streams.video[0]
        if track.codec_context.name not in CARRIED:
            raise FormatError(f"{shown}: MPEG-TS does not carry {track.codec_context.name}")
        restrict()
        try:
            packets = carry_configurations(track, _demux(container, track))
            for group, duration in group_packets(packets, seconds):
                yield mux_group(track, group), duration
        except av.error.ExitError as error:  # PyAV's own timeout
            raise TransientError(f"{shown}: nothing came for {SILENT_SECONDS:g} s") from error
        except (OSError, av.error.FFmpegError) as error:
            raise DamagedError(f"{shown}: cannot be read: {error.strerror}") from error


def _demux(container: InputContainer, track: VideoStream) -> Iterator[VideoPacket]:
    try:
        yield from container.demux(track)
    except IndexError:  # PyAV's last step, where tracks were added; all packets have come
        return
