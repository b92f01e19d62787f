"""The evidence that is due follows from an incident's revisions and the index of its stream, and
from nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.evidence.index import SegmentIndex
from scanner.evidence.plan import (
    ClipDue,
    EvidencePlan,
    SheetDue,
    needed_since,
    picture_due,
    plan_open,
    plan_rest,
    revise,
    sheet_due,
)
from scanner.report.nouns import NOT_SCANNED
from scanner.report.text import percent
from scanner.settings.sections import EvidenceSettings
from scanner.types import Label, Span
from tests.evidence.build import FIRE, POLICIES, incident, job, scored, span

SETTINGS = EvidenceSettings()
BRIEF = EvidenceSettings(clip_seconds=Fraction(10), clips=3)


def opened(start: float) -> EvidencePlan:
    return revise(None, incident(start), POLICIES)


def test_a_short_incident_has_one_clip_with_its_pre_and_post_roll() -> None:
    plan = opened(20)
    plan, before = plan_open(plan, Fraction(40), SETTINGS)

    plan, rest = plan_rest(
        revise(plan, incident(20, 30), POLICIES), Fraction(44), POLICIES, SETTINGS
    )

    assert before == ()
    assert rest == (ClipDue(incident_id="5f1e", number=1, span=span(15, 35)),)
    assert rest[0].name == "5f1e"


def test_a_clip_begins_with_the_stream_at_the_earliest() -> None:
    assert opened(2).cut_from == 0


def test_complete_clips_are_due_while_an_incident_runs() -> None:
    plan, due = plan_open(opened(5), Fraction(25), BRIEF)

    assert [clip.span for clip in due] == [span(0, 10), span(10, 20)]
    assert [clip.name for clip in due] == ["5f1e", "5f1e-2"]
    assert plan_open(plan, Fraction(25), BRIEF) == (plan, ())


def test_the_rest_is_never_longer_than_a_clip_either() -> None:
    _, due = plan_rest(revise(None, incident(5, 22), POLICIES), Fraction(40), POLICIES, BRIEF)

    assert [clip.span for clip in due] == [span(0, 10), span(10, 20), span(20, 27)]


def test_nothing_is_due_beyond_the_end_of_the_stream() -> None:
    _, due = plan_rest(revise(None, incident(5, 19), POLICIES), Fraction(20), POLICIES, BRIEF)

    assert [clip.span.start for clip in due] == [0, 10]


def test_no_empty_clip_is_due_when_everything_was_cut_while_it_ran() -> None:
    plan, _ = plan_open(opened(5), Fraction(20), BRIEF)

    assert plan_rest(revise(plan, incident(5, 12), POLICIES), Fraction(20), POLICIES, BRIEF) == (
        revise(plan, incident(5, 12), POLICIES),
        (),
    )


def test_clips_beyond_the_limit_are_not_due_and_the_plan_says_so() -> None:
    plan, due = plan_open(opened(5), Fraction(45), BRIEF)

    assert len(due) == 3
    assert plan.capped
    assert plan.cut_from == 40


def test_a_label_that_began_earlier_moves_the_beginning_until_a_clip_is_planned() -> None:
    plan = opened(20)

    earlier = revise(plan, incident(16, revision=2), POLICIES)
    cut, _ = plan_open(plan, Fraction(80), SETTINGS)

    assert earlier.cut_from == 11
    assert revise(cut, incident(16, revision=2), POLICIES).cut_from == cut.cut_from


def test_a_label_without_a_policy_has_no_pre_or_post_roll() -> None:
    gone = incident(20, 30, label=Label("gone"))

    _, due = plan_rest(revise(None, gone, POLICIES), Fraction(60), POLICIES, SETTINGS)

    assert [clip.span for clip in due] == [span(20, 30)]


@given(
    st.integers(0, 400),
    st.integers(0, 400),
    st.lists(st.integers(1, 30), min_size=1, max_size=60),
    st.integers(1, 60),
)
def test_clips_follow_each_other_without_a_hole_and_none_is_too_long(
    start: int, length: int, segments: list[int], clip_seconds: int
) -> None:
    settings = EvidenceSettings(clip_seconds=Fraction(clip_seconds), clips=1000)
    plan, end = revise(None, incident(start), POLICIES), Fraction(start + 2)
    due: list[ClipDue] = []
    for seconds in segments:
        end += seconds
        plan, clips = plan_open(plan, end, settings)
        due += clips
    closed = incident(start, max(min(start + length, float(end)), start))

    plan, rest = plan_rest(revise(plan, closed, POLICIES), end, POLICIES, settings)

    spans = [clip.span for clip in (*due, *rest)]
    assert spans[0].start == max(start - 5, 0)
    assert all(one.end == other.start for one, other in pairwise(spans))
    assert all(min(one.end, end) - one.start <= clip_seconds for one in spans)
    assert spans[-1].end >= min(Fraction(closed.end or 0), end)
    assert [clip.number for clip in (*due, *rest)] == list(range(1, len(spans) + 1))


def test_a_sheet_shows_the_incident_from_its_first_sample_to_its_last() -> None:
    index = SegmentIndex()
    for sequence in range(20):
        index = index.add(scored(sequence, {0: 0.0, 2: 9.0}), job())

    due = sheet_due(incident(10, 70), index, POLICIES, EvidenceSettings(frames=4))

    assert due is not None
    assert due.times == tuple(Fraction(at) for at in (10, 30, 50, 70))
    assert due.captions[0] == f"0:10.0  fire risk {percent(POLICIES.labels[FIRE].risk(9.0))}"


def test_an_incident_without_a_sample_has_no_sheet() -> None:
    assert sheet_due(incident(10, 20), SegmentIndex(), POLICIES, SETTINGS) is None


def test_a_flagged_picture_has_a_sheet_and_another_has_none() -> None:
    flagged = replace(NOT_SCANNED, flagged=(FIRE,), peak_score={FIRE: 0.987})

    due = picture_due("a.png", flagged)

    assert due is not None
    assert due.times == (Fraction(0),)
    assert due.captions == ("fire score 99 %",)
    assert due.name.startswith("still-")
    assert picture_due("a.png", NOT_SCANNED) is None


def test_what_may_still_be_needed_reaches_back_to_running_incidents() -> None:
    policy = POLICIES.labels[FIRE]
    reach = policy.window + policy.hold + policy.pre_roll

    assert needed_since((), Fraction(100), POLICIES) == 100 - reach
    assert needed_since((opened(30),), Fraction(100), POLICIES) == 25


@pytest.mark.parametrize(
    "record",
    [
        ClipDue(incident_id="a", number=2, span=Span(start=Fraction(1, 3), end=Fraction(7, 9))),
        SheetDue(name="a", times=(Fraction(1001, 30000),), captions=("0:00.0  fire",)),
        EvidencePlan(incident=incident(3), cut_from=Fraction(1, 3), clips=4, capped=True),
    ],
)
def test_records_survive_json_to_the_bit(record: ClipDue | SheetDue | EvidencePlan) -> None:
    assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record
