"""The inference actor: scores samples of many streams in batches on one accelerator."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from scanner.media.samples import Sample
from scanner.scoring.scorer import Scorer, burst_gate, shadow_labels
from scanner.types import FrameSpec, Gate, Label, Medium, ModelRef, Scores
from workers.batching import Batcher, Batching

__all__ = ["InferenceActor", "RemoteScorer", "ScoreRemotely", "ScorerFacts", "remote_scorers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerFacts:
    """The properties of a scorer, without its model."""

    model: ModelRef
    inputs: tuple[FrameSpec, ...]
    labels: tuple[Label, ...]
    media: tuple[Medium, ...]
    gate: Gate | None = None
    shadow: frozenset[Label] = frozenset()

    @classmethod
    def of(cls, scorer: Scorer) -> ScorerFacts:
        """Return the properties of a scorer."""
        return cls(
            model=scorer.model,
            inputs=scorer.inputs,
            labels=scorer.labels,
            media=scorer.media,
            gate=burst_gate(scorer),
            shadow=shadow_labels(scorer),
        )

    @property
    def images_per_sample(self) -> int:
        """Images in one sample: as many as a burst has frames."""
        return max(
            (1 if spec.burst is None else spec.burst.frames for spec in self.inputs), default=1
        )


@dataclass(frozen=True, slots=True)
class _ScoreRequest:
    sample: Sample
    scores: Future[Scores]


class InferenceActor:
    """Owns all scorers of one accelerator. ``score`` is called by several threads at once, one for
    each decode actor.

    Each scorer has a thread and a batcher of its own: a call's samples wait for those of other
    calls, at most ``batching.wait`` seconds, and their scores are returned in the call's order.
    """

    def __init__(self, scorers: Sequence[Scorer], batching: Batching) -> None:
        self._scorers = tuple(scorers)
        self._queues = tuple(_ScorerQueue(scorer, batching) for scorer in self._scorers)

    def facts(self) -> tuple[ScorerFacts, ...]:
        """Return the properties of each scorer; their order gives the index for ``score``."""
        return tuple(ScorerFacts.of(scorer) for scorer in self._scorers)

    def score(self, index: int, batch: Sequence[Sample]) -> list[Scores]:
        """Return the scores of each sample by the scorer at ``index``, once they are there."""
        return [scores.result() for scores in self._queues[index].submit(batch)]

    def close(self) -> None:
        """Score the samples that wait, and end the threads."""
        for queue in self._queues:
            queue.close()


class _ScorerQueue:
    """One scorer, its queue of samples, and the thread that scores them."""

    def __init__(self, scorer: Scorer, batching: Batching) -> None:
        self._scorer = scorer
        images = ScorerFacts.of(scorer).images_per_sample
        self._batcher: Batcher[_ScoreRequest] = Batcher(batching.for_items_of(images))
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(
            target=self._serve, name=f"score-{scorer.model.name}", daemon=True
        )
        self._thread.start()

    def submit(self, batch: Sequence[Sample]) -> list[Future[Scores]]:
        requests = [_ScoreRequest(sample, Future()) for sample in batch]
        with self._changed:
            now = time.monotonic()
            for request in requests:
                self._batcher.add(request, now=now)
            self._changed.notify()
        return [request.scores for request in requests]

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _serve(self) -> None:
        while batch := self._next_batch():
            try:
                scored = self._scorer.score([request.sample for request in batch])
            except Exception as error:  # noqa: BLE001 - raised in the thread that called ``score``
                for request in batch:
                    request.scores.set_exception(error)
                continue
            for request, scores in zip(batch, scored, strict=True):
                request.scores.set_result(scores)

    def _next_batch(self) -> list[_ScoreRequest]:
        with self._changed:
            while True:
                batch = self._batcher.take_due(now=time.monotonic())
                if batch or (self._closed and not self._batcher):
                    return batch
                deadline = self._batcher.deadline()
                self._changed.wait(
                    None if deadline is None else max(0.0, deadline - time.monotonic())
                )


ScoreRemotely = Callable[[int, Sequence[Sample]], list[Scores]]
"""Sends samples to the scorer with this index, and returns their scores."""


class RemoteScorer:
    """A ``Scorer`` whose model is in another process. All samples of a call travel together."""

    def __init__(self, index: int, facts: ScorerFacts, score_remotely: ScoreRemotely) -> None:
        self._index = index
        self._facts = facts
        self._score_remotely = score_remotely

    @property
    def model(self) -> ModelRef:
        return self._facts.model

    @property
    def inputs(self) -> tuple[FrameSpec, ...]:
        return self._facts.inputs

    @property
    def labels(self) -> tuple[Label, ...]:
        return self._facts.labels

    @property
    def media(self) -> tuple[Medium, ...]:
        return self._facts.media

    @property
    def gate(self) -> Gate | None:
        return self._facts.gate

    @property
    def shadow(self) -> frozenset[Label]:
        return self._facts.shadow

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        """Return the scores of the samples; only the arrays that the model takes travel."""
        if not batch:
            return []
        return self._score_remotely(self._index, [self._trim(sample) for sample in batch])

    def _trim(self, sample: Sample) -> Sample:
        images = {spec: sample.images[spec] for spec in self._facts.inputs}
        return replace(sample, images=images)


def remote_scorers(
    facts: Sequence[ScorerFacts], score_remotely: ScoreRemotely
) -> tuple[Scorer, ...]:
    """Return the scorers with these properties, in their order."""
    return tuple(RemoteScorer(index, one, score_remotely) for index, one in enumerate(facts))
