"""Tables and progress on a terminal: they fit 80 columns, and nothing of them is cut."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from scanner.cli.eval_tables import QUALITY
from scanner.cli.scan_tables import describe_totals, incident_table, path_table
from scanner.cli.show import ScanDisplay, describe_steps
from scanner.cli.terminal import OutputTable, new_table
from scanner.pipeline.scan import ScanEvent
from scanner.report.lines import ErrorLine, GapLine, IncidentLine, SummaryLine
from scanner.report.reasons import GAP_REASONS
from scanner.sources.merge import PathCount
from scanner.stream.inputs import FilesSkipped
from scanner.taxonomy import Uncovered

COLUMNS = 80


def printed(table: OutputTable, width: int = COLUMNS) -> list[str]:
    console = Console(width=width, file=StringIO(), markup=False)
    console.print(table)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def summary(path: str, *flagged: str, coverage: float = 1.0) -> SummaryLine:
    return SummaryLine(
        path=path,
        duration=60.0,
        frames=30,
        medium={},
        coverage=coverage,
        peak_risk={},
        peak_level={},
        peak_score={"explicit_nudity": 0.25, "gun": 0.5},
        flagged=flagged,
    )


def incident(path: str, *, shadow: bool = False) -> IncidentLine:
    return IncidentLine(
        path=path,
        id="0f",
        label="fire",
        labels=("fire", "smoke"),
        category="hazard",
        severity=2,
        start=1.0,
        opened=2.0,
        end=3723.4,
        peak=0.9,
        shadow=shadow,
    )


def failure(path: str, kind: str = "unsupported") -> ErrorLine:
    return ErrorLine(path=path, kind=kind, message=f"{path}: cannot be read")


@pytest.mark.parametrize("width", [40, COLUMNS, 200])
@pytest.mark.parametrize("columns", [QUALITY, ("label", "risk", "path")])
def test_a_table_fits_every_width_and_no_cell_is_cut(columns: tuple[str, ...], width: int) -> None:
    table = new_table("A title", *columns)
    cells = [f"cell{number}-0.91-[0.85,-0.95]" for number in range(len(columns))]
    table.add_row(*cells)

    lines = printed(table, width)

    assert max(map(len, lines)) <= width
    text = "".join("".join(lines).split())
    assert all(cell in text for cell in cells[:-1])


def test_columns_that_are_too_wide_become_a_paragraph_with_the_path_as_its_heading() -> None:
    table = new_table("Paths", "found", "path")
    table.add_row("word" * 20, "a.mp4")

    assert [line.rstrip() for line in printed(table)][:2] == ["Paths", "a.mp4"]


def test_incidents_in_80_columns_are_a_row_each() -> None:
    lines = printed(incident_table([incident("clips/a.mp4"), incident("b.mp4", shadow=True)]))

    rows = [line for line in lines if line.rstrip().endswith(".mp4")]
    assert [row.split()[-1] for row in rows] == ["clips/a.mp4", "b.mp4"]
    assert [row.split()[:2] for row in rows] == [["fire,", "smoke"]] * 2


def test_paths_are_listed_flagged_first_then_failed_then_with_gaps_then_others() -> None:
    summaries = [
        summary("ordinary.mp4"),
        summary("gaps.mp4", coverage=0.5),
        summary("flagged.mp4", "gun"),
    ]

    lines = printed(path_table(summaries, [failure("failed.mp4")]))

    paths = [line.split()[-1] for line in lines if line.rstrip().endswith(".mp4")]
    assert paths == ["flagged.mp4", "failed.mp4", "gaps.mp4", "ordinary.mp4"]


def test_of_many_ordinary_paths_the_rest_is_counted() -> None:
    lines = printed(path_table([summary(f"{number}.mp4") for number in range(25)], []))

    assert sum(line.rstrip().endswith(".mp4") for line in lines) == 20
    assert "and 5 more with nothing found" in " ".join(lines)


def test_the_totals_count_paths_failures_and_what_was_seen() -> None:
    summaries = [summary("a.mp4", "gun"), summary("b.mp4", coverage=0.5)]
    errors = [failure("b.mp4", "damaged"), failure("c.mp4"), failure("c.mp4")]
    incidents = [incident("a.mp4"), incident("a.mp4", shadow=True)]

    assert describe_totals(summaries, errors, incidents) == (
        "3 paths: 1 flagged, 2 with errors; 2:00.0 of video; 75 % seen; 2 incidents (1 in shadow)"
    )
    assert describe_totals([summary("a.mp4")], [], []).startswith("1 path: 0 flagged, 0 with")


@pytest.mark.parametrize(
    ("ended", "paths", "elapsed", "steps"),
    [
        (0, PathCount(total=1), 60.0, []),
        (0, PathCount(total=305), 60.0, ["1 of 305"]),
        (1, PathCount(total=305), 1.0, ["2 of 305"]),
        (1, PathCount(total=305, live=1), 60.0, ["2 of 305"]),
        (305, PathCount(total=305), 60.0, ["305 of 305", "0:00 left"]),
    ],
    ids=["one path", "nothing known yet", "too early", "a live stream", "at the end"],
)
def test_progress_says_which_path_and_what_is_left_if_it_can_be_known(
    ended: int, paths: PathCount, elapsed: float, steps: list[str]
) -> None:
    assert describe_steps(ended, paths, elapsed) == steps


def test_what_was_not_seen_is_shown_with_its_remedy() -> None:
    event = ScanEvent(path="a", event=FilesSkipped(path="a", kind="other_name", files=1))
    message = GAP_REASONS["no_keyframe"]
    gaps = [
        GapLine(path="a", start=start, end=start + 2, reason="no_keyframe", message=message)
        for start in (0.0, 8.0)
    ]
    console = Console(width=500, file=StringIO(), markup=False)
    display = ScanDisplay(console)

    display.receive(event, [*gaps, summary("a")])
    display.print_tables(console, Uncovered(labels=(), categories=()))

    assert f"not seen: 0:04.0 ({message})" in console.file.getvalue()  # type: ignore[attr-defined]
