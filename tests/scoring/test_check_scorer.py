from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from scanner.media.samples import Sample
from scanner.testing.scorers import FakeScorer, check_scorer, sample
from scanner.types import Label, Medium, ModelRef, Scores

SAMPLES = [sample(at, np.full((8, 8, 3), 40 * at, np.uint8)) for at in range(4)]


class DropsOneScorer(FakeScorer):
    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        return super().score(batch)[:-1]


class ScoresEmptyBatchScorer(FakeScorer):
    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        return super().score(batch) or super().score(SAMPLES[:1])


class ReversingScorer(FakeScorer):
    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        return super().score(batch)[::-1]


class StatefulScorer(FakeScorer):
    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        return [
            replace(
                scores,
                values={
                    label: value / (1 + len(self.scored_times))
                    for label, value in scores.values.items()
                },
            )
            for scores in super().score(batch)
        ]


class ModifyingScorer(FakeScorer):
    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        for one in batch:
            one.images[self.inputs[0]][0, 0] += np.uint8(1)
        return super().score(batch)


class BatchDependentScorer(FakeScorer):
    """Its scores depend on what else is in the batch."""

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        return [
            replace(
                scores, values={label: value / len(batch) for label, value in scores.values.items()}
            )
            for scores in super().score(batch)
        ]


class ExtraLabelScorer(FakeScorer):
    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        return [
            replace(scores, values={**scores.values, Label("fire"): 0.5})
            for scores in super().score(batch)
        ]


class OtherModelScorer(FakeScorer):
    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        return [
            replace(scores, model=ModelRef(name="other", version="1"))
            for scores in super().score(batch)
        ]


class WrongSumScorer(FakeScorer):
    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        return [
            replace(scores, medium=dict.fromkeys(self.media, 0.2))
            for scores in super().score(batch)
        ]


def test_a_scorer_that_keeps_the_contract_passes() -> None:
    check_scorer(FakeScorer("gun", "fire", media=[Medium.CAMERA, Medium.SCREEN]), SAMPLES)


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (DropsOneScorer(), "4 samples must give 4 scores, got 3"),
        (ScoresEmptyBatchScorer(), "an empty batch must give an empty list"),
        (ReversingScorer(), "a batch must give the scores of its samples one by one"),
        (StatefulScorer(), "a batch must give the scores of its samples one by one"),
        (ModifyingScorer(), "must not modify the samples' images"),
        (BatchDependentScorer(), "a batch must give the scores of its samples one by one"),
        (ExtraLabelScorer(), r"scores must have \('gun',\), got \('gun', 'fire'\)"),
        (OtherModelScorer(), "scores must carry fake@1, got other@1"),
        (WrongSumScorer(media=[Medium.CAMERA, Medium.SCREEN]), "must sum to 1"),
    ],
)
def test_the_checker_states_how_a_scorer_breaks_the_contract(
    scorer: FakeScorer, message: str
) -> None:
    fresh = [sample(one.at, one.images[scorer.inputs[0]].copy()) for one in SAMPLES]

    with pytest.raises(AssertionError, match=message):
        check_scorer(scorer, fresh)


def test_the_scorer_protocol_and_the_burst_selection_load_no_heavy_library() -> None:
    code = (
        "import sys, scanner.scoring.bursts, scanner.scoring.conformance, scanner.scoring.priors\n"
        "print([name for name in ('numpy', 'av', 'cv2', 'onnxruntime') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
