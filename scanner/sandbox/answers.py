"""Answers of a child, and their validation: windows, bursts and errors.

The child may be controlled by its input. It can invent what its own stream shows, but nothing that
was not asked for: every value has its type and range, lies in the window and the source that it
belongs to, and contradicts nothing that was said before. All numbers are integers, so that none is
infinite or takes long to read; a fraction is a pair of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

from scanner.errors import DecoderDiedError, InputError, ScannerError, rebuild
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow, Sample
from scanner.sandbox.buffers import BurstBuffer, SampleBuffer
from scanner.sandbox.protocol import ProtocolViolationError
from scanner.types import GapReason, MediaInfo, SegmentTimes, Span, Unseen

__all__ = [
    "AnswerBounds",
    "burst_from_json",
    "burst_to_json",
    "decoded_frames_from_json",
    "error_from_json",
    "error_to_json",
    "printable",
    "window_from_json",
    "window_to_json",
]

_MAX_INTEGER: Final = 1 << 63
"""Timestamps have 64 bits."""
_MAX_DENOMINATOR: Final = 1 << 32
"""FFmpeg's time bases have 31 bits; times are whole multiples of them."""
_MAX_TEXT: Final = 500
"""Characters of a message; longer text is cut."""
_MAX_NAME: Final = 64
"""Characters of the name of a container or codec."""
_MAX_UNSEEN: Final = 2000
"""Unseen spans of one window."""
_MAX_FRAMES: Final = 1 << 32
"""Frames decoded for bursts of one window, a keyframe counted several times."""
_MAX_JUMPS: Final = 10_000
"""Windows of a file that are there because its clock jumps."""
_ERRORS: Final[Mapping[str, frozenset[str]]] = {
    "FormatError": frozenset({"unsupported"}),
    "DamagedError": frozenset({"damaged"}),
    "NoVideoError": frozenset({"no_video"}),
    "LimitError": frozenset(
        {
            "limit_bytes",
            "limit_duration",
            "limit_frames",
            "limit_memory",
            "limit_pixels",
            "limit_probe_time",
            "limit_tracks",
        }
    ),
    "DecoderDiedError": frozenset({"decoder_died"}),
}
"""Errors that a child may report, and their kinds. It may blame its input or itself, never the
operator: that would stop the scan."""
_REASONS: Final[Mapping[str, GapReason]] = {
    "undecodable": "undecodable",
    "no_keyframe": "no_keyframe",
    "not_scanned": "not_scanned",
    "missing": "missing",
}
"""The reasons for an unseen span that a decoder can know; the parent determines the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBounds:
    """Bounds of the answers to one call, from what was asked for."""

    first_window: int = 0
    """Index of the first window; those after it have the next ones."""
    windows: int = 1
    """Most windows of the source, from index 0 on."""
    samples: int = 2000
    """Most samples, and most bursts, of one window."""
    seconds: Fraction = Fraction(12 * 3600)
    """Longest source: no window ends later."""
    instants: frozenset[Fraction] | None = None
    """The instants at which samples may lie; None for any within their window."""

    @classmethod
    def of_request(cls, request: DecodeRequest) -> AnswerBounds:
        """Return the bounds of decoding.

        Two windows in a row are longer than one may be, unless the clock jumps between them.
        """
        limits, windows = request.limits, 1
        if request.window is not None:
            windows = 2 * -(-limits.max_duration // request.window) + _MAX_JUMPS
        return cls(
            first_window=request.first_window,
            windows=windows,
            samples=limits.max_frames,
            seconds=2 * limits.max_duration,  # the pictures, and what the container promises beyond
        )


# Windows


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
        "samples": _sample_rows(decoded.samples),
        "damaged": _sample_rows(decoded.damaged),
        "unseen": [
            [*_ratio(hole.span.start), *_ratio(hole.span.end), hole.reason]
            for hole in _join_surplus(decoded.unseen)
        ],
        "info": [info.container, info.codec, info.width, info.height, info.still],
        "begins": _ratio(decoded.begins),
        "discontinuity": decoded.discontinuity,
        "last": decoded.last,
        "has_keyframe": decoded.has_keyframe,
    }


def window_from_json(
    message: Any, images: SampleBuffer, bounds: AnswerBounds, *, before: int | None
) -> DecodedWindow:
    """Rebuild a window from a message, with copies of its images from the shared buffer.

    ``before`` is the index of the window that was received before it.

    Raises:
        ProtocolViolationError: a value is missing, of another type or out of range, or contradicts
            another one.
    """
    try:
        window = _read_window(message, images, bounds)
        _check_place(window, bounds, before)
        _check_times(window, bounds)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise ProtocolViolationError(f"an invalid window: {error}") from error
    return window


def _read_window(message: Any, images: SampleBuffer, bounds: AnswerBounds) -> DecodedWindow:
    first, last, *seconds, wrap_bits = message["times"]
    container, codec, width, height, still = message["info"]
    finest = _MAX_DENOMINATOR if bounds.instants is None else _MAX_INTEGER
    samples = _samples(message["samples"], images, bounds.samples, finest)
    return DecodedWindow(
        index=_integer(message["index"], low=0, high=bounds.first_window + bounds.windows),
        times=SegmentTimes(
            first_pts=_integer(first),
            last_pts=_integer(last),
            duration=_seconds(*seconds[:2], finest=finest),
            time_base=_seconds(*seconds[2:]),
            wrap_bits=_integer(wrap_bits, low=1, high=64),
        ),
        samples=samples,
        unseen=_holes(message["unseen"]),
        info=MediaInfo(
            container=_text(container, _MAX_NAME),
            codec=_text(codec, _MAX_NAME),
            width=_integer(width, low=0, high=1 << 20),
            height=_integer(height, low=0, high=1 << 20),
            still=_boolean(still),
        ),
        begins=_seconds(*message["begins"]),
        discontinuity=_boolean(message["discontinuity"]),
        last=_boolean(message["last"]),
        has_keyframe=_boolean(message["has_keyframe"]),
        damaged=_samples(message["damaged"], images, bounds.samples, finest, written=len(samples)),
    )


def _check_place(window: DecodedWindow, bounds: AnswerBounds, before: int | None) -> None:
    """Check that the window is the next one of its source."""
    expected = bounds.first_window if before is None else before + 1
    if window.index != expected:
        raise ValueError(f"window {window.index} instead of {expected}")
    if window.index >= bounds.windows:
        raise ValueError(f"more than {bounds.windows} windows")
    if window.index == 0 and window.begins != 0:
        raise ValueError("a first window that does not begin its source")


def _check_times(window: DecodedWindow, bounds: AnswerBounds) -> None:
    """Check that all times lie in the window and the window in its source."""
    duration = window.times.duration
    if window.begins + duration > bounds.seconds:
        raise ValueError(f"a window that ends at {float(window.begins + duration):.3g} s")
    if window.times.seconds_to_last > duration:
        raise ValueError(f"a last frame after the end of a window of {float(duration):.3g} s")
    frames = (*window.samples, *window.damaged)
    for at in (*(s.at for s in frames), *(hole.span.end for hole in window.unseen)):
        if at > duration:
            raise ValueError(f"a time of {float(at):.3g} s in a window of {float(duration):.3g} s")
    if bounds.instants is not None and not bounds.instants.issuperset(
        sample.at for sample in frames
    ):
        raise ValueError("a sample at an instant that was not asked for")
    is_whole = window.index == 0 and window.last and not window.discontinuity
    if window.info.still and not (
        is_whole and duration == 0 and not window.unseen and len(frames) <= 1
    ):
        raise ValueError("a still picture with a duration, a gap, or other windows or samples")


def _sample_rows(samples: Iterable[Sample]) -> list[list[object]]:
    return [[*_ratio(sample.at), sample.pts, sample.keyframe] for sample in samples]


def _samples(
    rows: Any, images: SampleBuffer, most: int, finest: int, *, written: int = 0
) -> tuple[Sample, ...]:
    """Return samples whose images lie in the buffer after those of ``written`` other ones."""
    capacity = min(most, images.capacity) - written
    if len(rows) > capacity:
        raise ValueError(f"{len(rows)} samples where {capacity} fit")
    samples = tuple(
        Sample(
            at=_seconds(top, bottom, finest=finest),
            pts=_integer(pts),
            keyframe=_boolean(keyframe),
            images=images.read(index),
        )
        for index, (top, bottom, pts, keyframe) in enumerate(rows, written)
    )
    if any(later.at < earlier.at for earlier, later in pairwise(samples)):
        raise ValueError("samples that are not in order of time")
    return samples


def _holes(rows: Any) -> tuple[Unseen, ...]:
    if len(rows) > _MAX_UNSEEN:
        raise ValueError(f"{len(rows)} unseen spans, at most {_MAX_UNSEEN} are wanted")
    return tuple(
        Unseen(
            span=Span(start=_seconds(start, start_bottom), end=_seconds(end, end_bottom)),
            reason=_reason(reason),
        )
        for start, start_bottom, end, end_bottom, reason in rows
    )


def _join_surplus(unseen: tuple[Unseen, ...]) -> tuple[Unseen, ...]:
    """Return at most as many spans as may be sent: the rest is one span, which may hold seen
    frames too."""
    if len(unseen) <= _MAX_UNSEEN:
        return unseen
    kept, surplus = unseen[: _MAX_UNSEEN - 1], unseen[_MAX_UNSEEN - 1 :]
    whole = Span(start=surplus[0].span.start, end=max(hole.span.end for hole in surplus))
    return (*kept, Unseen(span=whole, reason=surplus[0].reason))


def _reason(value: Any) -> GapReason:
    reason = _text(value, _MAX_NAME)
    if reason not in _REASONS:
        raise ValueError(f"a span unseen because of {reason!r}")
    return _REASONS[reason]


# Bursts


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
    if not (sample.start or 0) <= sample.at <= window.times.duration:
        raise ProtocolViolationError(
            f"a burst from {float(sample.start or 0):.3g} s to {float(sample.at):.3g} s "
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


# Errors


def error_to_json(error: ScannerError) -> list[str]:
    """Return an error as JSON values."""
    return [type(error).__name__, error.kind, str(error)]


def error_from_json(message: Any) -> InputError | DecoderDiedError:
    """Rebuild an error from a message.

    Raises:
        ProtocolViolationError: the values are not those of an error that a child may report.
    """
    try:
        name, kind, text = message
        name, kind, text = _text(name, _MAX_NAME), _text(kind, _MAX_NAME), _text(text, _MAX_TEXT)
    except (TypeError, ValueError) as error:
        raise ProtocolViolationError(f"an invalid error: {error}") from error
    rebuilt = rebuild(name, kind, text) if kind in _ERRORS.get(name, ()) else None
    if isinstance(rebuilt, InputError | DecoderDiedError):
        return rebuilt
    raise ProtocolViolationError(f"{name} of kind {kind}, which a decoder may not raise: {text}")


# Values


def printable(text: str, most: int = _MAX_TEXT) -> str:
    """Return text of a child as messages may show it: cut after ``most`` characters, with those
    that do not print replaced."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:most])


def _ratio(value: Fraction) -> tuple[int, int]:
    return (value.numerator, value.denominator)


def _seconds(top: Any, bottom: Any, *, finest: int = _MAX_DENOMINATOR) -> Fraction:
    return Fraction(_integer(top, low=0), _integer(bottom, low=1, high=finest))


def _integer(value: Any, *, low: int = -_MAX_INTEGER, high: int = _MAX_INTEGER) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{_describe(value)} instead of a whole number from {low} to {high}")
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{_describe(value)} instead of true or false")
    return value


def _text(value: Any, most: int) -> str:
    if type(value) is not str:
        raise ValueError(f"{_describe(value)} instead of text")
    return printable(value, most)


def _describe(value: Any) -> str:
    """Return a short text for a value of any type and size."""
    if value is None or isinstance(value, int | float | bool | str):
        return repr(value[:40] if isinstance(value, str) else value)[:40]
    return f"a {type(value).__name__}"
