"""Decode a source window by window."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
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
from scanner.media.picture_parts import PicturePart, split_pictures
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.media.sniff import Container, find_jpeg
from scanner.media.timeline import Timeline
from scanner.media.transport_stream import measure_later_tracks
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
    usable = () if request.sampling.strategy == "keyframes" else previous
    yield from _decode_video(whole, kind, request, LeadReader(usable, init, limits), name=name)


def _decode_video(
    source: BinaryIO, kind: Container, request: DecodeRequest, reader: LeadReader, *, name: str
) -> Iterator[WindowWithBursts]:
    """Yield the windows of a source; one that must be one window has those of its first part."""
    is_stream = kind is Container.MPEGTS
    parts = split_pictures(source) if is_stream else (PicturePart(source=source),)
    if len(parts) > 1 and request.window is not None:
        yield from _decode_parts(parts, request, reader, name=name)
        return
    with open_media(parts[0].source, kind, request.limits, name) as media:
        missing = sum(part.ticks for part in parts[1:])
        yield from _decode_track(media, parts[0].source, request, reader, missing=missing)


def _decode_parts(
    parts: Sequence[PicturePart], request: DecodeRequest, reader: LeadReader, *, name: str
) -> Iterator[WindowWithBursts]:
    """Yield the windows of all parts of a transport stream, as those of one source."""
    index, begins, jumps = 0, Fraction(0), 0
    for part in parts:
        is_last = part is parts[-1]
        wanted = replace(
            request,
            first_window=max(request.first_window - index, 0),
            second_sample=False,
            declared=None,
        )
        with open_media(part.source, Container.MPEGTS, request.limits, name) as media:
            windows = _decode_track(media, part.source, wanted, reader)
            count = yield from _place_windows(
                windows, index=index, begins=begins, jump=part.jumps > jumps, is_last=is_last
            )
            begins += part.ticks * media.time_base
        index, jumps, reader = index + count, part.jumps, LeadReader((), None, request.limits)


def _place_windows(
    windows: Generator[WindowWithBursts, None, int],
    *,
    index: int,
    begins: Fraction,
    jump: bool,
    is_last: bool,
) -> Generator[WindowWithBursts, None, int]:
    """Yield the windows of a part as those of the whole source, and return their number."""
    while True:
        try:
            window, bursts = next(windows)
        except StopIteration as end:
            return int(end.value)
        placed = replace(
            window,
            index=window.index + index,
            begins=window.begins + begins,
            discontinuity=window.discontinuity or (jump and window.index == 0),
            last=window.last and is_last,
        )
        yield placed, bursts


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
    media: OpenMedia,
    source: BinaryIO,
    request: DecodeRequest,
    reader: LeadReader,
    *,
    missing: int = 0,
) -> Generator[WindowWithBursts, None, int]:
    """Yield the windows of a track and return their number, of those too that are not requested;
    the last one is ``missing`` ticks longer than its pictures, at least."""
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
    absent = _count_absent(media, frames, begin=begin, end=end)
    if packets.may_have_later_tracks:
        later = max(missing, absent, measure_later_tracks(source, media.track.id))
        absent = min(later, int(request.limits.max_duration / media.time_base))
    missing = max(missing, absent)
    finished = sampler.close(following=None, missing=missing)
    if finished is not None:
        yield finished
    return index + 1


def _count_absent(media: OpenMedia, frames: int, *, begin: int, end: int) -> int:
    """Return the ticks after the last frame that the container promises, where it promises more
    frames too."""
    promised = media.track.duration if frames < media.track.frames else None
    absent = begin + promised - end if promised else 0
    # less than a frame is where an edit list cuts one
    return absent if absent * frames >= end - begin else 0


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
