"""A report follows from the events of a scan, with exact times and bounded lists."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from scanner.errors import InputError
from scanner.report import collect
from scanner.report.collect import ReportCollector
from scanner.report.nouns import NOT_SCANNED, Failure, IncidentReport, PathReport, Sheet, Unlisted
from scanner.risk.incident import Closed
from scanner.risk.policy import Policies
from scanner.settings.sections import Settings
from scanner.stream.events import (
    GapFound,
    NothingDecoded,
    SegmentFailed,
    SegmentLate,
    SegmentUnavailable,
    StreamEvent,
    StreamFinished,
)
from scanner.types import SegmentKey, Span, Unseen
from tests.evidence.build import FIRE, POLICIES, STREAM, incident, scored

KEY = SegmentKey(stream_id=STREAM, sequence=0)
SHEET = Sheet(sharp="sheets/a.jpg", blurred="sheets/a_blurred.jpg", width=8, height=8)
THIRD = Span(start=Fraction(1, 3), end=Fraction(2, 3))
FAILED = SegmentFailed(key=KEY, kind="damaged", message="s/0: cut short")
DONE = StreamFinished(stream_id=STREAM, summary=NOT_SCANNED)


class FakeEvidence:
    """Has a sheet for every incident and picture."""

    def take_incident(self, incident_id: str) -> IncidentReport | None:
        return IncidentReport(incident=replace(incident(1, 4), id=incident_id), sheet=SHEET)

    def take_picture(self, path: str) -> Sheet | None:
        return SHEET


def paths_of(collector: ReportCollector) -> tuple[PathReport, ...]:
    report = collector.report(Settings(), (), version="1", created="2026-11-24T20:40:00Z")
    return report.paths


def collect_path(*events: StreamEvent) -> PathReport:
    collector = ReportCollector(POLICIES)
    for event in events:
        collector.receive("a", event)
    (path,) = paths_of(collector)
    return path


def test_gaps_keep_their_exact_times() -> None:
    missing, late = Unseen(span=THIRD, reason="missing"), Unseen(span=THIRD, reason="late")
    outcome = scored(0).segment

    path = collect_path(GapFound(unseen=missing), SegmentLate(outcome=outcome, span=THIRD), DONE)

    assert path.unseen == (missing, late)


@pytest.mark.parametrize(
    "event",
    [
        FAILED,
        SegmentLate(outcome=FAILED, span=None),
        SegmentUnavailable(key=KEY, kind="damaged", message="s/0: cut short"),
        NothingDecoded(kind="damaged", message="s/0: cut short"),
    ],
)
def test_every_kind_of_failure_is_an_error_of_its_path(event: StreamEvent) -> None:
    assert collect_path(event).errors == (Failure(kind="damaged", message="s/0: cut short"),)


def test_a_segment_that_its_sender_lost_without_a_reason_is_no_error() -> None:
    path = collect_path(SegmentUnavailable(key=KEY, kind=None, message=""), DONE)

    assert path.errors == ()


def test_a_path_that_cannot_be_opened_is_reported() -> None:
    collector = ReportCollector(POLICIES)

    collector.fail("gone.mp4", InputError("gone.mp4: no such file", kind="not_found"))

    (path,) = paths_of(collector)
    assert path.errors == (Failure(kind="not_found", message="gone.mp4: no such file"),)
    assert not path.is_read


def test_the_risk_after_every_sample_is_on_the_timeline() -> None:
    path = collect_path(scored(0, {1: 0.5, 3: 2.0}), scored(1, {1: -1.0}), DONE)

    series = path.timeline[FIRE]
    assert series.at == (1.0, 3.0, 5.0)
    assert series.level == (0.5, 2.0, -1.0)
    assert series.risk == tuple(POLICIES.labels[FIRE].risk(level) for level in (0.5, 2.0, -1.0))


def test_an_incident_has_its_evidence_and_without_evidence_it_stands_alone() -> None:
    closed = Closed(at=Fraction(4), incident=incident(1, 4))
    with_evidence = ReportCollector(POLICIES, FakeEvidence())
    for event in (closed, DONE):
        with_evidence.receive("a", event)

    (path,) = paths_of(with_evidence)
    assert path.incidents[0].sheet == path.picture == SHEET
    alone = IncidentReport(incident=incident(1, 4), closed=closed.at)
    assert collect_path(closed, DONE).incidents == (alone,)


def test_flagged_paths_come_first_by_severity_then_those_with_errors() -> None:
    flagged = replace(DONE, summary=replace(NOT_SCANNED, flagged=(FIRE,)))
    severe = Closed(at=Fraction(4), incident=replace(incident(1, 4), severity=3))
    collector = ReportCollector(POLICIES)
    events: dict[str, list[StreamEvent]] = {
        "quiet": [DONE],
        "broken": [FAILED, DONE],
        "fire": [Closed(at=Fraction(4), incident=incident(1, 4)), flagged],
        "severe": [severe, flagged],
    }
    for path, caused in events.items():
        for event in caused:
            collector.receive(path, event)

    assert [one.path for one in paths_of(collector)] == ["severe", "fire", "broken", "quiet"]


def test_a_flagged_still_counts_with_the_severity_of_its_label() -> None:
    collector = ReportCollector(POLICIES)
    still = replace(NOT_SCANNED, frames=1, flagged=(FIRE,), peak_score={FIRE: 0.9})
    for path, event in (("mild", DONE), ("still", replace(DONE, summary=still))):
        collector.receive(path, event)

    assert [path.path for path in paths_of(collector)] == ["still", "mild"]


def test_after_errors_come_paths_with_incidents_in_shadow_then_those_seen_in_part() -> None:
    collector = ReportCollector(POLICIES)
    whole, half = (
        replace(DONE, summary=replace(NOT_SCANNED, frames=9, duration=Fraction(9), coverage=share))
        for share in (1.0, 0.5)
    )
    in_shadow = Closed(at=Fraction(4), incident=replace(incident(1, 4), shadow=True))
    events: dict[str, list[StreamEvent]] = {
        "whole": [whole],
        "half": [half],
        "shadow": [in_shadow, whole],
        "broken": [FAILED],
    }
    for path, caused in events.items():
        for event in caused:
            collector.receive(path, event)

    assert [one.path for one in paths_of(collector)] == ["broken", "shadow", "half", "whole"]


def test_a_policy_of_dwell_names_the_score_at_which_an_incident_opens() -> None:
    other = replace(POLICIES.labels[FIRE], method="median")
    by_method = [
        ReportCollector(Policies(labels={FIRE: policy}))
        .report(Settings(), (), version="1", created="2026-11-24T20:40:00Z")
        .policies[0]
        for policy in (POLICIES.labels[FIRE], other)
    ]

    assert by_method[0].open_score is not None
    assert POLICIES.labels[FIRE].llr(by_method[0].open_score) == pytest.approx(
        POLICIES.labels[FIRE].open
    )
    assert by_method[1].open_score is None


def test_what_a_path_has_too_much_of_is_counted_and_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collect, "MOST_LISTED", 2)
    gap = GapFound(unseen=Unseen(span=THIRD, reason="missing"))
    closed = Closed(at=Fraction(4), incident=incident(1, 4))

    path = collect_path(*[gap] * 5, *[FAILED] * 4, *[closed] * 3, DONE)

    assert (len(path.unseen), len(path.errors), len(path.incidents)) == (2, 2, 2)
    assert path.unlisted == Unlisted(gaps=3, gap_seconds=Fraction(1), errors=2, incidents=1)


def test_a_stream_of_which_nothing_was_read_has_no_report_of_its_own() -> None:
    collector = ReportCollector(POLICIES)

    collector.receive("a", StreamFinished(stream_id=STREAM, summary=None))

    assert paths_of(collector) == ()
