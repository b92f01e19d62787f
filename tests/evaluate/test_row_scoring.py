from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from scanner.compose import Program
from scanner.errors import DamagedError
from scanner.evaluate.comparisons import ScoredRow, UnscoredRow
from scanner.evaluate.row_scoring import collect_rows, scan_rows
from scanner.evaluate.rows import LabelledRow
from scanner.pipeline.worker import LocalRunner, StreamWorker
from scanner.report.lines import SummaryLine
from scanner.risk.policy import Policies, Policy
from scanner.settings.sections import Settings
from scanner.sources.stream_ids import StreamIds
from scanner.stream.burst_account import BurstAccount
from scanner.stream.inputs import FailedSegment, Job, Outcome, Turn
from scanner.stream.state import StreamProgress
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
PROGRAM = Program(settings=Settings(), manifests=(), policies=POLICIES)


class KnownRunner:
    """A runner that knows beforehand what becomes of each file, by its name."""

    def __init__(self, **scores: list[float] | DamagedError) -> None:
        self._scores = scores
        self.jobs = 0

    def run(self, turns: Iterable[Turn]) -> Iterator[StreamProgress]:
        return LocalRunner(StreamWorker(self._score, POLICIES)).run(turns)

    def _score(self, job: Job, first_window: int, account: BurstAccount) -> Iterator[Outcome]:
        self.jobs += 1
        known = self._scores[Path(job.name).stem]
        if isinstance(known, DamagedError):
            yield FailedSegment.from_error(job.segment.key, known)
        else:
            yield segment(job, known)


def segment(job: Job, values: list[float]) -> ScoredSegment:
    length = len(values) if len(values) > 1 else 0
    times = SegmentTimes(first_pts=0, last_pts=0, duration=Fraction(length), time_base=Fraction(1))
    frames = tuple(frame(at, value) for at, value in enumerate(values))
    info = MediaInfo(container="mp4", codec="h264", width=8, height=8, still=not length)
    return ScoredSegment(
        key=job.segment.key, times=times, frames=frames, unseen=(), info=info, whole_file=True
    )


def frame(at: int, value: float) -> ScoredFrame:
    said = Scores(
        model=ModelRef(name="m", version="1"), values={GUN: value}, medium={Medium.CAMERA: value}
    )
    return ScoredFrame(at=Fraction(at), pts=at, keyframe=True, scores=(said,))


def scored(rows: list[LabelledRow], runner: KnownRunner) -> list[ScoredRow | UnscoredRow]:
    return list(collect_rows(rows, scan_rows(rows, PROGRAM, runner), POLICIES))


def test_a_row_is_judged_by_its_highest_score_and_its_mean_medium() -> None:
    (said,) = scored([CAMERA], KnownRunner(camera=[0.25, 0.5]))

    assert said == ScoredRow(
        row=CAMERA, scores={"gun": 0.5}, medium={"camera": 0.375}, evidence={"gun": 0.0}
    )


def test_a_row_that_cannot_be_read_says_why_and_the_others_count() -> None:
    runner = KnownRunner(broken=DamagedError("broken.mp4: cannot be opened"), camera=[0.5, 0.5])

    read, unread = scored([BROKEN, CAMERA], runner)

    assert unread == UnscoredRow(row=BROKEN, reason="broken.mp4: cannot be opened")
    assert isinstance(read, ScoredRow)
    assert read.row == CAMERA


def test_lines_are_told_under_the_path_of_the_manifest_and_each_file_is_scored_once() -> None:
    runner = KnownRunner(camera=[0.5, 0.5])

    lines = list(scan_rows([CAMERA, replace(CAMERA, task="fire")], PROGRAM, runner))

    assert {line.path for line in lines} == {"camera.mp4"}
    assert runner.jobs == 1
    assert isinstance(lines[-1], SummaryLine)


def test_a_file_has_the_stream_id_that_scan_gives_it(tmp_path: Path) -> None:
    file = tmp_path / "camera.mp4"
    file.write_bytes(b"any")
    row = replace(CAMERA, path=file)

    lines = list(scan_rows([row], PROGRAM, KnownRunner(camera=[0.5, 0.5])))

    (summary,) = (line for line in lines if isinstance(line, SummaryLine))
    assert summary.stream_id == StreamIds().of_file(file)


def test_rows_of_one_file_are_judged_by_the_same_lines() -> None:
    rows = [CAMERA, replace(CAMERA, task="fire", label="normal")]

    first, second = scored(rows, KnownRunner(camera=[0.5, 0.75]))

    assert isinstance(first, ScoredRow)
    assert isinstance(second, ScoredRow)
    assert first.scores == second.scores
    assert [first.row, second.row] == rows


def test_what_the_policies_would_flag_is_told_though_it_is_in_shadow() -> None:
    still, clip, calm = (
        scored([CAMERA], KnownRunner(camera=values))[0] for values in ([0.7], [0.99] * 6, [0.3] * 6)
    )

    assert isinstance(still, ScoredRow)
    assert isinstance(clip, ScoredRow)
    assert isinstance(calm, ScoredRow)
    assert (still.flagged, clip.flagged, calm.flagged) == ({"gun"}, {"gun"}, frozenset())


def test_versions_of_a_row_are_judged_each_by_itself_and_what_cannot_be_made_is_told() -> None:
    def versions(row: LabelledRow) -> dict[str, Source]:
        if row == BROKEN:
            raise DamagedError("broken.mp4: cannot be drawn anew")
        return {"mirror": b"1", "dark": b"2"}

    runner = KnownRunner(camera=[0.5, 0.5])
    rows = [CAMERA, BROKEN]
    found = list(collect_rows(rows, scan_rows(rows, PROGRAM, runner, versions), POLICIES))

    assert {(one.row.name, one.change, type(one)) for one in found} == {
        ("camera.mp4", "mirror", ScoredRow),
        ("camera.mp4", "dark", ScoredRow),
        ("broken.mp4", "", UnscoredRow),
    }
