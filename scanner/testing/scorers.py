"""Tools for testing scorers: samples from arrays, a scorer with predictable scores, and a checker
of the ``Scorer`` contract."""

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
"""The largest difference that other samples in its batch may make to a probability."""


def sample(
    at: Fraction | int, *images: Rgb, fit: Fit = Fit.SQUASH, rate: int | None = None
) -> Sample:
    """Make a sample of one instant, with one spec of its own size for each image.

    A tick of its PTS is a millisecond. With ``rate`` it is a burst; all images are T x H x W x 3
    with the same number of frames.

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
    """A scorer that gives each label the mean brightness of the picture, or of all frames of a
    burst, divided by 255."""

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
        self.scored_times: list[Fraction] = []
        """The times of all samples that it was given."""

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        """Score a batch; the first medium, if any, has probability 1."""
        self.scored_times.extend(sample.at for sample in batch)
        return [self._score_one(sample) for sample in batch]

    def _score_one(self, sample: Sample) -> Scores:
        brightness = float(sample.images[self.inputs[0]].mean()) / 255.0
        medium = {medium: float(medium == self.media[0]) for medium in self.media}
        return Scores(
            model=self.model, values=dict.fromkeys(self.labels, brightness), medium=medium
        )


def check_scorer(scorer: Scorer, samples: Sequence[Sample]) -> None:
    """Check that a scorer keeps the ``Scorer`` contract on at least two different samples.

    The contract: one ``Scores`` for each sample, with its model and a value for each of its labels
    and media, in the order of the samples; a batch gives the same scores as its samples one by one;
    inputs are not modified; no state is kept; an empty batch gives an empty list.

    Raises:
        AssertionError: the contract is broken; the message states how.
    """
    before = [{spec: image.copy() for spec, image in sample.images.items()} for sample in samples]
    together = scorer.score(samples)

    _require(scorer.score([]) == [], "an empty batch must give an empty list")
    _require(
        len(together) == len(samples),
        f"{len(samples)} samples must give {len(samples)} scores, got {len(together)}",
    )
    for scores in together:
        _check_scores(scorer, scores)
    _require(_are_unchanged(samples, before), "a scorer must not modify the samples' images")
    alone = [scorer.score([sample])[0] for sample in samples]
    _require(
        _equal(together, alone), "a batch must give the scores of its samples one by one, in order"
    )
    backwards = scorer.score(list(reversed(samples)))
    _require(
        _equal(together, list(reversed(backwards))),
        "a scorer must keep no state: another order gave other scores",
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


def _are_unchanged(samples: Sequence[Sample], before: Sequence[dict[FrameSpec, Rgb]]) -> bool:
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


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)
