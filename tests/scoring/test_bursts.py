from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.scoring.bursts import (
    Allowance,
    BurstWish,
    allow_bursts,
    burst_gates,
    hash_fraction,
    merge_bursts,
    wish_for_bursts,
)
from scanner.scoring.options import BurstSelection
from scanner.stream.burst_account import BurstAccount
from scanner.testing.scorers import FakeScorer
from scanner.types import (
    BURST_INTERVAL,
    Burst,
    Gate,
    Label,
    Medium,
    ModelRef,
    ScoredFrame,
    Scores,
    ScoringWork,
    SegmentKey,
    StreamId,
)

FIGHT, GUN = Label("fight"), Label("gun")
BURST = Burst(frames=4, rate=2)
GATE = Gate(label=FIGHT, above=0.5)

keys = st.builds(
    SegmentKey, stream_id=st.text(max_size=40).map(StreamId), sequence=st.integers(0, 1 << 40)
)
probabilities = st.floats(0.0, 1.0)
gates = st.lists(
    st.builds(Gate, label=st.sampled_from([FIGHT, GUN]), above=probabilities), max_size=3
)
values = st.dictionaries(st.sampled_from([FIGHT, GUN]), probabilities)


def frame(
    at: Fraction | int, scores: Mapping[Label, float], medium: Mapping[Medium, float] | None = None
) -> ScoredFrame:
    result = Scores(model=ModelRef(name="frames", version="1"), values=scores, medium=medium or {})
    return ScoredFrame(at=Fraction(at), pts=0, keyframe=True, scores=(result,))


def burst(start: Fraction | int, scores: Mapping[Label, float]) -> ScoredFrame:
    result = Scores(model=ModelRef(name="bursts", version="1"), values=scores)
    return ScoredFrame(
        at=start + BURST.length,
        pts=0,
        keyframe=False,
        scores=(result,),
        burst=BURST,
        start=Fraction(start),
    )


def wants_bursts(
    frames: Sequence[ScoredFrame], one: SegmentKey, gates: Sequence[Gate], rate: float
) -> bool:
    return wish_for_bursts(frames, one, gates, rate, Fraction(4)) is not None


def key(sequence: int, stream: str = "s") -> SegmentKey:
    return SegmentKey(stream_id=StreamId(stream), sequence=sequence)


def test_the_hash_fraction_never_changes() -> None:
    assert [round(hash_fraction(key(n)), 6) for n in range(3)] == [0.519909, 0.517189, 0.963229]
    assert hash_fraction(key(1, "\udcff")) == hash_fraction(key(1, "\udcff"))


@given(keys)
def test_the_hash_fraction_lies_in_0_to_1(one: SegmentKey) -> None:
    assert 0.0 <= hash_fraction(one) < 1.0


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("named", ["sequences", "streams"])
def test_the_base_rate_is_the_share_of_selected_segments(rate: float, named: str) -> None:
    count = 20_000
    many = (key(n) if named == "sequences" else key(0, f"stream-{n}") for n in range(count))

    share = sum(wants_bursts((), one, (), rate) for one in many) / count

    assert abs(share - rate) < 4 * (rate * (1 - rate) / count) ** 0.5


def test_streams_are_not_selected_at_the_same_sequences() -> None:
    both = [
        wants_bursts((), key(n, "a"), (), 0.5) == wants_bursts((), key(n, "b"), (), 0.5)
        for n in range(4000)
    ]

    assert 0.45 < sum(both) / len(both) < 0.55


@given(keys, st.lists(values, max_size=4), gates)
def test_a_rate_of_1_selects_all_and_a_rate_of_0_none(
    one: SegmentKey, scores: list[dict[Label, float]], some: list[Gate]
) -> None:
    frames = [frame(at, values) for at, values in enumerate(scores)]

    assert wants_bursts(frames, one, some, 1.0)
    assert not wants_bursts(frames, one, (), 0.0)


@given(keys, st.lists(values, max_size=4), gates, probabilities, st.data())
def test_a_higher_score_a_lower_gate_or_a_higher_rate_never_loses_a_segment(
    one: SegmentKey,
    scores: list[dict[Label, float]],
    some: list[Gate],
    rate: float,
    data: st.DataObject,
) -> None:
    frames = [frame(at, values) for at, values in enumerate(scores)]
    if not wants_bursts(frames, one, some, rate):
        return

    raised = [
        frame(at, {label: data.draw(st.floats(value, 1.0)) for label, value in values.items()})
        for at, values in enumerate(scores)
    ]
    lowered = [Gate(label=gate.label, above=data.draw(st.floats(0.0, gate.above))) for gate in some]

    assert wants_bursts(raised, one, some, rate)
    assert wants_bursts(frames, one, lowered, rate)
    assert wants_bursts(frames, one, some, data.draw(st.floats(rate, 1.0)))


@given(keys, st.lists(values, max_size=4), gates, probabilities)
def test_the_selection_depends_on_the_segment_alone(
    one: SegmentKey, scores: list[dict[Label, float]], some: list[Gate], rate: float
) -> None:
    frames = [frame(at, values) for at, values in enumerate(scores)]

    assert wish_for_bursts(frames, one, some, rate, Fraction(9)) == wish_for_bursts(
        frames[::-1], one, some[::-1], rate, Fraction(9)
    )


def test_a_score_at_the_gate_opens_it_and_a_label_without_scores_does_not() -> None:
    assert wants_bursts([frame(0, {FIGHT: 0.5})], key(0), [GATE], 0.0)
    assert not wants_bursts([frame(0, {FIGHT: 0.49})], key(0), [GATE], 0.0)
    assert not wants_bursts([frame(0, {GUN: 1.0})], key(0), [Gate(label=FIGHT, above=0.0)], 0.0)


def test_a_burst_is_wanted_near_the_frame_with_the_highest_score() -> None:
    frames = [frame(0, {FIGHT: 0.6}), frame(2, {FIGHT: 0.9}), frame(4, {FIGHT: 0.9})]

    wish = wish_for_bursts(frames, key(0), [GATE], 0.0, Fraction(6))

    assert wish == BurstWish(near=Fraction(2), by_gate=True, by_chance=False)


def test_a_burst_of_the_random_share_is_wanted_anywhere_in_its_segment() -> None:
    wishes = [wish_for_bursts((), key(n), (), 0.5, Fraction(10)) for n in range(2000)]

    near = sorted(float(wish.near) for wish in wishes if wish is not None)
    assert all(0 <= at < 10 for at in near)
    assert [round(near[len(near) * part // 4], 0) for part in (1, 2, 3)] == pytest.approx(
        [2.5, 5, 7.5], abs=1
    )


GATED = BurstWish(near=Fraction(0), by_gate=True, by_chance=False)
DRAWN = BurstWish(near=Fraction(0), by_gate=False, by_chance=True)
SHARES = BurstSelection(budget=0.25, live_budget=2.0)


def account(*, frames: int, bursts: int, seconds: int = 1200) -> BurstAccount:
    return BurstAccount().add(1000 * seconds, ScoringWork(frames=frames, bursts=bursts))


def test_a_gate_spends_what_the_stream_has_earned_and_no_more() -> None:
    allowed = allow_bursts(GATED, account(frames=1000, bursts=100), SHARES, live=False)

    assert allowed == Allowance(work=150)
    assert allow_bursts(GATED, account(frames=1000, bursts=250), SHARES, live=False) is None


def test_a_live_label_has_the_higher_budget_and_may_spend_in_advance() -> None:
    settled = account(frames=1000, bursts=100)
    new = account(frames=1000, bursts=100, seconds=60)

    assert allow_bursts(GATED, settled, SHARES, live=True) == Allowance(work=1900)
    assert allow_bursts(GATED, new, SHARES, live=True) == Allowance(work=19_900)
    assert allow_bursts(GATED, new, SHARES, live=False) == Allowance(work=150)


def test_a_segment_of_the_random_share_may_begin_a_debt_of_one_burst() -> None:
    new, in_debt = account(frames=1000, bursts=250), account(frames=1000, bursts=251)

    assert allow_bursts(DRAWN, new, SHARES, live=True) == Allowance(work=0, at_least_one=True)
    assert allow_bursts(DRAWN, in_debt, SHARES, live=True) is None


def test_a_gate_with_media_is_shut_to_frames_of_others() -> None:
    gate = Gate(label=FIGHT, above=0.5, when=frozenset({Medium.CAMERA, Medium.MIXED}))
    shares = {Medium.CAMERA: 0.3, Medium.MIXED: 0.2, Medium.RENDERED: 0.5}

    assert wants_bursts([frame(0, {FIGHT: 0.9}, shares)], key(0), [gate], 0.0)
    assert not wants_bursts(
        [frame(0, {FIGHT: 0.9}, {Medium.CAMERA: 0.4, Medium.RENDERED: 0.6})], key(0), [gate], 0.0
    )
    assert wants_bursts([frame(0, {FIGHT: 0.9})], key(0), [gate], 0.0)  # no model tells the medium
    assert wants_bursts([frame(0, {FIGHT: 0.9}, {Medium.RENDERED: 1.0})], key(0), [GATE], 0.0)
    assert burst_gates(FakeScorer("fight", gate=gate), BurstSelection(above={GUN: 0.2})) == (
        Gate(label=GUN, above=0.2, when=gate.when),
    )


def test_the_operators_gates_replace_those_of_a_model() -> None:
    model = FakeScorer("fight", gate=GATE)

    assert burst_gates(model, BurstSelection()) == (GATE,)
    assert burst_gates(model, BurstSelection(above={GUN: 0.2})) == (Gate(label=GUN, above=0.2),)
    assert burst_gates(model, BurstSelection(above={})) == ()
    assert burst_gates(FakeScorer("fight"), BurstSelection()) == ()


@pytest.mark.parametrize(
    "wrong", [{"base_rate": 1.5}, {"base_rate": float("nan")}, {"above": {FIGHT: -0.1}}]
)
def test_a_share_lies_between_0_and_1(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        BurstSelection(**wrong)  # type: ignore[arg-type]


def test_a_burst_judges_its_labels_in_place_of_the_frames_near_it() -> None:
    merged = merge_bursts(
        [frame(at, {FIGHT: 0.2, GUN: 0.1}) for at in (0, 1, 2, 5, 6)], [burst(0, {FIGHT: 0.9})]
    )

    assert [sample.at for sample in merged] == [0, 1, Fraction(3, 2), 2, 5, 6]
    assert [sorted(sample.values) for sample in merged if sample.burst is None] == [["gun"]] * 3 + [
        ["fight", "gun"]
    ] * 2


def test_at_one_instant_the_frame_comes_first() -> None:
    assert [sample.burst for sample in merge_bursts([frame(BURST.length, {})], [burst(0, {})])] == [
        None,
        BURST,
    ]


def test_a_burst_has_the_medium_of_the_frame_on_screen() -> None:
    screen, camera = {Medium.SCREEN: 1.0}, {Medium.CAMERA: 1.0}
    frames = [frame(0, {}, screen), frame(1, {}, camera), frame(2, {}, screen)]

    assert [
        sample.medium
        for sample in merge_bursts(frames, [burst(0, {FIGHT: 0.9})])
        if sample.burst is not None
    ] == [camera]
    assert [
        sample.medium
        for sample in merge_bursts(frames[2:], [burst(0, {FIGHT: 0.9})])
        if sample.burst is not None
    ] == [screen]
    assert [sample.medium for sample in merge_bursts([], [burst(0, {FIGHT: 0.9})])] == [{}]


@given(
    st.lists(st.fractions(0, 20, max_denominator=30), max_size=8),
    st.lists(st.integers(0, 9), unique=True, max_size=5),
)
def test_merging_keeps_all_samples_in_order_of_time(
    times: list[Fraction], starts: list[int]
) -> None:
    frames = [frame(at, {FIGHT: 0.5}) for at in sorted(times)]
    bursts = [burst(2 * start, {FIGHT: 0.5}) for start in sorted(starts)]

    merged = merge_bursts(frames, bursts)

    assert sorted(sample.at for sample in merged) == [sample.at for sample in merged]
    assert len(merged) == len(frames) + len(bursts)
    near = [
        any(
            one.start - BURST_INTERVAL <= sample.at <= one.at + BURST_INTERVAL
            for one in bursts
            if one.start is not None
        )
        for sample in frames
    ]
    assert [bool(sample.superseded_values) for sample in merged if sample.burst is None] == near
