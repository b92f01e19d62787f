"""From samples to scores: what a scorer is, and how one segment's samples go through all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from scanner.errors import SetupError
from scanner.media.samples import Sample
from scanner.scoring.options import Reuse
from scanner.scoring.reuse import alike
from scanner.types import FrameSpec, Gate, Label, Medium, ModelRef, ScoredFrame, Scores

__all__ = [
    "Advised",
    "Scorer",
    "gate_of",
    "looks_at_bursts",
    "score_bursts",
    "score_samples",
    "shadow_of",
    "specs",
]


class Scorer(Protocol):
    """Turns samples into scores.

    ``check_scorer`` in ``scanner.testing`` holds every implementation to this: one ``Scores`` for
    each sample with a value for each label, order kept, inputs untouched, nothing remembered.
    """

    @property
    def model(self) -> ModelRef:
        """What its scores carry."""

    @property
    def inputs(self) -> tuple[FrameSpec, ...]:
        """What ``media`` must make of each instant."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels it can report, fixed for its lifetime."""

    @property
    def media(self) -> tuple[Medium, ...]:
        """The media that it tells apart; empty without a medium head."""

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        """One for each sample, in order; an empty batch gives an empty list."""


@runtime_checkable
class Advised(Protocol):
    """What the makers of a scorer may say of its use, beside the scorer itself."""

    @property
    def gate(self) -> Gate | None:
        """Of a scorer of bursts: when a segment is worth one, whatever its share
        (``scanner.scoring.motion``)."""

    @property
    def shadow(self) -> frozenset[Label]:
        """Labels of which it is only heard as long as another scorer judges them
        (``scanner.scoring.shadow``)."""


def gate_of(scorer: Scorer) -> Gate | None:
    """None where its makers say nothing."""
    return scorer.gate if isinstance(scorer, Advised) else None


def shadow_of(scorer: Scorer) -> frozenset[Label]:
    """Empty where its makers say nothing."""
    return scorer.shadow if isinstance(scorer, Advised) else frozenset()


def specs(scorers: Sequence[Scorer]) -> tuple[FrameSpec, ...]:
    """What all of them look at, each distinct spec once, in the order in which it is first asked
    for."""
    return tuple(dict.fromkeys(spec for scorer in scorers for spec in scorer.inputs))


def looks_at_bursts(scorer: Scorer) -> bool:
    """Whether it looks at bursts, or at single frames; none looks at both.

    Raises:
        SetupError: it wants both, or bursts of two kinds.
    """
    kinds = {spec.burst for spec in scorer.inputs}
    if len(kinds) > 1:
        raise SetupError(
            f"model {scorer.model}: wants frames and bursts, or bursts of several kinds; one scorer has one kind"
        )
    return None not in kinds and bool(kinds)


def score_samples(
    scorers: Sequence[Scorer], samples: Sequence[Sample], *, reuse: Reuse
) -> tuple[ScoredFrame, ...]:
    """The samples of one segment, by scorers of frames; each sees those that must be scored in one
    call, and goes through them as suits it.

    A sample that equals the last scored one within ``reuse``'s threshold takes its scores. Call it
    once for each segment: nothing is carried from one call to the next, so a segment scores the
    same whenever and wherever it is scored.
    """
    fresh: list[Sample] = []
    taken: list[tuple[Sample, int, bool]] = []
    for sample in samples:
        reused = bool(fresh) and alike(fresh[-1], sample, reuse)
        if not reused:
            fresh.append(sample)
        taken.append((sample, len(fresh) - 1, reused))
    columns = [scorer.score(fresh) for scorer in scorers]
    return tuple(
        ScoredFrame(
            at=sample.at,
            pts=sample.pts,
            keyframe=sample.keyframe,
            scores=tuple(column[row] for column in columns),
            reused=reused,
        )
        for sample, row, reused in taken
    )


def score_bursts(scorers: Sequence[Scorer], bursts: Sequence[Sample]) -> tuple[ScoredFrame, ...]:
    """The bursts of one segment, each by the scorers of bursts that look at its kind."""
    said: list[list[Scores]] = [[] for _ in bursts]
    for scorer in scorers:
        places = [
            place for place, sample in enumerate(bursts) if sample.burst == scorer.inputs[0].burst
        ]
        for place, scores in zip(
            places, scorer.score([bursts[place] for place in places]), strict=True
        ):
            said[place].append(scores)
    return tuple(
        ScoredFrame(
            at=sample.at,
            pts=sample.pts,
            keyframe=False,
            scores=tuple(scores),
            burst=sample.burst,
            start=sample.start,
        )
        for sample, scores in zip(bursts, said, strict=True)
        if scores
    )
