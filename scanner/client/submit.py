"""Submit files, folders and playlists to the service as streams.

file                    cut at its keyframes into segments, in a sandboxed process
folder without playlist  its files are the segments of one stream, by name
playlist, URL           its segments, as they are and as long as it grows
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile

from scanner.client.service import ServiceClient
from scanner.errors import DecoderDiedError, InputError
from scanner.media.segmenting import CutSegment, SegmentRequest
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.opening import read_file
from scanner.sandbox.sandbox import Sandbox
from scanner.sources.limits import FetchLimits
from scanner.sources.paths import read_sources
from scanner.spooled import SpooledBytes
from scanner.stream.inputs import SegmentArrived, SegmentLost, SourceFailed
from scanner.types import Source, StreamId

__all__ = ["StreamSubmission", "SubmittedSegment", "stream_name", "submit"]

MAX_SEGMENT_BYTES = 256 << 20
"""Bytes of one segment on disk; a service accepts fewer."""

PLAYLISTS = frozenset({".m3u8", ".m3u"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedSegment:
    """A segment on its way to the service."""

    sequence: int
    data: bytes
    init: bytes | None = None
    discontinuity: bool = False
    duration: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSubmission:
    """A path that is sent as a stream, and the way in which it is sent."""

    path: str
    stream_id: str
    channel: str | None = None
    realtime: bool = False
    """True to send each segment when it would be complete if the stream were live."""
    segment_seconds: Fraction = Fraction(4)
    """Least duration of the segments that a file is cut into."""


def submit(
    submission: StreamSubmission,
    sender: ServiceClient,
    *,
    fetch: FetchLimits,
    sandbox: SandboxLimits,
    sent: Callable[[int, str], None] = lambda sequence, how: None,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Send a stream and its end; return the number of its segments.

    ``sent`` is called with each segment's sequence and with what the service made of it.

    Raises:
        InputError: the path cannot be read, or the service refuses it.
        TransientError: the service cannot be reached.
    """
    began, media, count, last = clock(), 0.0, 0, -1
    inits: set[str] = set()
    for segment in _segments(submission, fetch, sandbox):
        if submission.realtime and segment.duration is not None:
            media += float(segment.duration)
            wait(max(0.0, began + media - clock()))
        if last < 0:
            sender.put_stream(
                submission.stream_id, channel=submission.channel, first_sequence=segment.sequence
            )
        sent(segment.sequence, _send(segment, submission, sender, inits))
        count, last = count + 1, segment.sequence
    if last < 0:
        raise InputError(f"{submission.path}: nothing to submit")
    sender.end_stream(submission.stream_id, last)
    return count


def _send(
    segment: SubmittedSegment, submission: StreamSubmission, sender: ServiceClient, inits: set[str]
) -> str:
    """Send a segment, and before it its init segment if that is not among ``inits`` yet; return
    what the service made of it."""
    stream, channel = submission.stream_id, submission.channel
    init_id = None if segment.init is None else hashlib.sha256(segment.init).hexdigest()[:24]
    if segment.init is not None and init_id is not None and init_id not in inits:
        sender.put_init(stream, init_id, segment.init, channel=channel)
        inits.add(init_id)
    return sender.put_segment(
        stream,
        segment.sequence,
        segment.data,
        channel=channel,
        init_id=init_id,
        discontinuity=segment.discontinuity,
        duration=segment.duration,
    )


def stream_name(path: str, at: float) -> str:
    """Return a name for the broadcast of a path that begins at ``at``, in seconds since the epoch.

    >>> stream_name("/media/My clip.mp4", 0.0)
    'My-clip-19700101T000000'
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-.") or "stream"
    return f"{stem[:100]}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime(at))}"


def _segments(
    submission: StreamSubmission, fetch: FetchLimits, sandbox: SandboxLimits
) -> Iterator[SubmittedSegment]:
    path = Path(submission.path)
    is_url = submission.path.lower().startswith(("http://", "https://"))
    if is_url or path.suffix.lower() in PLAYLISTS:
        return _of_playlist(submission, fetch)
    if path.is_dir():
        return _of_folder(submission, path, fetch)
    return _of_file(submission, path, sandbox)


def _of_folder(
    submission: StreamSubmission, path: Path, fetch: FetchLimits
) -> Iterator[SubmittedSegment]:
    playlists = sorted(one for one in path.iterdir() if one.suffix.lower() in PLAYLISTS)
    if len(playlists) > 1:
        raise InputError(f"{path}: {len(playlists)} playlists; name the one to submit")
    if playlists:
        named = StreamSubmission(
            path=str(playlists[0]),
            stream_id=submission.stream_id,
        )
        yield from _of_playlist(named, fetch)
        return
    files = sorted((one for one in path.iterdir() if one.is_file()), key=_natural)
    for sequence, file in enumerate(files):
        data = read_file(file, name=str(file), most=MAX_SEGMENT_BYTES)
        yield SubmittedSegment(sequence=sequence, data=data)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts ``seg9`` before ``seg10``."""
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)
    ]


def _of_playlist(submission: StreamSubmission, fetch: FetchLimits) -> Iterator[SubmittedSegment]:
    with read_sources(
        [submission.path], fetch, stream_id=StreamId(submission.stream_id)
    ) as arrivals:
        for arrival in arrivals:
            match arrival:
                case SourceFailed(error=error):
                    raise error
                case SegmentLost(error=error) if error is not None:
                    continue
                case SegmentArrived(segment=segment):
                    yield SubmittedSegment(
                        sequence=segment.key.sequence,
                        data=_bytes(segment.source),
                        init=None if segment.init is None else _bytes(segment.init),
                        discontinuity=segment.discontinuity,
                        duration=segment.duration,
                    )


def _bytes(source: Source) -> bytes:
    if isinstance(source, bytes):
        return source
    if isinstance(source, SpooledBytes):
        return source.read()
    path = source if isinstance(source, Path) else source.path
    return read_file(source, name=str(path), most=MAX_SEGMENT_BYTES)


def _of_file(
    submission: StreamSubmission, path: Path, limits: SandboxLimits
) -> Iterator[SubmittedSegment]:
    request = SegmentRequest(seconds=submission.segment_seconds)
    with TemporaryFile() as output:
        with Sandbox(limits) as sandbox:
            answer = sandbox.call("segment", [path], request, output=output, name=str(path))
        for sequence, segment in enumerate(_places(answer, path)):
            output.seek(segment.offset)
            yield SubmittedSegment(
                sequence=sequence, data=output.read(segment.size), duration=segment.duration
            )


def _places(answer: object, path: Path) -> list[CutSegment]:
    try:
        return [CutSegment.from_json(row) for row in answer]  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise DecoderDiedError(f"{path}: the process that cuts it answered {error}") from error
