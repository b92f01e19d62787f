"""How many bursts a worker requests within the budget of its stream."""

from __future__ import annotations

from scanner.scoring.options import BurstSelection
from scanner.stream.burst_account import BurstAccount
from scanner.stream.inputs import Outcome
from scanner.types import (
    Gate,
    ScoredSegment,
)
from tests.pipeline.motion_fakes import FIGHT, FakeSandbox, bursts_model, frames_model, work

# The budget. A window has two samples of 500 units each, and a burst takes 400.

GATED = bursts_model(gate=Gate(label=FIGHT, above=0.5))


def scored_bursts(outcomes: list[Outcome]) -> list[int]:
    return [
        outcome.key.sequence
        for outcome in outcomes
        if isinstance(outcome, ScoredSegment)
        and any(frame.burst is not None for frame in outcome.frames)
    ]


def total_work(outcomes: list[Outcome]) -> tuple[int, int]:
    works = [outcome.work for outcome in outcomes if isinstance(outcome, ScoredSegment)]
    return sum(work.frames for work in works), sum(work.bursts for work in works)


def test_open_gates_of_a_model_in_shadow_take_a_quarter_of_the_frames_work() -> None:
    outcomes = work(
        FakeSandbox(*(0.9,) * 40),
        frames_model(),
        GATED,
        selection=BurstSelection(base_rate=0.0),
    )

    assert scored_bursts(outcomes)[:4] == [1, 3, 4, 6]
    frames, bursts = total_work(outcomes)
    assert frames == 40_000
    assert 10_000 - 400 <= bursts <= 10_000


def test_a_calm_stream_has_saved_for_the_scene_that_opens_the_gate() -> None:
    outcomes = work(
        FakeSandbox(*(0.1,) * 40, *(0.9,) * 40),
        frames_model(),
        GATED,
        selection=BurstSelection(base_rate=0.0),
    )

    assert scored_bursts(outcomes)[:25] == list(range(40, 65))


def test_what_a_stream_saved_more_than_ten_minutes_ago_is_gone() -> None:
    outcomes = work(
        FakeSandbox(*(0.1,) * 1000, *(0.9,) * 1000),
        frames_model(),
        GATED,
        selection=BurstSelection(base_rate=0.0),
    )

    ten_minutes = 300
    for first in range(1000, 2000 - ten_minutes):
        frames, bursts = total_work(outcomes[first : first + ten_minutes])
        assert bursts <= 0.25 * frames * 1.05


def test_a_live_label_has_bursts_from_the_first_window_on_up_to_its_budget() -> None:
    selection = BurstSelection(base_rate=0.0, budget=0.0, live_budget=0.1)
    outcomes = work(
        FakeSandbox(*(0.9,) * 400),
        frames_model(),
        GATED,
        selection=selection,
        live=frozenset({FIGHT}),
    )

    assert scored_bursts(outcomes)[:70] == list(range(70))  # ten minutes pay 75
    assert total_work(outcomes[:300])[1] <= 0.1 * 300 * 1000


def test_a_label_that_is_live_in_another_model_does_not_raise_the_budget() -> None:
    outcomes = work(
        FakeSandbox(*(0.9,) * 4),
        frames_model(),
        bursts_model(gate=Gate(label=FIGHT, above=0.5), shadow=("fight",)),
        selection=BurstSelection(base_rate=0.0),
        live=frozenset({FIGHT}),
    )

    assert scored_bursts(outcomes) == [1, 3]


def test_a_window_decides_the_same_whether_the_file_is_scored_from_the_start_or_from_it() -> None:
    levels = [0.9 if number % 3 else 0.1 for number in range(60)]
    selection = BurstSelection(base_rate=0.1)
    whole = work(FakeSandbox(*levels), frames_model(), GATED, selection=selection)

    account = BurstAccount()
    for number, outcome in enumerate(whole):
        rest = work(
            FakeSandbox(*levels),
            frames_model(),
            GATED,
            selection=selection,
            first_window=number,
            account=account,
        )
        assert rest == whole[number:]
        assert isinstance(outcome, ScoredSegment)
        account = account.record(outcome)
