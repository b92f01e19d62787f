"""The ``Scorer`` protocol, and the functions that read a scorer's properties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from scanner.errors import SetupError
from scanner.types import FrameSpec, Gate, Label, Medium, ModelRef, Scores

if TYPE_CHECKING:
    from scanner.media.samples import Sample

__all__ = [
    "Scorer",
    "ScorerAdvice",
    "burst_gate",
    "frame_specs",
    "is_burst_scorer",
    "shadow_labels",
]


class Scorer(Protocol):
    """Turns samples into scores.

    The contract, which ``scanner.testing.scorers.check_scorer`` checks: one ``Scores`` for each
    sample with a value for each label, in the order of the samples; inputs are not modified; no
    state is kept between calls.
    """

    @property
    def model(self) -> ModelRef:
        """The model that the scores name."""

    @property
    def inputs(self) -> tuple[FrameSpec, ...]:
        """The arrays that each sample must have."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels that it reports, fixed for its lifetime."""

    @property
    def media(self) -> tuple[Medium, ...]:
        """The media that it distinguishes; empty without a medium head."""

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        """Score a batch of samples.

        Returns:
            One result for each sample, in order; an empty list for an empty batch.
        """


@runtime_checkable
class ScorerAdvice(Protocol):
    """The recommendations of a model's makers, which a scorer may carry."""

    @property
    def gate(self) -> Gate | None:
        """The condition under which bursts are scored (``scanner.scoring.bursts``); None for no
        recommendation."""

    @property
    def shadow(self) -> frozenset[Label]:
        """The labels whose scores are only recorded while another scorer has them live
        (``scanner.scoring.segment``)."""


def burst_gate(scorer: Scorer) -> Gate | None:
    """Return the scorer's recommended gate; None without a recommendation."""
    return scorer.gate if isinstance(scorer, ScorerAdvice) else None


def shadow_labels(scorer: Scorer) -> frozenset[Label]:
    """Return the labels that are in shadow by the scorer's recommendation."""
    return scorer.shadow if isinstance(scorer, ScorerAdvice) else frozenset()


def frame_specs(scorers: Sequence[Scorer]) -> tuple[FrameSpec, ...]:
    """Return the inputs of all scorers without duplicates, in the order of first use."""
    return tuple(dict.fromkeys(spec for scorer in scorers for spec in scorer.inputs))


def is_burst_scorer(scorer: Scorer) -> bool:
    """Return whether the scorer takes bursts instead of single frames.

    Raises:
        SetupError: the scorer takes both, or bursts of several formats.
    """
    formats = {spec.burst for spec in scorer.inputs}
    if len(formats) > 1:
        raise SetupError(
            f"model {scorer.model}: has inputs of several kinds, "
            "wanted either single frames or bursts of one format"
        )
    return None not in formats and bool(formats)
