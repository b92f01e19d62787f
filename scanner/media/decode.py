"""Decode a source window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import chain, islice
from typing import BinaryIO

from scanner.errors import LimitError, NoVideoError
from scanner.media.animation import decode_animation, is_animated
from scanner.media.gops import Gop, GopRule, assemble_gops
from scanner.media.header import PictureHeader, read_header, strip_png
from scanner.media.lead import LeadReader
from scanner.media.limits import MediaLimits
from scanner.media.open import (
    WRAP_BITS,
    OpenMedia,
    check_duration,
    check_pixels,
    measure_size,
    open_media,
    prepend_init,
    sniff_source,
)
from scanner.media.packet_facts import PacketInspector
from scanner.media.packet_reader import PacketReader
from scanner.media.pauses import PauseEvidence
from scanner.media.picture import decode_picture
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.media.sniff import Container, find_jpeg
from scanner.media.timeline import Timeline
from scanner.media.transport_stream import follow_pictures, measure_later_tracks
from scanner.media.window_sampler import NO_BURSTS, WindowSampler, WindowWithBursts

__all__ = ["decode_windows", "decode_windows_with_bursts"]


def decode_windows(
    source: BinaryIO, request: DecodeRequest, *, name: str, init: bytes | None = None
) -> Iterator[DecodedWindow]:
    """Yield the windows of ``decode_windows_with_bursts`` without their bursts."""
    for window, _ in decode_windows_with_bursts(source, request, name=name, init=init):
        yield window


def decode_windows_with_bursts(
    source: BinaryIO,
    request: DecodeRequest,
    *,
    name: str,
    init: bytes | None = None,
    previous: Sequence[BinaryIO] = (),
) -> Iterator[WindowWithBursts]:
    """Yield the source's windows from ``request.first_window`` on, each with its maker of bursts.

    ``source`` is a seekable binary file, read from its first byte; nothing else is ever opened.
    ``name`` is what messages call it; ``init`` is the init segment that goes before it.
    ``previous`` are the segments just before it, with the same init segment, which are read if the
    source does not begin with a keyframe. Memory is bounded by one window's samples and one GOP's
    packets; where bursts are wanted, by the packets of two windows, each with as many bytes as a
    GOP may have.

    Raises:
        FormatError: the container or codec is not one that we open.
        DamagedError: it is one, but nothing of it can be read.
        NoVideoError: there is no picture in it.
        LimitError: it is over one of ``request.limits``.
        MemoryError: the source asks for more than the process may have.
    """
    limits = request.limits
    size = _check_size(source, init, limits, name)
    whole = prepend_init(source, init)
    kind = sniff_source(whole, name)
    if kind.is_picture:
        data, header = _read_picture(whole, size, kind, limits, name)
        if not header.animated:
            windows = _decode_picture(data, kind, header, request, name)
            yield from ((window, NO_BURSTS) for window in windows)
            return
        whole, kind = BytesIO(data), Container.APNG
    if kind is Container.MPEGTS:
        whole = follow_pictures(whole)
    with open_media(whole, kind, limits, name) as media:
        usable = () if request.sampling.strategy == "keyframes" else previous
        yield from _decode_track(media, whole, request, LeadReader(usable, init, limits))


def _check_size(source: BinaryIO, init: bytes | None, limits: MediaLimits, name: str) -> int:
    """Return the bytes of a source with its init segment."""
    size = measure_size(source) + len(init or b"")
    if size > limits.max_bytes:
        raise LimitError(f"{name}: {size} bytes, limit is {limits.max_bytes}", kind="limit_bytes")
    return size


def _read_picture(
    source: BinaryIO, size: int, kind: Container, limits: MediaLimits, name: str
) -> tuple[bytes, PictureHeader]:
    """Return the bytes of a picture, from its first own byte on and without text, and its header,
    which was checked against the limits."""
    if size > limits.max_still_bytes:
        raise LimitError(
            f"{name}: more than {limits.max_still_bytes} bytes, the limit for a picture",
            kind="limit_bytes",
        )
    data = source.read()
    if kind is Container.JPEG:
        data = data[find_jpeg(data) or 0 :]
    header = read_header(data, kind, name)
    check_pixels(header.width, header.height, limits, name)
    return strip_png(data) if kind is Container.PNG else data, header


def _decode_picture(
    data: bytes, kind: Container, header: PictureHeader, request: DecodeRequest, name: str
) -> Iterator[DecodedWindow]:
    if kind is Container.WEBP and is_animated(data):
        return decode_animation(data, (header.width, header.height), request, name)
    return decode_picture(data, kind, header.turn, request, name)


def _decode_track(
    media: OpenMedia, source: BinaryIO, request: DecodeRequest, reader: LeadReader
) -> Iterator[WindowWithBursts]:
    packets = PacketReader(media, request.limits)
    sampler = WindowSampler(media, request)
    longest = request.window // media.time_base if request.window is not None else None
    index, frames, begin, end = 0, 0, None, 0
    for gop in _read_gops(packets, media, source, request, reader):
        begin, end = gop.start if begin is None else begin, gop.end
        frames += len(gop.shown) + gop.hidden
        check_duration((end - begin) * media.time_base, request.limits, media.name)
        window = sampler.window
        if (
            window is not None
            and longest is not None
            and (gop.first.jump or end - window.start > longest)
        ):
            finished = sampler.close(following=gop)
            if finished is not None:
                yield finished
            index += 1
        sampler.add(gop, index)
    if begin is None:
        raise NoVideoError(f"{media.name}: no frame in its video track, at least one is wanted")
    promised = media.track.duration if frames < media.track.frames else None
    missing = begin + promised - end if promised else 0
    if missing * frames < end - begin:  # less than a frame, as where an edit list cuts one
        missing = 0
    if packets.may_have_later_tracks:
        longest_missing = int(request.limits.max_duration / media.time_base)
        missing = min(measure_later_tracks(source, media.track.id), longest_missing)
    finished = sampler.close(following=None, missing=missing)
    if finished is not None:
        yield finished


def _read_gops(
    packets: PacketReader,
    media: OpenMedia,
    source: BinaryIO,
    request: DecodeRequest,
    reader: LeadReader,
) -> Iterator[Gop]:
    inspector = PacketInspector(media.codec, is_configured_in_band=media.kind is Container.MPEGTS)
    longest = request.window // media.time_base if request.window is not None else None
    stream, rule = iter(packets), _gop_rule(request, longest)
    first = [*islice(stream, 1)]
    lead = [] if not first or first[0].is_keyframe else reader.read(media, inspector)
    pauses = PauseEvidence(
        source, media.track, request.limits, name=media.name, declared=request.declared
    )
    timeline = _timeline(media, pauses)
    return assemble_gops(chain(first, stream), timeline, rule, inspector.inspect, lead)


def _timeline(media: OpenMedia, pauses: PauseEvidence) -> Timeline:
    return Timeline(
        media.time_base,
        wrap_bits=media.wrap_bits,
        running=media.kind in WRAP_BITS,
        is_pause=pauses.is_pause,
    )


def _gop_rule(request: DecodeRequest, longest: int | None) -> GopRule:
    keep = request.sampling.strategy != "keyframes" or bool(request.burst_specs)
    return GopRule(keep=keep, longest=longest, max_bytes=request.limits.max_gop_bytes)
