"""How windows cross from the child: plain JSON for what they say, shared memory for their images.

The child may be in the hands of its input, so nothing that comes back is believed: no pickle, every
number in range, and the place of each image follows from the order of samples and specs instead of
being told.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from scanner.errors import DecoderDiedError, InputError, LimitError, ScannerError, rebuild
from scanner.media.samples import Decoded, Rgb, Sample
from scanner.sandbox.walls import Walls
from scanner.types import FrameSpec, GapReason, MediaInfo, SegmentTimes, Span, Unseen

__all__ = [
    "Frames",
    "LieError",
    "Rolls",
    "burst_from",
    "burst_to",
    "dumps",
    "error_from",
    "error_to",
    "loads",
    "walls_from",
    "window_from",
    "window_to",
]

_LARGEST = 1 << 63
"""Of a whole number: time stamps have 64 bits."""
_MOST_SAMPLES = 20_000
"""Of one window, however small their images."""
_LONGEST_TEXT = 2000
"""Characters; what is longer is cut."""
_LONGEST_SECONDS = 10_000_000
"""Over a hundred days: no window is longer, whatever a container claims."""


class LieError(Exception):
    """The child said what an honest one never says."""


class Frames:
    """The images of one window in shared memory, in the order of samples, then specs of one frame."""

    def __init__(self, memory: mmap.mmap, specs: Sequence[FrameSpec]) -> None:
        self._bytes = np.frombuffer(memory, dtype=np.uint8)
        self._specs = tuple(dict.fromkeys(spec for spec in specs if spec.burst is None))
        self._sizes = tuple(_size(spec) for spec in self._specs)

    @property
    def room(self) -> int:
        """Samples that fit."""
        return min(_MOST_SAMPLES, self._bytes.size // max(sum(self._sizes), 1))

    def write(self, samples: Sequence[Sample], *, name: str) -> None:
        """Lay down all images of a window of the source called ``name``.

        Raises:
            LimitError: they do not fit.
            ValueError: an image has another shape than its spec, or another type than uint8.
        """
        if len(samples) > self.room:
            raise LimitError(
                f"{name}: {len(samples)} samples in one window, limit is {self.room} of their size",
                kind="limit_frames",
            )
        for index, sample in enumerate(samples):
            _lay(self._bytes, index * sum(self._sizes), self._specs, sample)

    def read(self, index: int) -> dict[FrameSpec, Rgb]:
        """Copies of the images of sample ``index``, which nobody else can change any more."""
        return _copied(self._bytes, index * sum(self._sizes), self._specs)


class Rolls:
    """The bursts of one window in the same memory, one behind the other as they come."""

    def __init__(self, memory: mmap.mmap, specs: Sequence[FrameSpec]) -> None:
        self._bytes = np.frombuffer(memory, dtype=np.uint8)
        bursts = dict.fromkeys(spec.burst for spec in specs if spec.burst is not None)
        self._kinds = {
            burst: tuple(dict.fromkeys(spec for spec in specs if spec.burst == burst))
            for burst in bursts
        }
        self._at = 0

    def write(self, sample: Sample) -> int | None:
        """Lay down one more burst: the number of its kind, or None where there is no room for it."""
        burst = sample.burst
        kind = next(number for number, known in enumerate(self._kinds) if known == burst)
        return (
            kind
            if self._next(kind, lambda at, specs: _lay(self._bytes, at, specs, sample))
            else None
        )

    def read(self, kind: int) -> dict[FrameSpec, Rgb]:
        """Copies of the images of the next burst, which is of this kind.

        Raises:
            ValueError: there is no room where it should be.
        """
        images: dict[FrameSpec, Rgb] = {}
        if not self._next(kind, lambda at, specs: images.update(_copied(self._bytes, at, specs))):
            raise ValueError("more bursts than fit")
        return images

    @property
    def kinds(self) -> int:
        """How many kinds of bursts there are, by their frames and rate."""
        return len(self._kinds)

    def _next(self, kind: int, act: Callable[[int, Sequence[FrameSpec]], None]) -> bool:
        specs = list(self._kinds.values())[kind]
        size = sum(_size(spec) for spec in specs)
        if self._at + size > self._bytes.size:
            return False
        act(self._at, specs)
        self._at += size
        return True


def window_to(decoded: Decoded) -> dict[str, object]:
    """A window without its images, as JSON values."""
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


def window_from(said: Any, frames: Frames, *, least_index: int = 0) -> Decoded:
    """The window again, its images copied out of ``frames``; windows before ``least_index`` were
    here already.

    Raises:
        LieError: a value is missing, of another type or out of range.
    """
    try:
        first, last, *seconds, wrap_bits = said["times"]
        container, codec, width, height, still = said["info"]
        return Decoded(
            index=_whole(said["index"], least=least_index),
            times=SegmentTimes(
                first_pts=_whole(first),
                last_pts=_whole(last),
                duration=_seconds(*seconds[:2]),
                time_base=_seconds(*seconds[2:]),
                wrap_bits=_whole(wrap_bits, least=1, most=64),
            ),
            samples=_samples(said["samples"], frames),
            unseen=tuple(_hole(*hole) for hole in said["unseen"]),
            info=MediaInfo(
                container=_text(container),
                codec=_text(codec),
                width=_whole(width, least=0, most=1 << 20),
                height=_whole(height, least=0, most=1 << 20),
                still=_yes_or_no(still),
            ),
            begins=_seconds(*said["begins"]),
            discontinuity=_yes_or_no(said["discontinuity"]),
            last=_yes_or_no(said["last"]),
        )
    except (TypeError, ValueError, KeyError, IndexError) as why:
        raise LieError(f"a window that cannot be: {why}") from why


def burst_to(sample: Sample, kind: int) -> list[object]:
    """A burst of the kind that ``Rolls.write`` said, without its images, as JSON values."""
    assert sample.start is not None
    return [*_ratio(sample.start), *_ratio(sample.at), sample.pts, kind]


def burst_from(said: Any, rolls: Rolls, *, window: Decoded, before: Sequence[Sample]) -> Sample:
    """The burst again, its images copied out of ``rolls``; it comes after those ``before`` it, and
    lies in its window.

    Raises:
        LieError: a value is missing, of another type or out of range.
    """
    try:
        start, start_bottom, at, at_bottom, pts, kind = said
        images = rolls.read(_whole(kind, least=0, most=rolls.kinds - 1))
        sample = Sample(
            at=_seconds(at, at_bottom),
            pts=_whole(pts),
            keyframe=False,
            images=images,
            start=_seconds(start, start_bottom),
        )
    except (TypeError, ValueError, KeyError, IndexError) as why:
        raise LieError(f"a burst that cannot be: {why}") from why
    if before and sample.at < before[-1].at:
        raise LieError("bursts that are not in order of time")
    if max(sample.at, sample.start or 0) > window.times.duration:
        raise LieError(
            f"a burst at {float(sample.at):.3g} s of a window of {float(window.times.duration):.3g} s"
        )
    return sample


def error_to(error: ScannerError) -> list[str]:
    """An error as JSON values."""
    return [type(error).__name__, error.kind, str(error)]


def error_from(said: Any) -> InputError | DecoderDiedError:
    """The error again. A child may blame its input or itself, never the operator: that would stop
    the scan.

    Raises:
        LieError: it is no such error.
    """
    try:
        name, kind, message = (_text(part) for part in said)
    except (TypeError, ValueError) as why:
        raise LieError(f"an error that cannot be: {why}") from why
    error = rebuild(name, kind, message)
    if isinstance(error, InputError | DecoderDiedError):
        return error
    raise LieError(f"{name}, which is not its to raise: {message}")


def walls_from(said: Any) -> Walls:
    """Which walls a child put up; it saw nothing hostile yet and is believed."""
    return Walls(held=tuple(said["held"]), missing=said["missing"])


def dumps(message: object) -> bytes:
    """One message of the child."""
    return json.dumps(message, allow_nan=False).encode()


def loads(body: bytes) -> dict[str, Any]:
    """One message of the child.

    Raises:
        LieError: not an object in JSON.
    """
    try:
        message = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as why:
        raise LieError(f"something that is not JSON: {why}") from why
    if not isinstance(message, dict):
        raise LieError("something that is not an object")
    return message


def _size(spec: FrameSpec) -> int:
    return math.prod(spec.shape)


def _lay(memory: NDArray[np.uint8], at: int, specs: Sequence[FrameSpec], sample: Sample) -> None:
    for spec in specs:
        image, size = sample.images[spec], _size(spec)
        if image.shape != spec.shape or image.dtype != np.uint8:
            raise ValueError(f"image must be {spec.shape} uint8, got {image.shape} {image.dtype}")
        memory[at : at + size].reshape(spec.shape)[...] = image
        at += size


def _copied(memory: NDArray[np.uint8], at: int, specs: Sequence[FrameSpec]) -> dict[FrameSpec, Rgb]:
    images = {}
    for spec in specs:
        size = _size(spec)
        images[spec] = memory[at : at + size].reshape(spec.shape).copy()
        at += size
    return images


def _samples(said: Any, frames: Frames) -> tuple[Sample, ...]:
    if len(said) > frames.room:
        raise ValueError(f"{len(said)} samples where {frames.room} fit")
    samples = tuple(
        Sample(
            at=_seconds(top, bottom),
            pts=_whole(pts),
            keyframe=_yes_or_no(keyframe),
            images=frames.read(index),
        )
        for index, (top, bottom, pts, keyframe) in enumerate(said)
    )
    if any(later.at < earlier.at for earlier, later in pairwise(samples)):
        raise ValueError("samples that are not in order of time")
    return samples


def _hole(start: Any, start_bottom: Any, end: Any, end_bottom: Any, reason: Any) -> Unseen:
    return Unseen(
        span=Span(start=_seconds(start, start_bottom), end=_seconds(end, end_bottom)),
        reason=_reason(reason),
    )


def _reason(said: Any) -> GapReason:
    """One that is a decoder's to give; the others are said by who knows of them."""
    known: dict[str, GapReason] = {"undecodable": "undecodable", "no_keyframe": "no_keyframe"}
    reason = _text(said)
    if reason not in known:
        raise ValueError(f"a span unseen because of {reason[:40]!r}")
    return known[reason]


def _ratio(value: Fraction) -> tuple[int, int]:
    return (value.numerator, value.denominator)


def _seconds(top: Any, bottom: Any) -> Fraction:
    value = Fraction(_whole(top, least=0), _whole(bottom, least=1))
    if value > _LONGEST_SECONDS:
        raise ValueError(f"{float(value):.3g} s")
    return value


def _whole(value: Any, *, least: int = -_LARGEST, most: int = _LARGEST) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{str(value)[:40]!r} where a whole number from {least} to {most} belongs")
    return value


def _yes_or_no(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{str(value)[:40]!r} where true or false belongs")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"{str(value)[:40]!r} where text belongs")
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[:_LONGEST_TEXT]
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number here")
