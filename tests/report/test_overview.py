"""A report says first what was flagged, and everything that limits it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.report.nouns import Failure, PathReport, ScanReport, UncoveredCategory
from scanner.report.overview import PathResult, count_totals, describe_totals, result_of
from scanner.stream.inputs import FilesSkipped
from tests.report.example import FIRE, POLICY, SEEN, make_report, with_path, with_summary

CLEAN = with_summary(replace(SEEN, incidents=()), flagged=(), coverage=1.0)
STILL = with_summary(CLEAN, duration=0, frames=1, flagged=(FIRE,), peak_level={})


def headline(report: ScanReport) -> str:
    return describe_totals(count_totals(report))


def test_nothing_flagged_names_what_is_in_shadow_and_what_was_not_looked_for() -> None:
    report = replace(
        with_path(CLEAN),
        policies=(POLICY, replace(POLICY, label="fight", shadow=True, still_shadow=True)),
        uncovered=(
            UncoveredCategory(category="sexual", labels=("nudity",), whole=True),
            UncoveredCategory(category="violence", labels=("assault",)),
        ),
    )

    assert headline(report) == "Nothing flagged; fight only recorded; 1 category not looked for."
    assert count_totals(report).missing_labels == ("assault",)


def test_everything_that_limits_a_result_is_in_the_first_sentence() -> None:
    assert headline(make_report()) == (
        "1 of 4 paths flagged; 1 path could not be read; 1 path only seen in part;"
        " 1 category not looked for."
    )


def test_a_flagged_still_counts_as_flagged_without_an_incident() -> None:
    totals = count_totals(with_path(STILL))

    assert (totals.flagged, totals.flagged_stills, totals.incidents) == (1, 1, 0)
    assert describe_totals(totals).startswith("1 of 1 path flagged")


def test_nothing_that_could_be_read_is_not_nothing_flagged() -> None:
    report = with_path(PathReport(path="a", errors=(Failure(kind="damaged", message="a"),)))

    assert headline(report).startswith("Nothing was scanned; 1 path could not be read")


@pytest.mark.parametrize(
    ("path", "result"),
    [
        (SEEN, PathResult.FLAGGED),
        (STILL, PathResult.FLAGGED),
        (PathReport(path="a"), PathResult.UNREAD),
        (with_summary(CLEAN, coverage=0.94), PathResult.PARTLY),
        (replace(CLEAN, errors=(Failure(kind="damaged", message="a"),)), PathResult.PARTLY),
        (CLEAN, PathResult.NOTHING),
    ],
)
def test_a_path_with_an_error_or_a_gap_is_never_simply_nothing(
    path: PathReport, result: PathResult
) -> None:
    assert result_of(path) is result


def test_a_still_that_a_label_in_shadow_would_flag_is_recorded() -> None:
    still = with_summary(STILL, flagged=(), peak_score={FIRE: 0.95}, medium={})
    report = replace(with_path(still), policies=(replace(POLICY, shadow=True, still_shadow=True),))

    totals = count_totals(report)

    assert (totals.recorded, totals.recorded_stills, totals.shadow_incidents) == (1, 1, 0)


def test_a_label_that_is_in_shadow_but_for_still_pictures_is_named() -> None:
    report = replace(with_path(STILL), policies=(replace(POLICY, shadow=True, still_shadow=False),))

    totals = count_totals(report)

    assert (totals.flagged_stills, totals.recorded, totals.shadow_labels) == (1, 0, ())
    assert "fire flagged on still pictures only" in describe_totals(totals)


def test_files_that_were_skipped_are_counted_and_segments_of_playlists_are_not() -> None:
    report = replace(
        with_path(CLEAN),
        skipped=(
            FilesSkipped(path="in/", kind="other_name", files=2),
            FilesSkipped(path="in/", kind="in_playlist", files=40),
        ),
    )

    assert headline(report).startswith("Nothing flagged; 2 files skipped; ")
