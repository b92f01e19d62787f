"""The scripts in ``benchmarks/``: both sides of a comparison do the same work."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.turns import Costs, Goal, measure_in_turns
from scanner.bench.bare import (
    decode_packets,
    dense_frames,
    keyframe_frames,
    keyframe_packets,
    opencv_frames,
)
from tests.bench.build import small_clip

COSTS = Costs({"ours": [1.0, 3.0, 2.2], "bare": [1.0, 2.0, 2.0]})


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_clip(tmp_path_factory.mktemp("clip"))


def test_bare_loops_decode_both_keyframes(clip: Path) -> None:
    data = clip.read_bytes()

    assert decode_packets(keyframe_packets(data)) == 2
    assert [rgb.shape for rgb in keyframe_frames(data)] == [(224, 224, 3)] * 2


def test_bare_loops_sample_about_every_half_second(clip: Path) -> None:
    data = clip.read_bytes()

    assert len(list(opencv_frames(clip))) == 8
    assert [len(list(dense_frames(data, skip))) for skip in ("BIDIR", "NONREF")] == [
        7,
        7,
    ]  # as of 10 frames a second B-frames are left out


def test_measurements_alternate_after_a_warm_up() -> None:
    order: list[str] = []

    costs = measure_in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)

    assert order == ["a", "b", "a", "b", "a", "b"]
    assert [len(rounds) for rounds in costs.rounds.values()] == [2, 2]


def test_the_median_ratio_of_the_rounds_is_printed_with_its_middle_half() -> None:
    assert COSTS.format_ratio("ours", "bare") == "ours / bare: 1.100 (1.050 to 1.300)"


@pytest.mark.parametrize(
    ("bound", "at_least", "met"),
    [(1.2, False, True), (1.0, False, False), (1.0, True, True), (1.2, True, False)],
)
def test_a_goal_is_met_or_missed_by_the_median(
    bound: float, at_least: bool, met: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        COSTS.check_goals([Goal(name="ours", over="bare", bound=bound, at_least=at_least)]) is met
    )
    assert capsys.readouterr().out.endswith("met\n" if met else "MISSED\n")
