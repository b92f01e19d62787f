"""The child's side: one source in, several changed ones out, one behind the other in the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import cv2
import numpy as np

from scanner.altering.changes import CHANGES, Change, Scene
from scanner.errors import InputError
from scanner.media.limits import MediaLimits
from scanner.media.redraw import first_picture, redraw
from scanner.media.samples import Rgb
from scanner.sandbox.tasks import warm_up as warm_up_media

__all__ = ["Order", "alter_in_child", "warm_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made of the first source; the others are harmless pictures to show beside it."""

    changes: tuple[Change, ...]
    seed: int
    limits: MediaLimits = field(default_factory=MediaLimits)


def alter_in_child(
    sources: Sequence[BinaryIO], arguments: Order, *, name: str, output: BinaryIO
) -> list[int]:
    """Write the source as each change makes it, in their order; gives the bytes of each."""
    source, *others = sources
    shown = [_picture(other, arguments.limits) for other in others]
    beside = [picture for picture in shown if picture is not None]
    sizes = []
    for change in arguments.changes:
        source.seek(0)

        def draw(rgb: Rgb, number: int, change: Change = change) -> Rgb:
            return change.draw(rgb, Scene(seed=arguments.seed, number=number, others=beside))

        sizes.append(
            output.write(redraw(source, draw, crf=change.crf, name=name, limits=arguments.limits))
        )
    return sizes


def warm_up() -> None:
    """Draw once, so that whatever is loaded at the first use has been loaded."""
    cv2.setNumThreads(1)
    warm_up_media()
    for change in CHANGES:
        change.draw(np.zeros((32, 32, 3), np.uint8), Scene(seed=0))


def _picture(source: BinaryIO, limits: MediaLimits) -> Rgb | None:
    """One that cannot be read is not missed."""
    try:
        return first_picture(source, name="beside", limits=limits)
    except InputError:
        return None
