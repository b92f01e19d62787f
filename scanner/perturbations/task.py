"""The child's side of ``Perturber``: one source in, its perturbed copies out, concatenated in the
output file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from scanner.errors import InputError
from scanner.imaging import use_one_thread
from scanner.media.limits import MediaLimits
from scanner.media.redraw import read_first_picture, redraw
from scanner.media.samples import Rgb
from scanner.perturbations.transforms import PERTURBATIONS, Perturbation, PerturbationContext
from scanner.sandbox.tasks import warm_up as warm_up_media

__all__ = ["PerturbRequest", "perturb_in_child", "warm_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerturbRequest:
    """The perturbations to apply to the first source; the other sources are harmless pictures to
    show with it."""

    changes: tuple[Perturbation, ...]
    seed: int
    limits: MediaLimits = field(default_factory=MediaLimits)


def perturb_in_child(
    sources: Sequence[BinaryIO], arguments: PerturbRequest, *, name: str, output: BinaryIO
) -> list[int]:
    """Write the source after each perturbation, in order; returns the size of each in bytes."""
    source, *others = sources
    read = [_read_picture(other, arguments.limits) for other in others]
    pictures = [picture for picture in read if picture is not None]
    sizes = []
    for change in arguments.changes:
        source.seek(0)

        def apply(rgb: Rgb, number: int, change: Perturbation = change) -> Rgb:
            return change.apply(
                rgb, PerturbationContext(seed=arguments.seed, number=number, others=pictures)
            )

        sizes.append(
            output.write(redraw(source, apply, crf=change.crf, name=name, limits=arguments.limits))
        )
    return sizes


def warm_up() -> None:
    """Apply every perturbation once, so that everything that is loaded lazily is loaded."""
    use_one_thread()
    warm_up_media()
    for change in PERTURBATIONS:
        change.apply(np.zeros((32, 32, 3), np.uint8), PerturbationContext(seed=0))


def _read_picture(source: BinaryIO, limits: MediaLimits) -> Rgb | None:
    """Return the first picture, or None if the source cannot be read."""
    try:
        return read_first_picture(source, name="other picture", limits=limits)
    except InputError:
        return None
