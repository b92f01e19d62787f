"""Identify a container by its first bytes, so that FFmpeg is told the demuxer and never guesses.

FFmpeg's own prober would accept a text as a playlist or a concat script and open what it names.
"""

from __future__ import annotations

import re
from enum import StrEnum

from scanner.errors import FormatError, NoVideoError

__all__ = ["HEAD_BYTES", "Container", "find_jpeg", "find_transport_packets", "sniff"]

HEAD_BYTES = 16384
"""Bytes that ``sniff`` needs: forty transport packets, and the noise that may come before them."""
_MAX_NOISE = 8192
"""Bytes of noise before the first transport packet that are skipped."""
_MAX_JUNK = 4096
"""Bytes of junk before a JPEG that are skipped."""

_PACKET_SIZES = (188, 192, 204)
"""Bytes of a transport packet: plain, with a time code before it (Blu-ray), with error correction
after it (DVB)."""
_SYNC = 0x47
"""First byte of each transport packet."""
_MIN_SYNCS = 3
_MAX_SYNCS = 8
"""Sync bytes in a row that are checked; this many are no coincidence."""
_MP4_BOXES = frozenset(
    {
        b"ftyp",
        b"styp",
        b"moov",
        b"moof",
        b"mdat",
        b"sidx",
        b"free",
        b"skip",
        b"wide",
        b"emsg",
        b"prft",
        b"pnot",
    }
)


class Container(StrEnum):
    """A kind of file that we open; the value is the name of its demuxer or, for a still picture, of
    its decoder."""

    MPEGTS = "mpegts"
    MP4 = "mp4"
    MATROSKA = "matroska"
    AVI = "avi"
    FLV = "flv"
    GIF = "gif"
    JPEG = "mjpeg"
    PNG = "png"
    APNG = "apng"
    WEBP = "webp"

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture or animation without tracks, which FFmpeg does not demux."""
        return self in (Container.JPEG, Container.PNG, Container.WEBP)


def sniff(head: bytes) -> Container:
    """Return the container that begins with ``head``, its first ``HEAD_BYTES`` or all there is.

    Raises:
        NoVideoError: there are no bytes.
        FormatError: it is not a container that we open.

    >>> sniff(b"GIF89a")
    <Container.GIF: 'gif'>
    """
    if not head:
        raise NoVideoError("0 bytes, a media file is wanted")
    if head[4:8] in _MP4_BOXES:
        return Container.MP4
    if head[:4] == b"RIFF":
        return _sniff_riff(head)
    for magic, container in _MAGIC:
        if head.startswith(magic):
            return container
    if find_transport_packets(head) is not None:
        return Container.MPEGTS
    if not head.startswith(_NOT_JUNK) and find_jpeg(head) is not None:
        return Container.JPEG
    if head.startswith(b"#EXTM3U"):
        raise FormatError("begins with #EXTM3U, a playlist; a media file that it names is wanted")
    raise FormatError(
        f"begins with {_describe(head[:12])}, a media file is wanted "
        "(MPEG-TS, MP4, MKV, WebM, AVI, FLV, GIF, JPEG, PNG, WebP)"
    )


_MAGIC = (
    (b"\x1a\x45\xdf\xa3", Container.MATROSKA),
    (b"FLV\x01", Container.FLV),
    (b"GIF87a", Container.GIF),
    (b"GIF89a", Container.GIF),
    (b"\xff\xd8\xff", Container.JPEG),
    (b"\x89PNG\r\n\x1a\n", Container.PNG),
)

_NOT_JUNK = (b"ID3", b"%PDF", b"OggS", b"fLaC", b"PK", b"<", b"{", b"#", b"BM", b"II", b"MM")
"""Beginnings of files of other kinds, which may contain a JPEG."""
_JPEG_START = re.compile(rb"\xff\xd8\xff[\xc0-\xc2\xc4\xdb\xe0-\xef\xfe]")


def find_jpeg(head: bytes) -> int | None:
    """Return where a JPEG begins within the first bytes of a file, or ``None``."""
    found = _JPEG_START.search(head, 0, _MAX_JUNK + 4)
    return None if found is None else found.start()


def _describe(head: bytes) -> str:
    """Return a few bytes as text if they are printable, else in hexadecimal.

    >>> _describe(b"<html>"), _describe(b"PK\x03\x04")
    ('"<html>"', 'the bytes 50 4b 03 04')
    """
    text = head.rstrip(b"\r\n").decode("ascii", "replace")
    if text.isascii() and text.isprintable():
        return f'"{text}"'
    return f"the bytes {head.hex(' ')}"


def _sniff_riff(head: bytes) -> Container:
    if head[8:12] == b"WEBP":
        return Container.WEBP
    if head[8:12] == b"AVI ":
        return Container.AVI
    raise FormatError(f"a RIFF file of kind {_describe(head[8:12])}, AVI or WebP is wanted")


def find_transport_packets(head: bytes) -> tuple[int, int] | None:
    """Return where the first transport packet begins and how long each is, or ``None``.

    Behind more than two packets of noise, more sync bytes in a row are needed.
    """
    for size in _PACKET_SIZES:
        for start in range(min(len(head), 2 * size)):
            if head[start] == _SYNC and _has_syncs(head, start, size, _MIN_SYNCS):
                return start, size
    for size in _PACKET_SIZES:
        start = head.find(_SYNC, 2 * size)
        while 0 <= start <= _MAX_NOISE:
            if _has_syncs(head, start, size, _MAX_SYNCS):
                return start, size
            start = head.find(_SYNC, start + 1)
    return None


def _has_syncs(head: bytes, start: int, size: int, least: int) -> bool:
    """Return whether every packet has a sync byte, at least three of them: tables and a picture
    need no fewer."""
    syncs = head[start::size][:_MAX_SYNCS]
    return len(syncs) >= least and syncs.count(_SYNC) == len(syncs)
