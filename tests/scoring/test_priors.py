"""Probabilities of models calibrated at different priors become comparable at one prior."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.risk.policy import Policy
from scanner.scoring.bursts import wish_for_bursts
from scanner.scoring.calibration import calibrate
from scanner.scoring.manifest import LabelFacts, Manifest, read_manifest
from scanner.scoring.priors import leading_facts, with_common_priors
from scanner.scoring.registry import load_scorers
from scanner.scoring.segment import separate_shadow
from scanner.settings.policies import compose_policies
from scanner.settings.sections import Settings
from scanner.testing.scorers import check_scorer, sample
from scanner.types import Gate, Label, ModelRef, ScoredFrame, Scores, SegmentKey, StreamId
from tests.scoring.build_onnx import manifest_table, tiny, tiny_burst

FIGHT, GUN = Label("fight"), Label("gun")
TINY = Manifest.model_validate(manifest_table())
PRIORS = st.floats(0.001, 0.999)


def manifest(name: str, **labels: Mapping[str, object]) -> Manifest:
    """Return the manifest of a model of fight and gun, with the given facts."""
    table = manifest_table()["labels"]
    facts = {
        Label(label): LabelFacts.model_validate({**table[label], **labels.get(label, {})})
        for label in table
    }
    return TINY.model_copy(update={"name": name, "labels": facts})


def evidence(prior: float, probability: float) -> float:
    return Policy(category="violence", severity=2, training_prior=prior).llr(probability)


@settings(deadline=None)
@given(
    logit=st.floats(-8.0, 8.0),
    a=st.floats(0.2, 3.0),
    b=st.floats(-3.0, 3.0),
    own=PRIORS,
    leaders=PRIORS,
)
def test_a_move_to_another_prior_keeps_the_evidence_of_a_score(
    logit: float, a: float, b: float, own: float, leaders: float
) -> None:
    leader = manifest("leader", fight={"training_prior": leaders})
    other = manifest("other", fight={"training_prior": own, "calibration": {"a": a, "b": b}})

    _, moved = with_common_priors([leader, other])

    (before,) = calibrate([logit], [other.labels[FIGHT].calibration])
    (after,) = calibrate([logit], [moved.labels[FIGHT].calibration])
    if min(before, after) > 1e-6 and max(before, after) < 1 - 1e-6:
        assert evidence(leaders, after) == pytest.approx(evidence(own, before), abs=1e-6)
    assert moved.labels[FIGHT].training_prior == pytest.approx(leaders, rel=1e-12)


@given(
    own=PRIORS,
    leaders=PRIORS,
    logits=st.lists(st.floats(-8.0, 8.0), min_size=2, max_size=2, unique=True),
)
def test_a_move_to_another_prior_keeps_the_order_of_scores(
    own: float, leaders: float, logits: list[float]
) -> None:
    _, moved = with_common_priors(
        [
            manifest("leader", fight={"training_prior": leaders}),
            manifest("other", fight={"training_prior": own}),
        ]
    )

    low, high = calibrate(sorted(logits), [moved.labels[FIGHT].calibration] * 2)
    assert low <= high


def test_the_higher_of_two_scores_is_the_stronger_evidence() -> None:
    rare, common = (
        manifest("a", fight={"training_prior": 0.02}),
        manifest("b", fight={"training_prior": 0.5}),
    )

    _, moved = with_common_priors([rare, common])

    unsure = calibrate([0.0], [moved.labels[FIGHT].calibration])[0]
    assert unsure == pytest.approx(0.02)


def test_a_model_that_shares_no_label_or_has_the_same_prior_is_unchanged() -> None:
    one, same = manifest("one"), manifest("same")

    assert with_common_priors([one]) == (one,)
    assert with_common_priors([one, same])[1] is same


def test_the_first_model_that_has_a_label_live_leads() -> None:
    shadow = manifest("a", fight={"training_prior": 0.1, "policy": {"shadow": True}})
    live = manifest("b", fight={"training_prior": 0.2})

    assert leading_facts([shadow, live])[FIGHT].training_prior == 0.2
    assert leading_facts([shadow])[FIGHT].training_prior == 0.1
    assert with_common_priors([shadow, live])[0].labels[FIGHT].training_prior == 0.2
    assert compose_policies(Settings(), [shadow, live]).labels[FIGHT].training_prior == 0.2
    assert not compose_policies(Settings(), [shadow, live]).labels[FIGHT].shadow


def test_a_gate_on_a_label_of_its_own_model_moves_with_it(tmp_path: Path) -> None:
    mover = read_manifest(tiny_burst(tmp_path / "z", gate='[gate]\nlabel = "fight"\nabove = 0.5\n'))

    _, moved = with_common_priors([manifest("a", fight={"training_prior": 0.2}), mover])

    assert moved.gate is not None
    assert moved.gate.above == pytest.approx(0.2)


def test_loaded_models_have_one_prior_and_keep_the_contract(tmp_path: Path) -> None:
    tiny(tmp_path / "a")
    other, fights = tiny(tmp_path / "b") / "model.toml", "[labels.fight]\ntraining_prior = {}"
    other.write_text(
        other.read_text("utf-8").replace(fights.format(0.5), fights.format(0.8)), "utf-8"
    )
    drawn = [sample(at, np.full((8, 8, 3), level, np.uint8)) for at, level in enumerate((20, 200))]

    _, leader, moved = load_scorers(tmp_path)

    check_scorer(moved, drawn)
    for one, same in zip(leader.score(drawn), moved.score(drawn), strict=True):
        shift = math.log(same.values[FIGHT] / (1 - same.values[FIGHT])) - math.log(
            one.values[FIGHT] / (1 - one.values[FIGHT])
        )
        assert shift == pytest.approx(-math.log(0.8 / 0.2), abs=1e-5)
        assert same.values[GUN] == one.values[GUN]


def test_a_model_in_shadow_opens_a_gate() -> None:
    scores = Scores(model=ModelRef(name="shadow", version="1"), values={FIGHT: 0.9})
    (frame,) = separate_shadow(
        [ScoredFrame(at=Fraction(0), pts=0, keyframe=True, scores=(scores,))],
        {scores.model: frozenset({FIGHT})},
    )
    key = SegmentKey(stream_id=StreamId("s"), sequence=1)

    low, high = (
        wish_for_bursts([frame], key, (Gate(label=FIGHT, above=above),), 0.0, Fraction(4))
        for above in (0.8, 0.95)
    )
    assert low is not None
    assert high is None
