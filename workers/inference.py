"""The inference actor: samples of many streams are scored together, by size or by deadline, where
the accelerator is."""

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

__all__ = ["Ask", "InferenceActor", "RemoteScorer", "ScorerFacts", "remote_scorers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerFacts:
    """What a scorer says of itself, without the session."""

    model: ModelRef
    inputs: tuple[FrameSpec, ...]
    labels: tuple[Label, ...]
    media: tuple[Medium, ...]
    gate: Gate | None = None
    shadow: frozenset[Label] = frozenset()

    @classmethod
    def of(cls, scorer: Scorer) -> ScorerFacts:
        """What this one says."""
        return cls(
            model=scorer.model,
            inputs=scorer.inputs,
            labels=scorer.labels,
            media=scorer.media,
            gate=burst_gate(scorer),
            shadow=shadow_labels(scorer),
        )

    @property
    def pictures(self) -> int:
        """Of one sample: as many as a burst has frames."""
        return max(
            (1 if spec.burst is None else spec.burst.frames for spec in self.inputs), default=1
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    sample: Sample
    answer: Future[Scores]


class InferenceActor:
    """Holds all scorers of one accelerator. ``score`` is called by many threads at once, one for
    each decode actor.

    Each scorer has a thread and a batcher of its own: a call's samples wait for those of other
    calls, at most ``batching.wait`` seconds, and come back in their own order.
    """

    def __init__(self, scorers: Sequence[Scorer], batching: Batching) -> None:
        self._scorers = tuple(scorers)
        self._desks = tuple(_Desk(scorer, batching) for scorer in self._scorers)

    def facts(self) -> tuple[ScorerFacts, ...]:
        """Of each scorer, in order; ``score`` knows them by this order."""
        return tuple(ScorerFacts.of(scorer) for scorer in self._scorers)

    def score(self, index: int, batch: Sequence[Sample]) -> list[Scores]:
        """What the scorer at ``index`` says of each sample; waits for it."""
        answers = self._desks[index].ask(batch)
        return [answer.result() for answer in answers]

    def close(self) -> None:
        """Score what waits and end the threads."""
        for desk in self._desks:
            desk.close()


class _Desk:
    """One scorer, the queue in front of it, and the thread that serves both."""

    def __init__(self, scorer: Scorer, batching: Batching) -> None:
        self._scorer = scorer
        self._queue: Batcher[_Asked] = Batcher(batching.of(ScorerFacts.of(scorer).pictures))
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(
            target=self._serve, name=f"score-{scorer.model.name}", daemon=True
        )
        self._thread.start()

    def ask(self, batch: Sequence[Sample]) -> list[Future[Scores]]:
        asked = [_Asked(sample, Future()) for sample in batch]
        with self._changed:
            now = time.monotonic()
            for one in asked:
                self._queue.add(one, now=now)
            self._changed.notify()
        return [one.answer for one in asked]

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _serve(self) -> None:
        while batch := self._next_batch():
            try:
                answers = self._scorer.score([one.sample for one in batch])
            except Exception as why:  # noqa: BLE001 - raised where it was asked
                for one in batch:
                    one.answer.set_exception(why)
                continue
            for one, answer in zip(batch, answers, strict=True):
                one.answer.set_result(answer)

    def _next_batch(self) -> list[_Asked]:
        with self._changed:
            while True:
                batch = self._queue.due(now=time.monotonic())
                if batch or (self._closed and not self._queue):
                    return batch
                deadline = self._queue.deadline()
                self._changed.wait(
                    None if deadline is None else max(0.0, deadline - time.monotonic())
                )


Ask = Callable[[int, Sequence[Sample]], list[Scores]]
"""Carries samples to the scorer with this index, and its answer back."""


class RemoteScorer:
    """A scorer whose model is elsewhere: the same ``Scorer`` to whoever asks.

    All samples of a call travel together.
    """

    def __init__(self, index: int, facts: ScorerFacts, ask: Ask) -> None:
        self._index = index
        self._facts = facts
        self._ask = ask

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
        """Only the arrays that the model looks at travel."""
        if not batch:
            return []
        return self._ask(self._index, [self._trimmed(sample) for sample in batch])

    def _trimmed(self, sample: Sample) -> Sample:
        images = {spec: sample.images[spec] for spec in self._facts.inputs}
        return replace(sample, images=images)


def remote_scorers(facts: Sequence[ScorerFacts], ask: Ask) -> tuple[Scorer, ...]:
    """The scorers behind ``ask``, in their order."""
    return tuple(RemoteScorer(index, each, ask) for index, each in enumerate(facts))
