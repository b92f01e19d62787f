"""Cut one clip that is due, from records and sources alone; doing it again gives the same files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Final

from scanner.errors import DecoderDiedError, NoVideoError
from scanner.evidence.index import SourceSpan
from scanner.evidence.plan import ClipDue, clip_name
from scanner.evidence.sheet import frames_at, read_init, write_poster
from scanner.media.clip import ClipInfo, ClipPiece, ClipRequest
from scanner.private import make_folder, private_opener
from scanner.report.nouns import Clip
from scanner.sandbox.sandbox import Sandbox
from scanner.sandbox.watch import SourceBudget
from scanner.types import Span, StreamId

__all__ = ["clip_file", "cut"]

LONGEST_GOP: Final = Fraction(12 * 3600)
"""Seconds: the longest source."""


def clip_file(folder: Path, incident_id: str, number: int) -> Path:
    """Return the file of a clip."""
    return folder / "clips" / f"{clip_name(incident_id, number)}.mp4"


def cut(
    due: ClipDue,
    sources: Sequence[SourceSpan],
    *,
    sandbox: Sandbox,
    budget: SourceBudget | None = None,
    folder: Path,
    stream_id: StreamId,
    name: str,
) -> Clip:
    """Write ``folder/clips/NAME.mp4`` and, where its middle shows a picture, a blurred poster.

    ``sources`` are those of the stream, in order; ``name`` is what messages call the stream;
    ``budget`` is what it may cost. A file of an earlier attempt is replaced once the new one is
    complete.

    Raises:
        ScannerError: no source shows the span, or they cannot be read or joined.
        OSError: a source is gone, or the folder cannot be written to.
    """
    shown = [one for one in sources if one.overlaps(due.span) and not one.is_picture]
    if not shown:
        raise NoVideoError(f"{name}: no picture within the span of the clip")
    request = ClipRequest(pieces=tuple(_piece(one, due.span) for one in shown))
    file = clip_file(folder, due.incident_id, due.number)
    media = [one.source for one in shown]
    with _replacing(file) as output:
        answer = sandbox.call(
            "cut", media, request, output=output, name=name, stream=stream_id, budget=budget
        )
        info = _check_info(answer, request)
    poster = _poster(
        due, shown, sandbox=sandbox, budget=budget, folder=folder, stream_id=stream_id, name=name
    )
    return _clip(file, info, poster)


@contextmanager
def _replacing(file: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``file`` at the end, unless an exception is raised."""
    make_folder(file.parent)
    part = file.with_suffix(".part")
    try:
        with open(part, "w+b", opener=private_opener) as output:
            yield output
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


def _clip(file: Path, info: ClipInfo, poster: str | None) -> Clip:
    return Clip(
        file=f"clips/{file.name}",
        span=info.span,
        transcoded=info.method == "transcoded",
        truncated=info.truncated,
        poster=poster,
    )


def _piece(source: SourceSpan, span: Span) -> ClipPiece:
    """Return the part of a span that one source shows, in the source's own seconds."""
    start, end = max(span.start, source.span.start), min(span.end, source.span.end)
    return ClipPiece(
        span=Span(start=start - source.span.start, end=end - source.span.start),
        offset=source.span.start,
        first_pts=source.first_pts,
        jumps=source.jumps,
        init=read_init(source),
    )


def _poster(
    due: ClipDue,
    shown: Sequence[SourceSpan],
    *,
    sandbox: Sandbox,
    budget: SourceBudget | None = None,
    folder: Path,
    stream_id: StreamId,
    name: str,
) -> str | None:
    """Write the blurred picture at the middle of what the sources show of the span; the span itself
    may end after the stream does."""
    start = max(due.span.start, shown[0].span.start)
    end = min(due.span.end, max(one.span.end for one in shown))
    middle = (start + end) / 2
    frames = frames_at(
        (middle,), shown, sandbox=sandbox, budget=budget, stream_id=stream_id, name=name
    )
    for image in frames.values():
        return write_poster(image, folder, due.name)
    return None


def _check_info(answer: Any, request: ClipRequest) -> ClipInfo:
    """Return what the sandboxed process reports of the clip that it wrote.

    Its span is where it was asked for: it may begin at a keyframe before, and end with a GOP after.
    """
    try:
        info = ClipInfo.from_json(answer)
    except ValueError as error:
        raise DecoderDiedError(f"clip: decoder answered {error}") from error
    first, last = request.pieces[0], request.pieces[-1]
    earliest = first.offset + first.span.start - request.limits.max_lead
    latest = last.offset + last.span.end + LONGEST_GOP
    if not earliest <= info.span.start <= info.span.end <= latest:
        raise DecoderDiedError("clip: decoder answered a span that was not asked for")
    return info
