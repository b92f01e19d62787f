"""From samples to scores: what a scorer is, and how one segment's samples go through all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scanner.scoring.reuse import Reuse, alike
from scanner.types import FrameSpec, Label, Medium, ModelRef, Sample, ScoredFrame, Scores

__all__ = ["Scorer", "score_samples", "specs"]


class Scorer(Protocol):
    """Turns samples into scores.

    ``check_scorer`` in ``scanner.testing`` holds every implementation to this: one ``Scores`` for each sample with a value for
    each label, order kept, inputs untouched, nothing remembered.
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


def specs(scorers: Sequence[Scorer]) -> tuple[FrameSpec, ...]:
    """What all of them look at, each distinct spec once, in the order in which it is first asked for."""
    return tuple(dict.fromkeys(spec for scorer in scorers for spec in scorer.inputs))


def score_samples(scorers: Sequence[Scorer], samples: Sequence[Sample], *, reuse: Reuse) -> tuple[ScoredFrame, ...]:
    """The samples of one segment; each scorer sees those that must be scored in one call, and goes through them as suits it.

    A sample that equals the last scored one within ``reuse``'s threshold takes its scores. Call it once for each segment:
    nothing is carried from one call to the next, so a segment scores the same whenever and wherever it is scored.
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
        ScoredFrame(at=sample.at, pts=sample.pts, keyframe=sample.keyframe, scores=tuple(column[row] for column in columns), reused=reused)
        for sample, row, reused in taken
    )
