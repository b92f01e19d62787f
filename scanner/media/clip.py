"""Cut a clip out of what was already stored: an MP4 that browsers play and that starts at a keyframe.

Packets are copied, so that the clip is the evidence itself and costs next to nothing; only a codec that browsers do not
play, or pieces that do not fit together, are encoded again. Hostile input is opened here too: call it in the disposable child.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import BinaryIO

from scanner.errors import NoVideoError
from scanner.media.mux import ClipInfo, remux, transcode
from scanner.media.take import LONGEST, ClipLimits, ClipPiece, Take, take
from scanner.types import Span

__all__ = ["ClipInfo", "ClipLimits", "ClipPiece", "cut", "parts"]

COPIED = {
    "h264": frozenset({"yuv420p", "yuvj420p"}),
    "vp9": frozenset({"yuv420p", "yuv420p10le"}),
    "av1": frozenset({"yuv420p", "yuv420p10le"}),
}
"""What browsers play inside an MP4: codecs, and their pixel formats."""


def cut(pieces: Sequence[ClipPiece], out: BinaryIO, *, limits: ClipLimits | None = None) -> ClipInfo:
    """Write one MP4 of the pieces, in order, to ``out``, which must be seekable and is left open.

    The index lies before the pictures, so that a browser plays and seeks it from disk and from a server. Time between
    pieces stays time: the last picture before a hole is held. Pieces whose codec, size or parameter sets differ are
    encoded again, at the size of the first.

    Raises:
        NoVideoError: none of the pieces has a picture within its span.
        DamagedError, FormatError, LimitError: a source cannot be read.
    """
    limits = limits or ClipLimits()
    kept = _shortened(pieces, limits.max_seconds)
    with ExitStack() as stack:
        takes = [taken for piece in kept if (taken := take(piece, limits, stack)) is not None]
        if not takes:
            raise NoVideoError(f"{_name(pieces)}: no picture within the span of the clip")
        reason = _obstacle(takes, limits)
        info = remux(takes, out) if reason is None else transcode(takes, out, reason=reason, max_side=limits.max_side)
    return replace(info, truncated=info.truncated or kept != list(pieces))


def parts(span: Span, longest: Fraction = LONGEST) -> tuple[Span, ...]:
    """The span in equal parts, each short enough for one clip.

    >>> [str(part.end) for part in parts(Span(start=Fraction(0), end=Fraction(90)))]
    ['45', '90']
    """
    count = max(1, -(-span.length // longest))
    edges = [span.start + span.length * i / count for i in range(count + 1)]
    return tuple(Span(start=a, end=b) for a, b in pairwise(edges))


def _shortened(pieces: Sequence[ClipPiece], most: Fraction) -> list[ClipPiece]:
    kept = []
    for piece in pieces:
        if most <= 0:
            break
        end = min(piece.span.end, piece.span.start + most)
        kept.append(replace(piece, span=Span(start=piece.span.start, end=end)))
        most -= piece.span.length
    return kept


def _obstacle(takes: Sequence[Take], limits: ClipLimits) -> str | None:
    """Why the packets cannot be copied; None where they can."""
    first = takes[0]
    if first.codec not in COPIED:
        return "codec"
    if first.video.codec_context.pix_fmt not in COPIED[first.codec]:
        return "pixels"
    if any(taken.likeness != first.likeness for taken in takes):
        return "pieces"
    if first.start < first.span.start - limits.max_lead:
        return "gop"
    if not all(taken.timed for taken in takes):
        return "timing"
    return None


def _name(pieces: Sequence[ClipPiece]) -> str:
    return pieces[0].name if pieces else "clip"
