"""Layout of images in the memory that a parent and its child share.

The position of each image follows from the order of samples and frame specs. The child never
states a position, so it cannot make the parent read outside of the buffer.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scanner.errors import LimitError
from scanner.media.samples import Rgb, Sample
from scanner.types import FrameSpec

__all__ = ["BurstBuffer", "SampleBuffer"]

_MAX_SAMPLES = 20_000
"""Limit for one window, however small its images are."""


class SampleBuffer:
    """Images of one window's samples, ordered by sample and then by single-frame spec."""

    def __init__(self, memory: mmap.mmap, specs: Sequence[FrameSpec]) -> None:
        self._bytes = np.frombuffer(memory, dtype=np.uint8)
        self._specs = tuple(dict.fromkeys(spec for spec in specs if spec.burst is None))
        self._sample_bytes = sum(_byte_count(spec) for spec in self._specs)

    @property
    def capacity(self) -> int:
        """Number of samples that fit."""
        return min(_MAX_SAMPLES, self._bytes.size // max(self._sample_bytes, 1))

    def write(self, samples: Sequence[Sample], *, name: str) -> None:
        """Write all images of a window of the source called ``name``.

        Raises:
            LimitError: they do not fit.
            ValueError: an image has another shape than its spec, or another type than uint8.
        """
        if len(samples) > self.capacity:
            raise LimitError(
                f"{name}: {len(samples)} samples in one window, "
                f"limit is {self.capacity} of their size",
                kind="limit_frames",
            )
        for index, sample in enumerate(samples):
            _write_images(self._bytes, index * self._sample_bytes, self._specs, sample)

    def read(self, index: int) -> dict[FrameSpec, Rgb]:
        """Return copies of the images of sample ``index``; the child cannot change a copy."""
        return _copy_images(self._bytes, index * self._sample_bytes, self._specs)


class BurstBuffer:
    """Images of one window's bursts in the same memory, appended in the order of the bursts.

    Bursts differ in size, so each carries the number of its kind: the index of its ``Burst``
    among the distinct bursts of the frame specs.
    """

    def __init__(self, memory: mmap.mmap, specs: Sequence[FrameSpec]) -> None:
        self._bytes = np.frombuffer(memory, dtype=np.uint8)
        bursts = dict.fromkeys(spec.burst for spec in specs if spec.burst is not None)
        self._kinds = {
            burst: tuple(dict.fromkeys(spec for spec in specs if spec.burst == burst))
            for burst in bursts
        }
        self._position = 0

    def append(self, sample: Sample) -> int | None:
        """Write one more burst and return the number of its kind, or None if it does not fit."""
        kind = next(number for number, burst in enumerate(self._kinds) if burst == sample.burst)
        is_written = self._advance(
            kind, lambda at, specs: _write_images(self._bytes, at, specs, sample)
        )
        return kind if is_written else None

    def read_next(self, kind: int) -> dict[FrameSpec, Rgb]:
        """Return copies of the images of the next burst, which is of this kind.

        Raises:
            ValueError: the burst would lie outside of the buffer.
        """
        images: dict[FrameSpec, Rgb] = {}
        is_read = self._advance(
            kind, lambda at, specs: images.update(_copy_images(self._bytes, at, specs))
        )
        if not is_read:
            raise ValueError("more bursts than fit")
        return images

    @property
    def kind_count(self) -> int:
        """Number of kinds of bursts, distinguished by their frames and rate."""
        return len(self._kinds)

    def _advance(self, kind: int, access: Callable[[int, Sequence[FrameSpec]], None]) -> bool:
        specs = list(self._kinds.values())[kind]
        size = sum(_byte_count(spec) for spec in specs)
        if self._position + size > self._bytes.size:
            return False
        access(self._position, specs)
        self._position += size
        return True


def _byte_count(spec: FrameSpec) -> int:
    return math.prod(spec.shape)


def _write_images(
    memory: NDArray[np.uint8], at: int, specs: Sequence[FrameSpec], sample: Sample
) -> None:
    for spec in specs:
        image, size = sample.images[spec], _byte_count(spec)
        if image.shape != spec.shape or image.dtype != np.uint8:
            raise ValueError(f"image must be {spec.shape} uint8, got {image.shape} {image.dtype}")
        memory[at : at + size].reshape(spec.shape)[...] = image
        at += size


def _copy_images(
    memory: NDArray[np.uint8], at: int, specs: Sequence[FrameSpec]
) -> dict[FrameSpec, Rgb]:
    images = {}
    for spec in specs:
        size = _byte_count(spec)
        images[spec] = memory[at : at + size].reshape(spec.shape).copy()
        at += size
    return images
