from __future__ import annotations

from math import log

import pytest

from scanner.evaluate.streams.assemble import assemble
from scanner.evaluate.streams.footage import collect
from scanner.evaluate.streams.odds import LEAST_GROUPS, Odds, fit_odds
from scanner.evaluate.streams.recordings import Recording
from scanner.evaluate.streams.sweep import Candidate, gather
from tests.evaluate.streams.made import FIGHT, clip, footage, policies


def odds_of(recordings: list[Recording]) -> Odds:
    rules = policies()
    return fit_odds(
        gather(assemble(collect(recordings)), FIGHT, rules.labels[FIGHT], rules.max_gap),
        Candidate(method="dwell"),
    )


def test_levels_that_tell_the_label_apart_carry_the_fit() -> None:
    cameras = LEAST_GROUPS + 5
    mixed = [
        clip("violence_clip", "1", f"camera{k}", f"fight{k}.mp4", [0.55 + 0.4 * (k % 5) / 5] * 5)
        for k in range(cameras)
    ]
    calm = [
        clip("violence_clip", "0", f"camera{k}", f"calm{k}.mp4", [0.1 + 0.5 * (k % 7) / 7] * 12)
        for k in range(cameras)
    ]
    games = [one for one in footage(cameras) if one.row.task == "game_video"]
    rules = policies()

    odds = fit_odds(
        gather(
            assemble(collect([*mixed, *calm, *games])), FIGHT, rules.labels[FIGHT], rules.max_gap
        ),
        Candidate(method="dwell"),
    )

    assert odds.a.low > 0.0
    assert odds.loss < log(2)
    assert odds.groups[0] >= LEAST_GROUPS


def test_scores_that_say_nothing_do_not() -> None:
    odds = odds_of(footage(25, fight=0.3, calm=0.3))

    assert not odds.carried
    assert odds.loss == pytest.approx(log(2), abs=0.05)


def test_few_cameras_carry_no_fit_however_good_it_looks() -> None:
    odds = odds_of(footage(6))

    assert odds.a.low > 0.0
    assert not odds.carried
