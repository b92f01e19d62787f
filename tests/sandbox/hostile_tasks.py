"""What a child does once hostile input has taken it over. Each is a task, run in a real child behind its walls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from scanner.types import Decoded, FrameSpec, MediaInfo, Sample, SegmentTimes

SPEC = FrameSpec(width=16, height=8)


def window(index: int, *, samples: int = 2, last: bool = False) -> Decoded:
    return Decoded(
        index=index,
        times=SegmentTimes(first_pts=0, last_pts=90, duration=Fraction(2), time_base=Fraction(1, 90)),
        samples=tuple(
            Sample(at=Fraction(n, 3), pts=30 * n, keyframe=n == 0, images={SPEC: np.full(SPEC.shape, 10 * index + n, np.uint8)})
            for n in range(samples)
        ),
        unseen=(),
        info=MediaInfo(container="mpegts", codec="h264", width=1920, height=1080),
        last=last,
    )


def windows(sources: Sequence[BinaryIO], arguments: int, *, name: str) -> Iterator[Decoded]:
    for index in range(arguments):
        yield window(index, last=index == arguments - 1)
