"""From a source to the windows of it that were looked at."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import BinaryIO

from av.error import FFmpegError

from scanner.errors import FormatError, LimitError, NoVideoError
from scanner.media.animation import decode_animation, is_animated
from scanner.media.gops import GopRule, VideoPacket, gather
from scanner.media.handover import unfollowed
from scanner.media.header import read_header
from scanner.media.limits import MediaLimits
from scanner.media.looking import Looker, Seen
from scanner.media.open import (
    WRAP_BITS,
    Media,
    check_duration,
    check_pixels,
    joined,
    kind_of,
    open_media,
    size_of,
)
from scanner.media.picture import decode_picture
from scanner.media.request import DecodeRequest
from scanner.media.samples import Decoded, Sample
from scanner.media.sniff import Container
from scanner.media.timeline import Timeline

__all__ = ["decode", "look"]

log = logging.getLogger(__name__)


def decode(
    source: BinaryIO, request: DecodeRequest, *, name: str, init: bytes | None = None
) -> Iterator[Decoded]:
    """The windows of ``look``, without their bursts."""
    for decoded, _ in look(source, request, name=name, init=init):
        yield decoded


def look(
    source: BinaryIO, request: DecodeRequest, *, name: str, init: bytes | None = None
) -> Iterator[Seen]:
    """The source's windows in order, from ``request.first_window`` on, each with what makes its
    bursts.

    ``source`` is a seekable binary file, read from its first byte; nothing else is ever opened.
    ``name`` is what messages call it; ``init`` goes before it. Memory is bounded by one window's
    samples and one GOP's packets; where bursts are wanted, by the packets of two windows, as many
    bytes each as a GOP may have.

    Raises:
        FormatError: not a container or codec that we open.
        DamagedError: it is one, but nothing of it can be read.
        NoVideoError: nothing to look at.
        LimitError: over one of ``request.limits``.
        MemoryError: the source asks for more than the process may have.
    """
    limits = request.limits
    size = size_of(source) + len(init or b"")
    if size > limits.max_bytes:
        raise LimitError(f"{name}: {size} bytes, limit is {limits.max_bytes}", kind="limit_bytes")
    whole = joined(source, init)
    kind = kind_of(whole, name)
    if kind.picture:
        yield from ((decoded, _no_bursts) for decoded in _pictures(whole, kind, request, name))
        return
    with open_media(whole, kind, limits, name) as media:
        yield from _windows(media, whole, request)


def _no_bursts() -> Iterator[Sample]:
    """Of pictures and animations."""
    return iter(())


def _pictures(
    source: BinaryIO, kind: Container, request: DecodeRequest, name: str
) -> Iterator[Decoded]:
    limits = request.limits
    data = source.read(limits.max_still_bytes + 1)
    if len(data) > limits.max_still_bytes:
        raise LimitError(
            f"{name}: more than {limits.max_still_bytes} bytes, the limit for a picture",
            kind="limit_bytes",
        )
    header = read_header(data, kind, name)
    check_pixels(header.width, header.height, limits, name)
    if header.moving:
        raise FormatError(
            f"{name}: an animated PNG, of which only the first picture could be read; GIF and WebP may move"
        )
    if kind is Container.WEBP and is_animated(data):
        return decode_animation(data, (header.width, header.height), request, name)
    return decode_picture(data, kind, header.turn, request, name)


def _windows(media: Media, source: BinaryIO, request: DecodeRequest) -> Iterator[Seen]:
    packets = _Packets(media, request.limits)
    looker = Looker(media, request)
    longest = request.window // media.time_base if request.window is not None else None
    timeline = Timeline(media.time_base, wrap_bits=media.wrap_bits, running=media.kind in WRAP_BITS)
    keep = request.sampling.strategy != "keyframes" or bool(request.burst_specs)
    rule = GopRule(keep=keep, longest=longest, max_bytes=request.limits.max_gop_bytes)
    index, frames, begun, end = 0, 0, None, 0
    for gop in gather(packets, timeline, rule):
        begun, end = gop.start if begun is None else begun, gop.end
        frames += len(gop.shown)
        check_duration((end - begun) * media.time_base, request.limits, media.name)
        window = looker.window
        if (
            window is not None
            and longest is not None
            and (gop.first.jump or end - window.start > longest)
        ):
            yield from looker.close(following=gop)
            index += 1
        looker.look(gop, index)
    if begun is None:
        raise NoVideoError(f"{media.name}: no frame in its video track, at least one is wanted")
    promised = media.track.duration if frames < media.track.frames else None
    missing = begun + promised - end if promised else 0
    if media.kind is Container.MPEGTS and (
        packets.others or len(media.container.streams.video) > 1
    ):
        missing = min(
            unfollowed(source, media.track.id), int(request.limits.max_duration / media.time_base)
        )
    yield from looker.close(following=None, missing=missing)


class _Packets:
    """Whatever can be demuxed of the track.

    What cannot is stepped over, a bounded number of times in a row.
    """

    def __init__(self, media: Media, limits: MediaLimits) -> None:
        self._media = media
        self._limits = limits
        self.others = False
        """Tracks were added on the way."""

    def __iter__(self) -> Iterator[VideoPacket]:
        failures = 0
        while failures < self._limits.max_errors:
            try:
                for packet in self._media.container.demux(self._media.track):
                    if packet.size:
                        failures = 0
                        yield packet
                return
            except IndexError:  # PyAV's last step, where tracks were added; all packets have come
                self.others = True
                return
            except FFmpegError as why:
                failures += 1
                log.debug(
                    "packet not readable", extra={"source": self._media.name, "why": str(why)}
                )
