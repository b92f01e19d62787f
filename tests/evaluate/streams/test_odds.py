from __future__ import annotations

from math import log

import pytest

from scanner.evaluate.streams.assemble import assemble
from scanner.evaluate.streams.odds import MIN_GROUPS, Odds, fit_odds
from scanner.evaluate.streams.pieces import build_pool
from scanner.evaluate.streams.recordings import Recording
from scanner.evaluate.streams.sweep import Candidate, gather_material
from tests.evaluate.streams.build import FIGHT, policies, recorded_clip, recordings_of_cameras


def odds_of(recordings: list[Recording]) -> Odds:
    rules = policies()
    return fit_odds(
        gather_material(
            assemble(build_pool(recordings)), FIGHT, rules.labels[FIGHT], rules.max_gap
        ),
        Candidate(method="dwell"),
    )


def test_levels_that_separate_the_label_support_the_fit() -> None:
    cameras = MIN_GROUPS + 5
    mixed = [
        recorded_clip(
            "violence_clip", "1", f"camera{k}", f"fight{k}.mp4", [0.55 + 0.4 * (k % 5) / 5] * 5
        )
        for k in range(cameras)
    ]
    calm = [
        recorded_clip(
            "violence_clip", "0", f"camera{k}", f"calm{k}.mp4", [0.1 + 0.5 * (k % 7) / 7] * 12
        )
        for k in range(cameras)
    ]
    games = [one for one in recordings_of_cameras(cameras) if one.row.task == "game_video"]
    rules = policies()

    odds = fit_odds(
        gather_material(
            assemble(build_pool([*mixed, *calm, *games])), FIGHT, rules.labels[FIGHT], rules.max_gap
        ),
        Candidate(method="dwell"),
    )

    assert odds.a.low > 0.0
    assert odds.loss < log(2)
    assert odds.groups[0] >= MIN_GROUPS


def test_uninformative_scores_do_not_support_the_fit() -> None:
    odds = odds_of(recordings_of_cameras(25, fight=0.3, calm=0.3))

    assert not odds.is_supported
    assert odds.loss == pytest.approx(log(2), abs=0.05)


def test_few_cameras_support_no_fit() -> None:
    odds = odds_of(recordings_of_cameras(6))

    assert odds.a.low > 0.0
    assert not odds.is_supported
