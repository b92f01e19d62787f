"""One sentence says why a label was flagged on a path, or why it was not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from scanner.report.explanations import LabelExplanation, LabelOutcome, explain_labels
from scanner.report.nouns import NOT_SCANNED, PathReport, PolicyUsed
from scanner.types import Label, Medium
from tests.report.example import FIRE, GUN, HOSTILE, POLICY, SEEN, SMOKE, with_summary

STILL = PathReport(
    path="photo.jpg",
    summary=replace(
        NOT_SCANNED,
        frames=1,
        coverage=1.0,
        medium={Medium.CAMERA: 0.9},
        peak_score={FIRE: 0.95},
        flagged=(FIRE,),
    ),
)
QUIET = with_summary(
    replace(SEEN, incidents=()),
    flagged=(),
    coverage=1.0,
    medium={Medium.CAMERA: 1.0},
    peak_score={FIRE: 0.3},
    peak_level={FIRE: -2.0},
)


def explain(path: PathReport, policy: PolicyUsed = POLICY) -> LabelExplanation:
    (one,) = explain_labels(path, (policy,))
    return one


def test_a_flagged_label_has_its_score_its_threshold_and_its_incident() -> None:
    one = explain(SEEN)

    assert one.outcome is LabelOutcome.FLAGGED
    assert one.text == (
        "Flagged: the highest score that lasted 2.5 s on camera pictures is 99 %; 96 % is"
        " needed. Incident 1."
    )
    assert one.incidents == (1,)


def test_an_incident_in_shadow_is_only_recorded() -> None:
    path = with_summary(SEEN, peak_score={GUN: 0.99}, peak_level={GUN: 4.0})

    one = explain(path, replace(POLICY, label="gun", shadow=True))

    assert one.outcome is LabelOutcome.RECORDED
    assert one.text.startswith("Recorded only, because the label is in shadow: the highest score")
    assert one.text.endswith("Incident 2.")


def test_a_low_score_is_compared_with_its_threshold() -> None:
    one = explain(QUIET)

    assert one.outcome is LabelOutcome.BELOW
    assert one.text == (
        "Not flagged: the highest score that lasted 2.5 s on camera pictures is 12 %; 96 % is"
        " needed."
    )
    assert one.lasting_score == pytest.approx(0.119, abs=1e-3)


def test_a_high_score_that_did_not_last_says_so() -> None:
    one = explain(with_summary(QUIET, peak_score={FIRE: 0.99}))

    assert one.outcome is LabelOutcome.BRIEF
    assert one.text.startswith(
        "Not flagged: the highest score, 99 %, did not last 2.5 s on camera pictures, and"
    )


def test_pictures_of_another_medium_do_not_count() -> None:
    path = with_summary(QUIET, medium={Medium.RENDERED: 1.0}, peak_level={FIRE: None})

    one = explain(path)

    assert one.outcome is LabelOutcome.MEDIUM
    assert one.text == (
        "Not judged: only camera pictures count, and they are 0 % of what was seen; the highest"
        " score is 30 %."
    )


def test_a_path_that_is_too_short_says_how_much_was_seen() -> None:
    one = explain(with_summary(QUIET, duration=Fraction(1), peak_level={FIRE: None}))

    assert one.outcome is LabelOutcome.SHORT
    assert one.text.startswith("Not judged: too little was seen, 1.0 s; a score must last 2.5 s")


def test_a_label_that_no_model_scored_says_so() -> None:
    one = explain(with_summary(QUIET, peak_score={}, peak_level={}))

    assert (one.outcome, one.text) == (
        LabelOutcome.NOT_SCORED,
        "Not scored: no model gave it a score on this path.",
    )


def test_without_a_floor_one_frame_suffices() -> None:
    one = explain(QUIET, replace(POLICY, dwell=0.0, when=()))

    assert one.text == "Not flagged: the highest score is 12 %; 96 % is needed."


def test_the_level_of_another_method_is_no_score() -> None:
    one = explain(QUIET, replace(POLICY, method="two_state", open_score=None))

    assert one.text == "Not flagged: the highest level is -2.0; 3.2 is needed."
    assert one.lasting_score is None


def test_two_numbers_that_differ_never_read_the_same() -> None:
    path = with_summary(STILL, peak_score={FIRE: 0.8994}, flagged=())

    assert explain(path).text == "Not flagged: the score is 89.9 %; 90.0 % is needed."


def test_a_still_is_judged_by_its_score_alone() -> None:
    assert explain(STILL).text == "Flagged: the score is 95 %; 90 % is needed."
    assert explain(STILL, replace(POLICY, still_shadow=True)).outcome is LabelOutcome.RECORDED


def test_a_still_of_another_medium_says_so() -> None:
    path = with_summary(STILL, flagged=(), medium={Medium.CAMERA: 0.1, Medium.DRAWN: 0.9})

    one = explain(path)

    assert one.outcome is LabelOutcome.MEDIUM
    assert one.text == (
        "Not judged: the score of 95 % is above the 90 % that is needed, but only camera pictures"
        " count, and this is one with a probability of 10 %."
    )


def test_flagged_labels_come_first_and_nothing_is_said_of_a_path_that_was_not_read() -> None:
    policies = (replace(POLICY, label="gun"), replace(POLICY, label="smoke"), POLICY)
    path = with_summary(SEEN, flagged=(FIRE,), peak_score={Label("gun"): 0.1, SMOKE: 0.1})

    explained = explain_labels(path, policies)

    assert [one.label for one in explained] == ["smoke", "fire", "gun"]
    assert explain_labels(PathReport(path=HOSTILE), policies) == ()
