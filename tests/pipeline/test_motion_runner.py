"""A worker with burst models: which bursts it requests, and how it continues after a death."""

from __future__ import annotations

import logging
from fractions import Fraction

import pytest

from scanner.errors import DamagedError, SetupError
from scanner.types import (
    Gate,
    Medium,
)
from tests.pipeline.motion_fakes import (
    BURST,
    FIGHT,
    FRAME,
    GUN,
    NONE,
    WINDOWS,
    FakeSandbox,
    bursts_model,
    frames_model,
    frames_of,
    results_of,
    work,
)


def test_each_model_is_given_its_own_inputs() -> None:
    frames, bursts = frames_model(), bursts_model()

    work(FakeSandbox(0.1, 0.2, 0.3), frames, bursts)

    assert frames.scored_times == [0, 0, 0]  # the second frame of each window is like its first
    assert bursts.scored_times == [Fraction(3, 2)] * 3


def test_a_burst_is_in_order_of_time_with_the_medium_of_its_frames_and_supersedes_them() -> None:
    first, second, burst, *_ = frames_of(work(FakeSandbox(0.5, 0.5, 0.5)))

    assert [first.at, second.at, burst.at] == [0, 1, Fraction(3, 2)]
    assert (burst.burst, burst.start, burst.medium) == (
        BURST.burst,
        0,
        {Medium.CAMERA: 1.0, Medium.SCREEN: 0.0},
    )
    assert burst.values == {FIGHT: pytest.approx(0.9, abs=0.01)}
    assert set(first.values) == {GUN}
    assert first.superseded_values == {FIGHT: pytest.approx(0.5, abs=0.01)}


def test_bursts_are_requested_only_of_segments_that_pass_the_gate() -> None:
    sandbox = FakeSandbox(0.1, 0.8, 0.1)

    outcomes = work(
        sandbox, frames_model(), bursts_model(gate=Gate(label=FIGHT, above=0.5)), selection=NONE
    )

    assert sandbox.requested == [1]
    assert [frame.burst is None for frame in frames_of(outcomes)] == [
        True,
        True,
        True,
        True,
        False,
        True,
        True,
    ]
    assert all(set(frame.values) == {FIGHT, GUN} for frame in frames_of(outcomes)[:2])


def test_without_a_burst_model_no_bursts_are_requested() -> None:
    sandbox = FakeSandbox(0.9, 0.9, 0.9)

    work(sandbox, frames_model())

    assert sandbox.requested == []


def test_a_model_runs_by_its_own_gate_only() -> None:
    early, late = (
        bursts_model("fight", name=name, gate=Gate(label=FIGHT, above=above))
        for name, above in (("early", 0.2), ("late", 0.7))
    )

    work(FakeSandbox(0.1, 0.5, 0.9), frames_model(), early, late, selection=NONE)

    assert (len(early.scored_times), len(late.scored_times)) == (2, 1)


def test_a_model_in_shadow_is_recorded_and_changes_nothing() -> None:
    first, _, burst, *_ = frames_of(
        work(FakeSandbox(0.5, 0.5, 0.5), frames_model(), bursts_model(shadow=("fight",)))
    )

    assert set(first.values) == {FIGHT, GUN}
    assert burst.values == {}
    assert [scores.shadow for scores in burst.scores] == [{FIGHT: pytest.approx(0.9, abs=0.01)}]


def test_where_every_model_of_a_label_is_in_shadow_its_policy_is_and_the_bursts_count_there() -> (
    None
):
    first, _, burst, *_ = frames_of(
        work(
            FakeSandbox(0.5, 0.5, 0.5),
            frames_model(shadow=("fight",)),
            bursts_model(shadow=("fight",)),
        )
    )

    assert set(first.values) == {GUN}
    assert set(burst.values) == {FIGHT}


def test_a_frame_model_in_shadow_opens_the_gate_of_one_that_is_live() -> None:
    sandbox = FakeSandbox(0.1, 0.9, 0.1)

    outcomes = work(
        sandbox,
        frames_model(shadow=("fight",)),
        bursts_model(gate=Gate(label=FIGHT, above=0.5)),
        selection=NONE,
    )

    assert sandbox.requested == [1]
    assert [FIGHT in frame.values for frame in frames_of(outcomes)] == [
        False,
        False,
        False,
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("at", range(WINDOWS))
def test_after_a_death_at_a_burst_decoding_resumes_at_the_window_and_no_longer_runs_ahead(
    at: int,
) -> None:
    sandbox = FakeSandbox(deaths={(at, "burst"): 1})

    assert results_of(work(sandbox)) == [0, 1, 2]
    assert sandbox.calls == [(0, True), (at, False)]


def test_a_window_whose_bursts_kill_twice_is_quarantined_and_the_file_continues() -> None:
    outcomes = work(FakeSandbox(deaths={(1, "burst"): 2}))

    assert results_of(outcomes) == [0, "decoder_died", 2]


def test_a_death_while_the_window_before_is_scored_does_not_quarantine_that_one() -> None:
    """The child works ahead and dies at window 1 while the bursts of window 0 are requested; the
    next one does not work ahead, so the death is attributed to window 1."""
    sandbox = FakeSandbox(deaths={(0, "burst"): 1, (1, "window"): 2})

    assert results_of(work(sandbox)) == [0, "decoder_died", 2]


def test_an_error_of_the_source_is_never_retried() -> None:
    sandbox = FakeSandbox(deaths={(1, "burst"): 1}, error=DamagedError("clip: torn"))

    assert results_of(work(sandbox)) == [0, "damaged"]
    assert len(sandbox.calls) == 1


def test_a_model_that_takes_frames_and_bursts_is_a_set_up_error() -> None:
    both = frames_model()
    both.inputs = (FRAME, BURST)  # type: ignore[assignment]

    with pytest.raises(SetupError, match="has inputs of several kinds"):
        work(FakeSandbox(), both)


def test_a_gate_that_can_never_open_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "scanner"):
        work(
            FakeSandbox(),
            frames_model("gun"),
            bursts_model(gate=Gate(label=FIGHT, above=0.5)),
            selection=NONE,
        )

    assert "gate never opens" in caplog.text
