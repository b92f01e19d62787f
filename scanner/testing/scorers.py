"""For scorers: samples from arrays, a scorer whose scores are known beforehand, and the contract as
a checker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

import numpy as np

from scanner.media.samples import Rgb, Sample
from scanner.scoring.scorer import Scorer
from scanner.types import Burst, Fit, FrameSpec, Gate, Label, Medium, ModelRef, Scores

__all__ = ["FakeScorer", "check_scorer", "sample"]

_Key = TypeVar("_Key", bound=str)

TOLERANCE = 1e-5
"""By which a probability may depend on what else is in its batch."""


def sample(
    at: Fraction | int, *images: Rgb, fit: Fit = Fit.SQUASH, rate: int | None = None
) -> Sample:
    """A sample of one instant, with a spec of each image's own size; a tick is a millisecond.

    With ``rate`` it is a burst, of images that are T x H x W x 3 and have as many frames as each
    other.

    >>> sample(2, np.zeros((8, 16, 3), np.uint8))
    Sample(at=Fraction(2, 1), pts=2000, keyframe=True, start=None)
    """
    bursts = [None if rate is None else Burst(frames=len(image), rate=rate) for image in images]
    specs = [
        FrameSpec(width=image.shape[-2], height=image.shape[-3], fit=fit, burst=burst)
        for image, burst in zip(images, bursts, strict=True)
    ]
    start = next(
        (max(at - burst.length, Fraction(0)) for burst in bursts if burst is not None), None
    )
    by_spec = dict(zip(specs, images, strict=True))
    return Sample(
        at=Fraction(at), pts=round(at * 1000), keyframe=start is None, images=by_spec, start=start
    )


class FakeScorer:
    """Gives each label the picture's brightness: its mean over 255; with a spec that has a burst,
    that of all its frames."""

    def __init__(
        self,
        *labels: str,
        spec: FrameSpec | None = None,
        media: Sequence[Medium] = (),
        name: str = "fake",
        gate: Gate | None = None,
        shadow: Sequence[str] = (),
    ) -> None:
        self.model = ModelRef(name=name, version="1")
        self.labels = tuple(Label(label) for label in labels or ("gun",))
        self.media = tuple(media)
        self.inputs = (spec or FrameSpec(width=8, height=8),)
        self.gate = gate
        self.shadow = frozenset(Label(label) for label in shadow)
        self.looked_at: list[Fraction] = []
        """The times of the samples that it was given, for tests of who asks it what."""

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        """One for each sample, in order; the first medium, if any, is certain."""
        self.looked_at.extend(sample.at for sample in batch)
        return [self._one(sample) for sample in batch]

    def _one(self, sample: Sample) -> Scores:
        brightness = float(sample.images[self.inputs[0]].mean()) / 255.0
        medium = {medium: float(medium == self.media[0]) for medium in self.media}
        return Scores(
            model=self.model, values=dict.fromkeys(self.labels, brightness), medium=medium
        )


def check_scorer(scorer: Scorer, samples: Sequence[Sample]) -> None:
    """Hold a scorer to its contract on at least two samples that differ.

    One ``Scores`` for each sample, with its model and a value for each of its labels and media;
    order kept; a batch says what its samples say one by one; inputs untouched; nothing remembered;
    an empty batch gives an empty list.

    Raises:
        AssertionError: it breaks the contract; the message says how.
    """
    before = [{spec: image.copy() for spec, image in sample.images.items()} for sample in samples]
    together = scorer.score(samples)

    _require(scorer.score([]) == [], "an empty batch must give an empty list")
    _require(
        len(together) == len(samples),
        f"{len(samples)} samples must give as many scores, got {len(together)}",
    )
    for scores in together:
        _check_scores(scorer, scores)
    _require(_untouched(samples, before), "the samples' images must be left as they are")
    alone = [scorer.score([sample])[0] for sample in samples]
    _require(
        _equal(together, alone), "a batch must say what its samples say one by one, in their order"
    )
    backwards = scorer.score(list(reversed(samples)))
    _require(
        _equal(together, list(reversed(backwards))),
        "nothing may be remembered: another order gave other scores",
    )


def _check_scores(scorer: Scorer, scores: Scores) -> None:
    _require(scores.model == scorer.model, f"scores must carry {scorer.model}, got {scores.model}")
    _require(
        set(scores.values) == set(scorer.labels),
        f"scores must have {scorer.labels}, got {tuple(scores.values)}",
    )
    _require(
        set(scores.medium) == set(scorer.media),
        f"media must be {scorer.media}, got {tuple(scores.medium)}",
    )
    total = sum(scores.medium.values())
    _require(
        not scores.medium or abs(total - 1.0) < TOLERANCE,
        f"probabilities of the media must sum to 1, got {total}",
    )


def _untouched(samples: Sequence[Sample], before: Sequence[dict[FrameSpec, Rgb]]) -> bool:
    return all(
        np.array_equal(sample.images[spec], image)
        for sample, images in zip(samples, before, strict=True)
        for spec, image in images.items()
    )


def _equal(one: Sequence[Scores], other: Sequence[Scores]) -> bool:
    return all(
        _near(a.values, b.values) and _near(a.medium, b.medium)
        for a, b in zip(one, other, strict=True)
    )


def _near(one: Mapping[_Key, float], other: Mapping[_Key, float]) -> bool:
    return all(abs(one[key] - other[key]) <= TOLERANCE for key in one)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
