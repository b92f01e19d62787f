"""Cut a clip out of what was already stored: an MP4 that browsers play and that starts at a
keyframe.

Packets are copied, so that the clip is the evidence itself and costs next to nothing; only a codec
that browsers do not play, or pieces that do not fit together, are encoded again. Hostile input is
opened here too: call it in the disposable child.
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
from scanner.media.take import LONGEST, ClipLimits, ClipPiece, Take, take
from scanner.types import Span

__all__ = ["ClipInfo", "ClipLimits", "ClipPiece", "ClipRequest", "cut", "cut_in_child", "parts"]

COPIED = {
    "h264": frozenset({"yuv420p", "yuvj420p"}),
    "vp9": frozenset({"yuv420p", "yuv420p10le"}),
    "av1": frozenset({"yuv420p", "yuv420p10le"}),
}
"""What browsers play inside an MP4: codecs, and their pixel formats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRequest:
    """What to cut."""

    pieces: tuple[ClipPiece, ...]
    """One for each source, in order of time."""
    limits: ClipLimits = field(default_factory=ClipLimits)


def cut(
    sources: Sequence[BinaryIO], request: ClipRequest, *, name: str, output: BinaryIO
) -> ClipInfo:
    """Write one MP4 of the pieces to ``output``; it and the sources must be seekable and stay the
    caller's.

    The index lies before the pictures, so that a browser plays and seeks it from disk and from a
    server. Time between pieces stays time: the last picture before a hole is held. Pieces whose
    codec, size or parameter sets differ are encoded again, at the size of the first.

    Raises:
        NoVideoError: none of the pieces has a picture within its span.
        DamagedError, FormatError, LimitError: a source cannot be read.
    """
    kept = _shortened(request.pieces, request.limits.max_seconds)
    with ExitStack() as stack:
        found = [
            take(source, piece, request.limits, stack, name=name)
            for source, piece in zip(sources, kept, strict=False)
        ]
        takes = [taken for taken in found if taken is not None]
        if not takes:
            raise NoVideoError(f"{name}: no picture within the span of the clip")
        info = _write(takes, _obstacle(takes, request.limits), request.limits, output)
    return replace(info, truncated=info.truncated or kept != request.pieces)


def cut_in_child(
    sources: Sequence[BinaryIO], arguments: ClipRequest, *, name: str, output: BinaryIO
) -> dict[str, Any]:
    """``cut`` as a task of the sandbox: a writer whose answer is JSON, for ``ClipInfo.from_json``."""
    return cut(sources, arguments, name=name, output=output).to_json()


def parts(span: Span, longest: Fraction = LONGEST) -> tuple[Span, ...]:
    """The span in equal parts, each short enough for one clip.

    >>> [str(part.end) for part in parts(Span(start=Fraction(0), end=Fraction(90)))]
    ['45', '90']
    """
    count = max(1, -(-span.length // longest))
    edges = [span.start + span.length * i / count for i in range(count + 1)]
    return tuple(Span(start=a, end=b) for a, b in pairwise(edges))


def _shortened(pieces: Sequence[ClipPiece], most: Fraction) -> tuple[ClipPiece, ...]:
    kept = []
    for piece in pieces:
        if most <= 0:
            break
        end = min(piece.span.end, piece.span.start + most)
        kept.append(replace(piece, span=Span(start=piece.span.start, end=end)))
        most -= piece.span.length
    return tuple(kept)


def _write(
    takes: Sequence[Take], obstacle: str | None, limits: ClipLimits, output: BinaryIO
) -> ClipInfo:
    if obstacle is None:
        return remux(takes, output)
    return transcode(takes, output, reason=obstacle, max_side=limits.max_side)


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
