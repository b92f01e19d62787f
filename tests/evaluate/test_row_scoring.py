from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from scanner.errors import DamagedError
from scanner.evaluate.comparisons import ScoredRow, UnscoredRow
from scanner.evaluate.row_scoring import collect_rows, scan_rows
from scanner.evaluate.rows import LabelledRow
from scanner.lines import SummaryLine
from scanner.risk.policy import Policies, Policy
from scanner.runner import Failed, Finished, Job, Outcome
from scanner.types import (
    Label,
    MediaInfo,
    Medium,
    ModelRef,
    ScoredFrame,
    ScoredSegment,
    Scores,
    SegmentTimes,
    Source,
)

CAMERA = LabelledRow(
    path=Path("/footage/camera.mp4"), task="weapon", label="1", group="a", name="camera.mp4"
)
BROKEN = LabelledRow(
    path=Path("/footage/broken.mp4"), task="weapon", label="0", group="b", name="broken.mp4"
)
GUN = Label("gun")
POLICIES = Policies(
    labels={
        GUN: Policy(category="weapon_presence", open=1.0, still=0.6, dwell=Fraction(1), shadow=True)
    }
)


class ScriptedRunner:
    """A runner with a scripted result for each file name."""

    def __init__(self, **result: list[float] | DamagedError) -> None:
        self._results = result
        self.jobs = 0

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        for job in jobs:
            self.jobs += 1
            result, key = self._results[Path(job.name).stem], job.segment.key
            if isinstance(result, DamagedError):
                yield Failed(key=key, name=job.name, error=result)
            else:
                yield segment(job, result)
            yield Finished(key=key)


def segment(job: Job, values: list[float]) -> ScoredSegment:
    length = len(values) if len(values) > 1 else 0
    times = SegmentTimes(first_pts=0, last_pts=0, duration=Fraction(length), time_base=Fraction(1))
    frames = tuple(frame(at, value) for at, value in enumerate(values))
    info = MediaInfo(container="mp4", codec="h264", width=8, height=8, still=not length)
    return ScoredSegment(key=job.segment.key, times=times, frames=frames, unseen=(), info=info)


def frame(at: int, value: float) -> ScoredFrame:
    result = Scores(
        model=ModelRef(name="m", version="1"), values={GUN: value}, medium={Medium.CAMERA: value}
    )
    return ScoredFrame(at=Fraction(at), pts=at, keyframe=True, scores=(result,))


def scored(rows: list[LabelledRow], runner: ScriptedRunner) -> list[ScoredRow | UnscoredRow]:
    return list(collect_rows(rows, scan_rows(rows, POLICIES, runner), POLICIES))


def test_a_row_has_its_highest_score_and_its_mean_medium() -> None:
    (result,) = scored([CAMERA], ScriptedRunner(camera=[0.25, 0.5]))

    assert result == ScoredRow(
        row=CAMERA, scores={"gun": 0.5}, medium={"camera": 0.375}, evidence={"gun": 0.0}
    )


def test_an_unreadable_row_has_its_reason_and_the_others_count() -> None:
    runner = ScriptedRunner(broken=DamagedError("broken.mp4: cannot be opened"), camera=[0.5, 0.5])

    read, unread = scored([BROKEN, CAMERA], runner)

    assert unread == UnscoredRow(row=BROKEN, reason="broken.mp4: cannot be opened")
    assert isinstance(read, ScoredRow)
    assert read.row == CAMERA


def test_lines_have_the_paths_of_the_manifest_and_each_file_is_scored_once() -> None:
    runner = ScriptedRunner(camera=[0.5, 0.5])

    lines = list(scan_rows([CAMERA, replace(CAMERA, task="fire")], POLICIES, runner))

    assert {line.path for line in lines} == {"camera.mp4"}
    assert runner.jobs == 1
    assert isinstance(lines[-1], SummaryLine)


def test_rows_of_one_file_have_the_same_scores() -> None:
    rows = [CAMERA, replace(CAMERA, task="fire", label="normal")]

    first, second = scored(rows, ScriptedRunner(camera=[0.5, 0.75]))

    assert isinstance(first, ScoredRow)
    assert isinstance(second, ScoredRow)
    assert first.scores == second.scores
    assert [first.row, second.row] == rows


def test_flags_include_labels_in_shadow() -> None:
    still, clip, calm = (
        scored([CAMERA], ScriptedRunner(camera=values))[0]
        for values in ([0.7], [0.99] * 6, [0.3] * 6)
    )

    assert isinstance(still, ScoredRow)
    assert isinstance(clip, ScoredRow)
    assert isinstance(calm, ScoredRow)
    assert (still.flagged, clip.flagged, calm.flagged) == ({"gun"}, {"gun"}, frozenset())


def test_each_version_of_a_row_has_its_own_scores_or_reason() -> None:
    def versions(row: LabelledRow) -> dict[str, Source]:
        if row == BROKEN:
            raise DamagedError("broken.mp4: cannot be drawn anew")
        return {"mirror": b"1", "dark": b"2"}

    runner = ScriptedRunner(camera=[0.5, 0.5])
    rows = [CAMERA, BROKEN]
    found = list(collect_rows(rows, scan_rows(rows, POLICIES, runner, versions), POLICIES))

    assert {(one.row.name, one.change, type(one)) for one in found} == {
        ("camera.mp4", "mirror", ScoredRow),
        ("camera.mp4", "dark", ScoredRow),
        ("broken.mp4", "", UnscoredRow),
    }
