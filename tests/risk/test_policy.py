from __future__ import annotations

from fractions import Fraction
from math import log

import pytest

from scanner.pipeline.replay import IncidentPair, pair_incidents
from scanner.risk.incident import Incident
from scanner.risk.policy import Policies, Policy
from scanner.risk.still import judge_still
from scanner.types import Label, Medium, StreamId
from tests.risk.streams import CAMERA, FIRE, GAME, GUN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "hunch"),
        ("severity", 4),
        ("open", float("nan")),
        ("b", float("nan")),
        ("a", 0.0),
        ("close_margin", -1.0),
        ("dwell", Fraction(13)),
        ("window", Fraction(0)),
        ("hold", Fraction(0)),
        ("live_prior", 0.0),
        ("training_prior", 1.0),
        ("still", 1.5),
        ("when", frozenset()),
        ("pre_roll", Fraction(-1)),
    ],
)
def test_a_policy_that_cannot_work_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        Policy(category="x", **{name: value})  # type: ignore[arg-type]


def test_the_risk_of_an_unknown_level_is_the_prior_and_nothing_lowers_it() -> None:
    policy = Policy(category="x", live_prior=0.01)

    assert policy.risk(None) == pytest.approx(0.01)
    assert policy.risk(None, boost=-3.0) == pytest.approx(0.01)
    assert policy.risk(None, boost=log(2)) > 0.01


def test_risk_is_a_probability_only_after_a_fit() -> None:
    assert not Policy(category="x").fitted
    fitted = Policy(category="x", live_prior=0.5, a=0.5, b=-1.0)
    assert fitted.fitted
    assert fitted.risk(2.0) == 0.5


def test_every_risk_is_a_probability_however_extreme_the_level() -> None:
    policy = Policy(category="x")

    assert policy.risk(1e9) == 1.0
    assert policy.risk(-1e9) == 0.0


# Stills


def stills(**changes: object) -> Policies:
    gun = Policy(category="violence", severity=3, still=0.8, **changes)  # type: ignore[arg-type]
    return Policies(labels={FIRE: Policy(category="hazard", severity=2, still=0.5), GUN: gun})


def test_a_still_is_flagged_by_its_scores_the_most_severe_label_first() -> None:
    assert judge_still({FIRE: 0.5, GUN: 0.8, Label("other"): 1.0}, {}, stills()) == (GUN, FIRE)
    assert judge_still({FIRE: 0.49, GUN: 0.79}, {}, stills()) == ()


def test_a_still_of_another_medium_is_not_flagged() -> None:
    on_camera = stills(when=frozenset({Medium.CAMERA}))

    assert judge_still({GUN: 1.0}, GAME, on_camera) == ()
    assert judge_still({GUN: 1.0}, CAMERA, on_camera) == (GUN,)
    assert judge_still({GUN: 1.0}, {}, on_camera) == (GUN,)


def test_a_label_in_shadow_is_never_flagged() -> None:
    assert judge_still({GUN: 1.0}, {}, stills(shadow=True)) == ()


def test_a_label_in_shadow_may_be_flagged_on_still_pictures() -> None:
    live, hidden = stills(shadow=True, still_shadow=False), stills(still_shadow=True)

    assert judge_still({GUN: 1.0}, {}, live) == (GUN,)
    assert judge_still({GUN: 1.0}, {}, hidden) == ()


# Incidents under another policy


def incident(
    name: str, start: float, end: float | None, label: Label = FIRE, stream: str = "s1"
) -> Incident:
    return Incident(
        id=name,
        stream_id=StreamId(stream),
        label=label,
        labels=(label,),
        category="x",
        severity=1,
        start=Fraction(start),
        opened=Fraction(start),
        end=None if end is None else Fraction(end),
        peak=0.5,
    )


def test_incidents_pair_by_label_and_overlap_and_the_rest_is_gained_or_lost() -> None:
    before = [incident("a", 0, 10), incident("b", 20, 30), incident("c", 40, 50)]
    after = [incident("d", 0, 10), incident("e", 22, 35), incident("f", 40, 50, GUN)]

    pairing = pair_incidents(before, after)

    assert pairing.kept == (IncidentPair(before=before[0], after=after[0]),)
    assert pairing.moved == (IncidentPair(before=before[1], after=after[1]),)
    assert (pairing.lost, pairing.gained) == ((before[2],), (after[2],))


def test_of_two_that_overlap_the_longer_overlap_wins_and_the_other_is_gained() -> None:
    before, after = [incident("a", 0, 20)], [incident("b", 0, 5), incident("c", 6, 20)]

    pairing = pair_incidents(before, after)

    assert [(pair.before.id, pair.after.id) for pair in pairing.moved] == [("a", "c")]
    assert [gained.id for gained in pairing.gained] == ["b"]


def test_an_open_incident_has_no_end_and_streams_are_kept_apart() -> None:
    before = [incident("a", 0, None), incident("b", 0, 5, stream="s2")]

    pairing = pair_incidents(before, [incident("c", 1000, 1001)])

    assert [(pair.before.id, pair.after.id) for pair in pairing.moved] == [("a", "c")]
    assert [lost.id for lost in pairing.lost] == ["b"]
