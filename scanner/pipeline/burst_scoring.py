"""Bursts of a decoded window: which models score them, what that may take, and what it took."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from scanner.media.request import BurstRequest
from scanner.media.samples import DecodedWindow
from scanner.sandbox.sandbox import Windows
from scanner.scoring.bursts import (
    Allowance,
    BurstWish,
    allow_bursts,
    burst_gates,
    merge_bursts,
    wish_for_bursts,
)
from scanner.scoring.options import BurstSelection
from scanner.scoring.scorer import Scorer, is_burst_scorer
from scanner.scoring.segment import score_bursts, separate_shadow, shadowed_labels
from scanner.stream.burst_account import (
    BurstAccount,
    burst_work,
    frames_for,
    frames_per_burst,
    sample_work,
)
from scanner.types import Label, ScoredFrame, ScoringWork, SegmentKey

__all__ = ["BurstScoring"]

log = logging.getLogger(__name__)

_ChosenScorer = tuple[Scorer, BurstWish, Allowance]
"""A model of bursts, and why and how many of them it may score."""


class BurstScoring:
    """Scores bursts of windows within the budget of their streams."""

    def __init__(
        self, scorers: Sequence[Scorer], selection: BurstSelection, live: frozenset[Label]
    ) -> None:
        """``scorers`` are all of a worker; models with a label in ``live`` have the higher
        budget."""
        self._scorers = tuple(scorer for scorer in scorers if is_burst_scorer(scorer))
        self._selection = selection
        self._shadowed = shadowed_labels(scorers)
        self._live = frozenset(
            scorer.model
            for scorer in self._scorers
            if live.intersection(scorer.labels) - self._shadowed.get(scorer.model, frozenset())
        )
        known = {label for one in scorers if one not in self._scorers for label in one.labels}
        for scorer in self._scorers:
            self._warn_of_closed_gates(scorer, known)

    def add_to(
        self,
        key: SegmentKey,
        decoded: DecodedWindow,
        frames: tuple[ScoredFrame, ...],
        windows: Windows,
        account: BurstAccount,
    ) -> tuple[tuple[ScoredFrame, ...], ScoringWork]:
        """Return the scored frames of a window together with the bursts that are wanted and paid
        for, and the work for both.

        ``windows`` make the bursts; ``account`` is that of the stream before the window.
        """
        pixels = decoded.info.width * decoded.info.height
        work = ScoringWork(frames=len(decoded.samples) * sample_work(pixels))
        now = account.add(int(decoded.times.duration * 1000), work)
        chosen = [*self._choose(key, decoded, frames, now)]
        if not chosen:
            return frames, work
        made = windows.bursts(_burst_request(chosen, pixels))
        bursts = score_bursts([scorer for scorer, _, _ in chosen], made.samples)
        scored = (burst.burst for burst in bursts for _ in burst.scores if burst.burst is not None)
        spent = burst_work(pixels, frames=made.frames, bursts=scored)
        merged = merge_bursts(frames, separate_shadow(bursts, self._shadowed))
        return merged, replace(work, bursts=spent)

    def _choose(
        self,
        key: SegmentKey,
        decoded: DecodedWindow,
        frames: Sequence[ScoredFrame],
        account: BurstAccount,
    ) -> Iterator[_ChosenScorer]:
        """Yield the models that score bursts of the window, and what that may take."""
        selection, length = self._selection, decoded.times.duration
        for scorer in self._scorers:
            gates = burst_gates(scorer, selection)
            wish = wish_for_bursts(frames, key, gates, selection.base_rate, length)
            if wish is None:
                continue
            live = scorer.model in self._live
            allowance = allow_bursts(wish, account, selection, live=live)
            if allowance is not None:
                yield scorer, wish, allowance

    def _warn_of_closed_gates(self, scorer: Scorer, known: set[Label]) -> None:
        for gate in burst_gates(scorer, self._selection):
            if gate.label not in known:
                log.warning(
                    "gate never opens: no model of frames scores its label",
                    extra={"model": str(scorer.model), "label": gate.label},
                )


def _burst_request(chosen: Sequence[_ChosenScorer], pixels: int) -> BurstRequest:
    """Return the request for the bursts that these models may score together."""
    bursts = (spec.burst for scorer, _, _ in chosen for spec in scorer.inputs)
    _, wish, _ = chosen[0]
    return BurstRequest(
        near=wish.near,
        max_frames=frames_for(max(allowance.work for _, _, allowance in chosen), pixels),
        frames_per_burst=max(frames_per_burst(burst, pixels) for burst in bursts if burst),
        at_least_one=any(allowance.at_least_one for _, _, allowance in chosen),
    )
