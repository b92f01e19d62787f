"""The scripts in ``benchmarks/``: what they compare does the same work, and they judge as they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bare import dense, keyframe_packets, libavcodec, recipe, usual_script
from benchmarks.turns import Costs, Goal, in_turns
from tests.bench.build import small_clip

COSTS = Costs({"ours": [1.0, 3.0, 2.2], "bare": [1.0, 2.0, 2.0]})


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_clip(tmp_path_factory.mktemp("clip"))


def test_bare_loops_look_at_both_keyframes(clip: Path) -> None:
    data = clip.read_bytes()

    assert libavcodec(keyframe_packets(data)) == 2
    assert [rgb.shape for rgb in recipe(data)] == [(224, 224, 3)] * 2


def test_bare_loops_look_about_each_half_second(clip: Path) -> None:
    data = clip.read_bytes()

    assert len(list(usual_script(clip))) == 8
    assert [len(list(dense(data, skip))) for skip in ("BIDIR", "NONREF")] == [
        7,
        7,
    ]  # as of 10 frames a second B-frames are left out


def test_works_take_turns_after_a_warm_up() -> None:
    order: list[str] = []

    costs = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)

    assert order == ["a", "b", "a", "b", "a", "b"]
    assert [len(rounds) for rounds in costs.rounds.values()] == [2, 2]


def test_the_median_ratio_of_the_rounds_is_shown_with_its_middle_half() -> None:
    assert COSTS.shown("ours", "bare") == "ours / bare: 1.100 (1.050 to 1.300)"


@pytest.mark.parametrize(
    ("bound", "at_least", "kept"),
    [(1.2, False, True), (1.0, False, False), (1.0, True, True), (1.2, True, False)],
)
def test_a_goal_is_kept_or_missed_by_the_median(
    bound: float, at_least: bool, kept: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert COSTS.judge([Goal(name="ours", over="bare", bound=bound, at_least=at_least)]) is kept
    assert capsys.readouterr().out.endswith("kept\n" if kept else "MISSED\n")
