"""Cut a clip out of stored segments: an MP4 that browsers play and that starts at a keyframe.

Packets are copied, so that the clip is the original evidence and costs little. It is encoded again
only if browsers do not play the codec or the pieces do not fit together. Untrusted input is opened
here too: call it in the sandbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, BinaryIO

from scanner.errors import NoVideoError
from scanner.media.mux import ClipInfo, remux, transcode
from scanner.media.span_packets import LONGEST, ClipLimits, ClipPiece, SpanPackets
from scanner.media.span_reader import read_span
from scanner.types import Span

__all__ = [
    "ClipInfo",
    "ClipLimits",
    "ClipPiece",
    "ClipRequest",
    "cut",
    "cut_in_child",
    "split_span",
]

COPIED = {
    "h264": frozenset({"yuv420p", "yuvj420p"}),
    "vp9": frozenset({"yuv420p", "yuv420p10le"}),
    "av1": frozenset({"yuv420p", "yuv420p10le"}),
}
"""Codecs and their pixel formats that browsers play inside an MP4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRequest:
    """Pieces and limits of one clip."""

    pieces: tuple[ClipPiece, ...]
    """One piece for each source, in order of time."""
    limits: ClipLimits = field(default_factory=ClipLimits)


def cut(
    sources: Sequence[BinaryIO], request: ClipRequest, *, name: str, output: BinaryIO
) -> ClipInfo:
    """Write one MP4 of the pieces to ``output``. All files must be seekable and are not closed.

    The index comes before the pictures, so that a browser plays and seeks the clip from disk and
    from a server. Holes between pieces keep their length: the last picture before a hole is shown
    until it ends. Pieces whose codec, size or parameter sets differ are encoded again, at the size
    of the first.

    Raises:
        NoVideoError: none of the pieces has a picture within its span.
        DamagedError, FormatError, LimitError: a source cannot be read.
    """
    kept = _shorten(request.pieces, request.limits.max_seconds)
    with ExitStack() as stack:
        found = [
            read_span(source, piece, request.limits, stack, name=name)
            for source, piece in zip(sources, kept, strict=False)
        ]
        pieces = [packets for packets in found if packets is not None]
        if not pieces:
            raise NoVideoError(f"{name}: no picture within the span of the clip")
        info = _write(pieces, request.limits, output)
    return replace(info, truncated=info.truncated or kept != request.pieces)


def cut_in_child(
    sources: Sequence[BinaryIO], arguments: ClipRequest, *, name: str, output: BinaryIO
) -> dict[str, Any]:
    """Run ``cut`` as a task of the sandbox and return JSON for ``ClipInfo.from_json``."""
    return cut(sources, arguments, name=name, output=output).to_json()


def split_span(span: Span, longest: Fraction = LONGEST) -> tuple[Span, ...]:
    """Return the span in equal parts, each short enough for one clip.

    >>> [str(part.end) for part in split_span(Span(start=Fraction(0), end=Fraction(90)))]
    ['45', '90']
    """
    count = max(1, -(-span.length // longest))
    edges = [span.start + span.length * i / count for i in range(count + 1)]
    return tuple(Span(start=a, end=b) for a, b in pairwise(edges))


def _shorten(pieces: Sequence[ClipPiece], most: Fraction) -> tuple[ClipPiece, ...]:
    kept = []
    for piece in pieces:
        if most <= 0:
            break
        end = min(piece.span.end, piece.span.start + most)
        kept.append(replace(piece, span=Span(start=piece.span.start, end=end)))
        most -= piece.span.length
    return tuple(kept)


def _write(pieces: Sequence[SpanPackets], limits: ClipLimits, output: BinaryIO) -> ClipInfo:
    obstacle = _find_obstacle(pieces, limits)
    if obstacle is None:
        return remux(pieces, output)
    return transcode(pieces, output, reason=obstacle, max_side=limits.max_side)


def _find_obstacle(pieces: Sequence[SpanPackets], limits: ClipLimits) -> str | None:
    """Return the reason why the packets cannot be copied, or None."""
    first = pieces[0]
    if first.codec not in COPIED:
        return "codec"
    if first.video.codec_context.pix_fmt not in COPIED[first.codec]:
        return "pixels"
    if any(piece.video_parameters != first.video_parameters for piece in pieces):
        return "pieces"
    if first.start < first.span.start - limits.max_lead:
        return "gop"
    if not all(piece.has_distinct_times for piece in pieces):
        return "timing"
    return None
