"""Messages between a parent, its zygote and their children, and the validation of what a child
sends.

    parent                                  zygote
    StartMessage                      -->   imports, warms up
                                      <--   {"threads"}            or {"failed"}, then it exits
    FORK + connection, buffer         -->   forks a child
                                      <--   {"pid"}                or {"failed"}
    SERVE + connection, buffer        -->   becomes the child itself
    EndMessage                        -->   kills and reaps a child
                                      <--   {"status", "killed"}

    parent                                  child
                                      <--   {"active", "missing"}  it has given up its rights

    TaskCall + source descriptors     -->   works on the task
                                      <--   {"window"}             images are in the shared buffer
    SEND_BURSTS + BurstRequest        -->   any number of times
                                      <--   {"burst"} ...          images are in the shared buffer
                                      <--   {"bursts_end"}         frames that were decoded
    RELEASE                           -->   may write to the buffer again: next window
                                      <--   {"end"}                after the last window's RELEASE
                                      <--   {"value"}              instead, for a task that writes
                                      <--   {"error"}              at any point; ends the task

Every answer to a task also has {"call"}, the number of its call: one that is left over from an
earlier call is not taken for the answer to a later one.

The parent's messages are pickled: the child trusts its parent, and only in this direction. The
child may be controlled by its input, so it answers in plain JSON, every number is checked for its
type and range, and images are located by their order (``buffers``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, NoReturn

from scanner.errors import DecoderDiedError, InputError, ScannerError, rebuild
from scanner.media.samples import DecodedWindow, Sample
from scanner.sandbox.buffers import BurstBuffer, SampleBuffer
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.restrictions import Restrictions
from scanner.types import FrameSpec, GapReason, MediaInfo, SegmentTimes, Span, Unseen

__all__ = [
    "FORK",
    "RELEASE",
    "SEND_BURSTS",
    "SERVE",
    "EndMessage",
    "ProtocolViolationError",
    "StartMessage",
    "TaskCall",
    "burst_from_json",
    "burst_to_json",
    "decoded_frames_from_json",
    "dump_message",
    "error_from_json",
    "error_to_json",
    "parse_message",
    "restrictions_from_json",
    "window_from_json",
    "window_to_json",
]

_MAX_INTEGER = 1 << 63
"""Timestamps have 64 bits."""
_MAX_TEXT_LENGTH = 2000
"""Characters; longer text is cut."""
_MAX_FRAMES = 1 << 32
"""Frames decoded for bursts of one window, a keyframe counted several times."""
_MAX_SECONDS = 10_000_000
"""Over a hundred days: no window is longer, whatever a container claims."""

FORK = b"fork"
"""The parent requests a new child; the descriptors of its end of the connection and of the shared
buffer come with it."""
SERVE = b"serve"
"""As ``FORK``, but the zygote itself is to become the child."""
RELEASE = b"release"
"""The parent has copied the window and requests no more bursts of it: the child may overwrite the
shared buffer."""
SEND_BURSTS = b"send_bursts "
"""The parent requests bursts of the last window; a pickled ``BurstRequest`` follows."""


class ProtocolViolationError(Exception):
    """The child sent what no correct child sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMessage:
    """The first message to a zygote."""

    parent: int
    """Process id of the parent."""
    limits: SandboxLimits
    tasks: Mapping[str, str]
    """Task name -> ``module:function``."""
    warm_up: str | None
    """``module:function`` without arguments, called while files can still be opened, so that
    libraries load all that they need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndMessage:
    """Asks a zygote to end one of its children."""

    pid: int
    patience: float
    """Seconds in which the child may end by itself; then it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCall:
    """One task; the descriptors of its sources come with it, and after them that of its output if
    it ``writes``."""

    task: str
    name: str
    """Name of the source in messages."""
    number: int = 0
    """Number of the call among those of its child."""
    arguments: Any
    specs: tuple[FrameSpec, ...] = ()
    """Images of each sample of a stream, in this order."""
    writes: bool = False
    ahead: bool = True
    """Decode the next window while the parent processes one. Without it the child waits, so that
    its death is certain to belong to the window that was requested."""

    @property
    def wants_bursts(self) -> bool:
        """Whether the parent may request the bursts of a window after it has seen the window."""
        return any(spec.burst is not None for spec in self.specs)


def window_to_json(decoded: DecodedWindow) -> dict[str, object]:
    """Return a window without its images, as JSON values."""
    times, info = decoded.times, decoded.info
    return {
        "index": decoded.index,
        "times": [
            times.first_pts,
            times.last_pts,
            *_ratio(times.duration),
            *_ratio(times.time_base),
            times.wrap_bits,
        ],
        "samples": [
            [*_ratio(sample.at), sample.pts, sample.keyframe] for sample in decoded.samples
        ],
        "unseen": [
            [*_ratio(hole.span.start), *_ratio(hole.span.end), hole.reason]
            for hole in decoded.unseen
        ],
        "info": [info.container, info.codec, info.width, info.height, info.still],
        "begins": _ratio(decoded.begins),
        "discontinuity": decoded.discontinuity,
        "last": decoded.last,
    }


def window_from_json(message: Any, images: SampleBuffer, *, min_index: int = 0) -> DecodedWindow:
    """Rebuild a window from a message, with copies of its images from the shared buffer.

    Windows below ``min_index`` were received already.

    Raises:
        ProtocolViolationError: a value is missing, of another type or out of range.
    """
    try:
        first, last, *seconds, wrap_bits = message["times"]
        container, codec, width, height, still = message["info"]
        return DecodedWindow(
            index=_integer(message["index"], low=min_index),
            times=SegmentTimes(
                first_pts=_integer(first),
                last_pts=_integer(last),
                duration=_seconds(*seconds[:2]),
                time_base=_seconds(*seconds[2:]),
                wrap_bits=_integer(wrap_bits, low=1, high=64),
            ),
            samples=_samples(message["samples"], images),
            unseen=tuple(_hole(*hole) for hole in message["unseen"]),
            info=MediaInfo(
                container=_text(container),
                codec=_text(codec),
                width=_integer(width, low=0, high=1 << 20),
                height=_integer(height, low=0, high=1 << 20),
                still=_boolean(still),
            ),
            begins=_seconds(*message["begins"]),
            discontinuity=_boolean(message["discontinuity"]),
            last=_boolean(message["last"]),
        )
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise ProtocolViolationError(f"an invalid window: {error}") from error


def burst_to_json(sample: Sample, kind: int) -> list[object]:
    """Return a burst of the kind that ``BurstBuffer.append`` gave, without its images, as JSON
    values."""
    assert sample.start is not None
    return [*_ratio(sample.start), *_ratio(sample.at), sample.pts, kind]


def burst_from_json(
    message: Any, images: BurstBuffer, *, window: DecodedWindow, before: Sequence[Sample]
) -> Sample:
    """Rebuild a burst from a message, with copies of its images from the shared buffer.

    It must follow the bursts ``before`` it and lie in its window.

    Raises:
        ProtocolViolationError: a value is missing, of another type or out of range.
    """
    try:
        start, start_bottom, at, at_bottom, pts, kind = message
        sample = Sample(
            images=images.read_next(_integer(kind, low=0, high=images.kind_count - 1)),
            at=_seconds(at, at_bottom),
            pts=_integer(pts),
            keyframe=False,
            start=_seconds(start, start_bottom),
        )
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise ProtocolViolationError(f"an invalid burst: {error}") from error
    if before and sample.at < before[-1].at:
        raise ProtocolViolationError("bursts that are not in order of time")
    if max(sample.at, sample.start or 0) > window.times.duration:
        raise ProtocolViolationError(
            f"a burst at {float(sample.at):.3g} s "
            f"of a window of {float(window.times.duration):.3g} s"
        )
    return sample


def decoded_frames_from_json(message: Any) -> int:
    """Return the number of frames that were decoded for bursts.

    Raises:
        ProtocolViolationError: it is no number, or more than any window has.
    """
    try:
        return _integer(message, low=0, high=_MAX_FRAMES)
    except ValueError as error:
        raise ProtocolViolationError(f"an invalid number of frames: {error}") from error


def error_to_json(error: ScannerError) -> list[str]:
    """Return an error as JSON values."""
    return [type(error).__name__, error.kind, str(error)]


def error_from_json(message: Any) -> InputError | DecoderDiedError:
    """Rebuild an error from a message.

    A child may blame its input or itself, never the operator: that would stop the scan.

    Raises:
        ProtocolViolationError: the values are not those of such an error.
    """
    try:
        name, kind, text = (_text(part) for part in message)
    except (TypeError, ValueError) as error:
        raise ProtocolViolationError(f"an invalid error: {error}") from error
    rebuilt = rebuild(name, kind, text)
    if isinstance(rebuilt, InputError | DecoderDiedError):
        return rebuilt
    raise ProtocolViolationError(f"{name}, which a decoder may not raise: {text}")


def restrictions_from_json(message: Any) -> Restrictions:
    """Return the restrictions that a child applied.

    It has read nothing hostile yet and is trusted.
    """
    return Restrictions(active=tuple(message["active"]), missing=message["missing"])


def dump_message(message: object) -> bytes:
    """Encode one message of the child."""
    return json.dumps(message, allow_nan=False).encode()


def parse_message(body: bytes) -> dict[str, Any]:
    """Decode one message of the child.

    Raises:
        ProtocolViolationError: it is not a JSON object.
    """
    try:
        message = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolViolationError(f"a message that is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolViolationError("a message that is not a JSON object")
    return message


def _samples(rows: Any, images: SampleBuffer) -> tuple[Sample, ...]:
    if len(rows) > images.capacity:
        raise ValueError(f"{len(rows)} samples where {images.capacity} fit")
    samples = tuple(
        Sample(
            at=_seconds(top, bottom),
            pts=_integer(pts),
            keyframe=_boolean(keyframe),
            images=images.read(index),
        )
        for index, (top, bottom, pts, keyframe) in enumerate(rows)
    )
    if any(later.at < earlier.at for earlier, later in pairwise(samples)):
        raise ValueError("samples that are not in order of time")
    return samples


def _hole(start: Any, start_bottom: Any, end: Any, end_bottom: Any, reason: Any) -> Unseen:
    return Unseen(
        span=Span(start=_seconds(start, start_bottom), end=_seconds(end, end_bottom)),
        reason=_reason(reason),
    )


def _reason(value: Any) -> GapReason:
    """Accept only the reasons that a decoder can know; the parent determines the others."""
    known: dict[str, GapReason] = {
        "undecodable": "undecodable",
        "no_keyframe": "no_keyframe",
        "not_scanned": "not_scanned",
    }
    reason = _text(value)
    if reason not in known:
        raise ValueError(f"a span unseen because of {reason[:40]!r}")
    return known[reason]


def _ratio(value: Fraction) -> tuple[int, int]:
    return (value.numerator, value.denominator)


def _seconds(top: Any, bottom: Any) -> Fraction:
    value = Fraction(_integer(top, low=0), _integer(bottom, low=1))
    if value > _MAX_SECONDS:
        raise ValueError(f"{float(value):.3g} s")
    return value


def _integer(value: Any, *, low: int = -_MAX_INTEGER, high: int = _MAX_INTEGER) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{str(value)[:40]!r} instead of a whole number from {low} to {high}")
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{str(value)[:40]!r} instead of true or false")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"{str(value)[:40]!r} instead of text")
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[:_MAX_TEXT_LENGTH]
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number here")
