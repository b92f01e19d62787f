"""Open a source: the allow-lists, the fast open, the first checks, and closing."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from typing import TYPE_CHECKING, BinaryIO

import av

# PyAV loads these at the first track of their kind; a sandboxed child can import nothing by then
import av.audio.codeccontext
import av.subtitles.codeccontext
import av.subtitles.stream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard, Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from scanner.errors import DamagedError, FormatError, LimitError, NoVideoError
from scanner.media.large import claim_memory
from scanner.media.limits import MAX_INIT_BYTES, MediaLimits
from scanner.media.sniff import HEAD_BYTES, Container, sniff
from scanner.types import NEVER_WRAPS

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = [
    "CODECS",
    "FORMATS",
    "WRAP_BITS",
    "OpenMedia",
    "check_duration",
    "check_pixels",
    "list_available_codecs",
    "measure_size",
    "open_media",
    "open_whole",
    "prepend_init",
    "read_init",
    "select_video_track",
    "sniff_source",
]

CODECS = frozenset(
    {
        "h264",
        "hevc",
        "vp8",
        "vp9",
        "av1",
        "libdav1d",
        "mpeg2video",
        "mpeg1video",
        "mpeg4",
        "mjpeg",
        "gif",
        "apng",
    }
)
"""Decoders that may run, of the several hundred that are compiled in."""

FORMATS = "mpegts,mov,mp4,matroska,webm,avi,flv,gif,apng"
"""Demuxers that may run, in the form of FFmpeg's ``format_whitelist``."""
WRAP_BITS: Mapping[str, int] = {Container.MPEGTS: 33, Container.FLV: 32}
"""Width of the counter, by demuxer, of containers whose clock runs on from before the source."""

_FAST_OPEN = {
    # probing would decode the first keyframe, which is decoded again later
    "codec_whitelist": "none",
    "format_whitelist": FORMATS,
    "protocol_whitelist": "none",
    "probesize": "32768",
    "analyzeduration": "0",
    "fpsprobesize": "0",
    "skip_estimate_duration_from_pts": "1",
    "correct_ts_overflow": "0",  # wraps are handled by Timeline
}
_THOROUGH_OPEN = _FAST_OPEN | {"probesize": "5000000", "analyzeduration": "5000000"}
_READ_BYTES = 1 << 18
"""Bytes read at a time; PyAV's own 32 KiB would call back into Python eight times as often."""


USUAL_PIXELS = 4096 * 2304
"""Pixels of a frame up to which the lower limit of memory suffices."""


def list_available_codecs() -> dict[str, bool]:
    """Return for each decoder that may run whether this FFmpeg has it."""
    return {name: name in av.codecs_available for name in sorted(CODECS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMedia:
    """An open source and the track that is decoded, valid within the ``with`` that opened it."""

    name: str
    kind: Container
    container: InputContainer
    track: VideoStream
    time_base: Fraction
    wrap_bits: int

    @property
    def codec(self) -> VideoCodecContext:
        """Codec context of the track."""
        return self.track.codec_context

    @property
    def has_timed_packets(self) -> bool:
        """Whether packets have the time at which their frame is shown.

        AVI numbers them as they are decoded, which is off by a few frames where H.264 or HEVC
        reorders.
        """
        return self.kind is not Container.AVI or self.codec.name not in {"h264", "hevc"}

    @property
    def has_other_tracks(self) -> bool:
        """Whether the container has more video tracks, of which nothing is decoded."""
        return len(list_video_tracks(self.container)) > 1

    @property
    def declared_duration(self) -> Fraction | None:
        """Duration in seconds that the container declares, or ``None``."""
        return self.track.duration * self.time_base if self.track.duration else None


def measure_size(source: BinaryIO) -> int:
    """Return the size in bytes and set the position to the first byte."""
    size = source.seek(0, SEEK_END)
    source.seek(0)
    return size


def prepend_init(source: BinaryIO, init: bytes | None) -> BinaryIO:
    """Return the source with its init segment before it, at the first byte; not a copy, because a
    segment may be long."""
    return source if init is None else BufferedReader(_Joined(init, source), _READ_BYTES)


def read_init(source: BinaryIO, name: str) -> bytes:
    """Return the bytes of an init segment.

    Raises:
        LimitError: it is too long.
    """
    size = measure_size(source)
    if size > MAX_INIT_BYTES:
        raise LimitError(
            f"{name}: an init segment of {size} bytes, limit is {MAX_INIT_BYTES}",
            kind="limit_bytes",
        )
    return source.read()


class _Joined(RawIOBase):
    """An init segment and its segment as one file, which can only be read."""

    def __init__(self, init: bytes, segment: BinaryIO) -> None:
        self._init = init
        self._segment = segment
        self._size = len(init) + measure_size(segment)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        base = {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"position {base + offset} is before the first byte")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        wanted = memoryview(buffer).cast("B")
        part = self._init[self._at : self._at + len(wanted)]
        if not part:
            self._segment.seek(self._at - len(self._init))
            part = self._segment.read(len(wanted))
        wanted[: len(part)] = part
        self._at += len(part)
        return len(part)


def sniff_source(source: BinaryIO, name: str) -> Container:
    """Identify the source's container and set the position to the first byte.

    Raises:
        FormatError, NoVideoError: it is not a container that we open.
    """
    source.seek(0)
    head = source.read(HEAD_BYTES)
    source.seek(0)
    try:
        return sniff(head)
    except (FormatError, NoVideoError) as error:
        raise type(error)(f"{name}: {error}") from error


@contextmanager
def open_media(
    source: BinaryIO, kind: Container, limits: MediaLimits, name: str
) -> Iterator[OpenMedia]:
    """Open the source's video track, checked and ready to be demuxed.

    Raises:
        DamagedError: the container cannot be read.
        NoVideoError: it has no video track.
        FormatError: its video codec is not one that we decode.
        LimitError: too many tracks or pixels, too long, or too slow to open.
    """
    with _open_container(source, kind, limits, name, _FAST_OPEN) as container:
        if container.streams.video or kind is not Container.MPEGTS:
            yield _check(container, kind, limits, name)
            return
    source.seek(0)
    with _open_container(
        source, kind, limits, name, _THOROUGH_OPEN
    ) as container:  # its tables come late
        yield _check(container, kind, limits, name)


def open_whole(
    source: BinaryIO, kind: Container, limits: MediaLimits, name: str
) -> AbstractContextManager[InputContainer]:
    """Open all tracks of a source that ``open_media`` opened before.

    Raises:
        DamagedError, LimitError: as ``open_media``.
    """
    return _open_container(source, kind, limits, name, _THOROUGH_OPEN)


@contextmanager
def _open_container(
    source: BinaryIO, kind: Container, limits: MediaLimits, name: str, options: dict[str, str]
) -> Iterator[InputContainer]:
    begun = time.monotonic()
    try:
        container = av.open(
            source,
            "r",
            format=kind.value,
            options=options,
            metadata_errors="replace",
            buffer_size=_READ_BYTES,
        )
    except MemoryError as error:  # FFmpeg's own is an FFmpegError too
        raise LimitError(
            f"{name}: asks for more memory than there is", kind="limit_memory"
        ) from error
    except FFmpegError as error:
        reason = f"cannot be opened as {kind.name} ({error.strerror})"
        if kind is Container.MP4 and _is_lone_fragment(source):
            reason = "a fragment of an MP4 without its init segment, which is wanted too"
        raise DamagedError(f"{name}: {reason}") from error
    with container:
        if (took := time.monotonic() - begun) > limits.probe_seconds:
            raise LimitError(
                f"{name}: took {took:.1f} s to open, limit is {limits.probe_seconds} s",
                kind="limit_probe_time",
            )
        yield container


def _is_lone_fragment(source: BinaryIO) -> bool:
    source.seek(0)
    head = source.read(HEAD_BYTES)
    return b"moof" in head and b"moov" not in head


def _check(container: InputContainer, kind: Container, limits: MediaLimits, name: str) -> OpenMedia:
    if (tracks := len(container.streams)) > limits.max_tracks:
        raise LimitError(
            f"{name}: {tracks} tracks, limit is {limits.max_tracks}", kind="limit_tracks"
        )
    track = select_video_track(container, name)
    for stream in container.streams:
        stream.discard = Discard.default if stream is track else Discard.all
    assert track.time_base is not None  # every demuxer sets it
    bits = WRAP_BITS.get(kind, NEVER_WRAPS)
    media = OpenMedia(
        name=name,
        kind=kind,
        container=container,
        track=track,
        time_base=track.time_base,
        wrap_bits=bits,
    )
    check_pixels(media.codec.width, media.codec.height, limits, name)
    check_duration(media.declared_duration or Fraction(0), limits, name)
    return media


def select_video_track(container: InputContainer, name: str) -> VideoStream:
    """Return the track that players show: of the default ones that can be decoded, or of all where
    there are none, the largest, and of several such the first. Cover pictures do not count.

    Raises:
        NoVideoError: there is none.
        FormatError: its codec is not one that we decode, or the file is a picture of the HEIF
            family.
    """
    shown = [t for t in container.streams.video if not t.disposition & Disposition.attached_pic]
    tracks = list_video_tracks(container)
    if shown and not tracks:
        raise FormatError(
            f"{name}: a HEIF or AVIF picture; of pictures JPEG, PNG, WebP and GIF are read"
        )
    if not tracks:
        found = ", ".join(sorted({s.type for s in container.streams})) or "no track at all"
        raise NoVideoError(f"{name}: {found}, a video track is wanted")
    able = [track for track in tracks if _codec_name(track) in CODECS] or tracks
    default = [track for track in able if track.disposition & Disposition.default] or able
    track = max(default, key=_count_pixels)
    codec = _codec_name(track)
    if codec not in CODECS:
        raise FormatError(
            f"{name}: video codec {codec}, one of {', '.join(sorted(CODECS))} is wanted"
        )
    return track


def _codec_name(track: VideoStream) -> str:
    return track.codec_context.name if track.codec_context is not None else "unknown"


def _count_pixels(track: VideoStream) -> int:
    return track.width * track.height if track.codec_context is not None else 0


def list_video_tracks(container: InputContainer) -> list[VideoStream]:
    """Return the video tracks without cover pictures and pictures of the HEIF family."""
    return [
        track
        for track in container.streams.video
        if not track.disposition & Disposition.attached_pic and not _is_heif_item(track)
    ]


def _is_heif_item(track: VideoStream) -> bool:
    """Return whether the track is a picture that HEIF stores beside the tracks.

    FFmpeg presents it as a track without a clock; a large picture is many such tiles.
    """
    return track.frames == 1 and track.duration is None and track.time_base == 1


def check_pixels(width: int, height: int, limits: MediaLimits, name: str) -> None:
    """Refuse a frame that is too large, and let the process take more memory for a large one.

    Raises:
        LimitError: ``limit_pixels``.
    """
    if width * height > limits.max_pixels:
        raise LimitError(
            f"{name}: {width}x{height} is {width * height} pixels, limit is {limits.max_pixels}",
            kind="limit_pixels",
        )
    if width * height > USUAL_PIXELS:
        raise_memory_limit()
    claim_memory(width * height)


def raise_memory_limit() -> None:
    """Raise the limit of this process's address space to the highest that it may have: the sandbox
    gives less to sources of usual size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def check_duration(seconds: Fraction, limits: MediaLimits, name: str) -> None:
    """Refuse a source that is too long.

    Raises:
        LimitError: ``limit_duration``.
    """
    if seconds > limits.max_duration:
        raise LimitError(
            f"{name}: {float(seconds):.1f} s long, limit is {float(limits.max_duration):.1f} s",
            kind="limit_duration",
        )
