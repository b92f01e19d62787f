"""Properties of the fold that hold for every stream."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.risk.fold import fold_observation
from scanner.risk.incident import Closed, Opened, Reason
from scanner.risk.observation import Ended, Observation, Sampled
from scanner.risk.policy import Policies, Policy
from scanner.risk.stream import StreamRisk
from scanner.types import Medium
from tests.risk.streams import (
    FIRE,
    GUN,
    HIGH,
    LOW,
    fold,
    gap,
    incidents,
    methods,
    new,
    observed_streams,
    policies,
    quick,
    sampled_streams,
    samples,
    scores,
    steps,
    unbroken,
)


def two_labels(method: str = "dwell") -> Policies:
    camera = frozenset({Medium.CAMERA})
    return Policies(
        labels={
            FIRE: Policy(
                category="hazard", severity=2, method=method, may_open_on_signal=True, open=1.0
            ),
            GUN: Policy(
                category="violence", method=method, when=camera, open=1.0, close_after=Fraction(3)
            ),
        }
    )


@quick
@given(
    sampled_streams(between=unbroken),
    st.lists(st.integers(1, 9), max_size=40),
    st.sampled_from(["dwell", "two_state"]),
)
def test_a_score_repeated_inside_its_own_interval_changes_no_level(
    stream: list[Sampled], parts: list[int], method: str
) -> None:
    rules = Policies(labels={FIRE: Policy(category="hazard", method=method)})
    refined: list[Sampled] = []
    before = Fraction(-2)
    for sampled, tenths in zip(stream, parts + [5] * len(stream), strict=False):
        start = max(before, sampled.at - 2)
        inside = start + (sampled.at - start) * Fraction(tenths, 10)
        refined += [Sampled(at=inside, values=sampled.values)] if inside >= 0 else []
        refined.append(Sampled(at=sampled.at, values=sampled.values))
        before = sampled.at

    once, again = fold(stream, rules)[0], fold(refined, rules)[0]

    if method == "dwell":
        assert again.levels == once.levels
    else:
        assert again.levels[FIRE] == pytest.approx(once.levels[FIRE], abs=1e-9)


@quick
@given(observed_streams(), methods, st.data())
def test_replay_from_json_at_any_point_is_equal_to_the_bit(
    stream: list[Observation], method: str, data: st.DataObject
) -> None:
    rules = two_labels(method)
    where = data.draw(st.integers(0, len(stream)))

    straight, all_events = fold(stream, rules)
    half, events = fold(stream[:where], rules)
    restored = StreamRisk.from_json(json.loads(json.dumps(half.to_json())))
    resumed, later = fold(stream[where:], rules, restored)

    assert restored == half
    assert resumed == straight
    assert json.dumps(resumed.to_json()) == json.dumps(straight.to_json())
    assert [*events, *later] == all_events


@quick
@given(sampled_streams(), methods)
def test_a_sample_that_comes_twice_has_no_effect(stream: list[Sampled], method: str) -> None:
    rules = two_labels(method)

    once = fold(stream, rules)
    twice = fold([copy for sampled in stream for copy in (sampled, sampled)], rules)

    assert twice == once


@quick
@given(
    sampled_streams(least=2),
    st.sampled_from(["dwell", "two_state", "k_of_n", "median", "decay"]),
    st.data(),
)
def test_the_level_is_monotone_in_every_score(
    stream: list[Sampled], method: str, data: st.DataObject
) -> None:
    rules = policies(method)
    raised = data.draw(st.integers(0, len(stream) - 1))
    higher = data.draw(st.floats(stream[raised].values[FIRE], 1.0))
    changed = [
        *stream[:raised],
        Sampled(at=stream[raised].at, values={FIRE: higher}),
        *stream[raised + 1 :],
    ]

    level, above = fold(stream, rules)[0].levels[FIRE], fold(changed, rules)[0].levels[FIRE]

    assert (level is None) == (above is None)
    assert level is None or (above is not None and above >= level - 1e-9)


@quick
@given(sampled_streams(most=20), sampled_streams(most=20), steps)
def test_nothing_older_than_the_window_matters(
    old: list[Sampled], recent: list[Sampled], pause: Fraction
) -> None:
    rules = policies()
    window = rules.labels[FIRE].window
    begin = old[-1].at + pause
    shifted = [Sampled(at=begin + sampled.at, values=sampled.values) for sampled in recent]
    whole = [*old, *shifted]
    since = whole[-1].at - window
    kept = [sampled for sampled in whole if sampled.at > since]

    assert fold(whole, rules)[0].levels == fold(kept, rules)[0].levels


@quick
@given(sampled_streams(), st.integers(1, 80), methods)
def test_a_gap_never_lowers_the_risk_below_the_prior_and_never_closes_as_quiet(
    stream: list[Sampled], length: int, method: str
) -> None:
    rules = policies(method)
    prior = rules.labels[FIRE].risk(None)
    before = fold(stream, rules)[0]

    after, events = fold_observation(before, gap(before.at, before.at + length), rules)

    was, now = before.risks(rules)[FIRE], after.risks(rules)[FIRE]
    assert now >= min(was, prior)
    assert length >= 30 or now >= was
    reasons = [event.incident.reason for event in events if isinstance(event, Closed)]
    assert reasons == [] if length < 30 else set(reasons) <= {Reason.UNSEEN}


@quick
@given(st.lists(scores, min_size=2, max_size=20))
def test_the_same_scores_at_half_a_second_and_at_two_seconds_give_the_same_level(
    values: list[float],
) -> None:
    rules = policies()
    sparse = samples(values, step=2)
    dense = samples(values[:1] + [value for value in values[1:] for _ in range(4)], step=0.5)

    assert fold(dense, rules)[0].levels == fold(sparse, rules)[0].levels


@quick
@given(st.lists(steps, min_size=5, max_size=40), st.data())
def test_samples_that_cover_less_than_the_floor_never_open(
    pauses: list[Fraction], data: st.DataObject
) -> None:
    rules = policies()
    floor, hold = rules.labels[FIRE].dwell, rules.labels[FIRE].hold
    stream, at, spent = [Sampled(at=Fraction(0), values={FIRE: LOW})], Fraction(0), Fraction(0)
    for pause in pauses:
        at += pause
        high = spent + min(pause, hold) < floor and data.draw(st.booleans())
        spent += min(pause, hold) if high else 0
        stream.append(Sampled(at=at, values={FIRE: 1.0 if high else LOW}))

    assert fold(stream, rules)[1] == []


@pytest.mark.parametrize("value", [math.nan, -0.1, 1.1, math.inf])
def test_a_value_that_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        Sampled(at=Fraction(0), values={FIRE: value})
    with pytest.raises(ValueError, match="must lie in"):
        Sampled(at=Fraction(0), values={}, medium={Medium.CAMERA: value})


@quick
@given(observed_streams(), methods)
def test_incident_ids_are_stable_on_replay_and_every_incident_opens_before_it_closes(
    stream: list[Observation], method: str
) -> None:
    rules = two_labels(method)

    first, second = fold(stream, rules)[1], fold(stream, rules)[1]

    assert [e.incident.id for e in first] == [e.incident.id for e in second]
    opened = [e.incident.id for e in first if isinstance(e, Opened)]
    assert len(set(opened)) == len(opened)
    assert {i.id for i in incidents(first)} <= set(opened)
    revisions = {
        name: [e.incident.revision for e in first if e.incident.id == name] for name in opened
    }
    assert all(found == list(range(1, len(found) + 1)) for found in revisions.values())


@quick
@given(observed_streams())
def test_seen_and_unseen_time_add_up_to_the_stream(stream: list[Observation]) -> None:
    coverage = fold(stream, policies())[0].coverage

    assert coverage.seen + sum(coverage.unseen.values()) == coverage.until
    assert 0.0 <= coverage.share(coverage.until) <= 1.0


def test_an_older_observation_is_refused() -> None:
    risk = fold(samples([HIGH, HIGH]), policies())[0]

    with pytest.raises(ValueError, match="older than its risk"):
        fold_observation(risk, samples([HIGH])[0], policies())


def test_nothing_follows_the_end() -> None:
    risk = fold([Ended(at=Fraction(3))], policies())[0]

    with pytest.raises(ValueError, match="ended at 3 s"):
        fold_observation(risk, Ended(at=Fraction(4)), policies())


def test_a_new_stream_is_at_the_prior() -> None:
    assert new().risks(policies()) == {FIRE: pytest.approx(1 / 360)}
