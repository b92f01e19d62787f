"""Which container it is, by its first bytes: FFmpeg is told the demuxer and never guesses one.

FFmpeg's own prober would take a text for a playlist or a concat script and open what it names.
"""

from __future__ import annotations

from enum import StrEnum

from scanner.errors import FormatError, NoVideoError

__all__ = ["HEAD_BYTES", "Container", "sniff", "transport_packets"]

HEAD_BYTES = 8192
"""How much ``sniff`` wants to see: forty transport packets, and room for what a broken recorder
left before them."""

_PACKET_SIZES = (188, 192, 204)
"""Bytes of a transport packet: plain, with a time code before it (Blu-ray), with error correction
after it (DVB)."""
_SYNC = 0x47
"""The first byte of each."""
_SYNCS_WANTED = 3
_SYNCS_LOOKED_AT = 8
"""So many in a row are no coincidence."""
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
    """A kind of file that we open; the value is the demuxer's or, for a still, the decoder's name."""

    MPEGTS = "mpegts"
    MP4 = "mp4"
    MATROSKA = "matroska"
    AVI = "avi"
    FLV = "flv"
    GIF = "gif"
    JPEG = "mjpeg"
    PNG = "png"
    WEBP = "webp"

    @property
    def picture(self) -> bool:
        """A single picture without a track or a time."""
        return self in (Container.JPEG, Container.PNG, Container.WEBP)


def sniff(head: bytes) -> Container:
    """The container that begins with ``head`` (``HEAD_BYTES`` of it, or all there is).

    Raises:
        NoVideoError: no bytes at all.
        FormatError: none that we open.

    >>> sniff(b"GIF89a")
    <Container.GIF: 'gif'>
    """
    if not head:
        raise NoVideoError("0 bytes, a media file is wanted")
    if head[4:8] in _MP4_BOXES:
        return Container.MP4
    if head[:4] == b"RIFF":
        return _riff(head)
    for magic, container in _MAGIC:
        if head.startswith(magic):
            return container
    if transport_packets(head) is not None:
        return Container.MPEGTS
    raise FormatError(
        f"begins with {head[:12]!r}, a media file is wanted (MPEG-TS, MP4, MKV, WebM, AVI, FLV, GIF, JPEG, PNG, WebP)"
    )


_MAGIC = (
    (b"\x1a\x45\xdf\xa3", Container.MATROSKA),
    (b"FLV\x01", Container.FLV),
    (b"GIF87a", Container.GIF),
    (b"GIF89a", Container.GIF),
    (b"\xff\xd8\xff", Container.JPEG),
    (b"\x89PNG\r\n\x1a\n", Container.PNG),
)


def _riff(head: bytes) -> Container:
    if head[8:12] == b"WEBP":
        return Container.WEBP
    if head[8:12] == b"AVI ":
        return Container.AVI
    raise FormatError(f"a RIFF file of kind {head[8:12]!r}, AVI or WebP is wanted")


def transport_packets(head: bytes) -> tuple[int, int] | None:
    """Where the first transport packet begins and how long each is; ``None`` where there are none."""
    places = ((start, size) for size in _PACKET_SIZES for start in range(min(len(head), 2 * size)))
    return next(((start, size) for start, size in places if _keeps_time(head, start, size)), None)


def _keeps_time(head: bytes, start: int, size: int) -> bool:
    """Sync bytes follow at every packet, at least three of them: tables and a picture take no less."""
    syncs = head[start::size][:_SYNCS_LOOKED_AT]
    return len(syncs) >= _SYNCS_WANTED and syncs.count(_SYNC) == len(syncs)
