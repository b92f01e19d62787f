from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

from scanner.errors import DamagedError
from scanner.evaluate import Judged, Row, Unread, judge
from scanner.runner import Failed, Finished, Job, Outcome
from scanner.types import Label, MediaInfo, Medium, ModelRef, ScoredFrame, ScoredSegment, Scores, SegmentTimes

CAMERA = Row(path=Path("camera.mp4"), task="weapon", label="1", group="a")
BROKEN = Row(path=Path("broken.mp4"), task="weapon", label="0", group="b")


class SaysOfEachJob:
    """A runner that knows beforehand what becomes of each file, by its name."""

    def __init__(self, **said: list[float] | DamagedError) -> None:
        self._said = said

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        for job in jobs:
            said, key = self._said[Path(job.name).stem], job.segment.key
            if isinstance(said, DamagedError):
                yield Failed(key=key, name=job.name, error=said)
            else:
                yield segment(job, said)
            yield Finished(key=key)


def segment(job: Job, values: list[float]) -> ScoredSegment:
    times = SegmentTimes(first_pts=0, last_pts=0, duration=Fraction(len(values)), time_base=Fraction(1))
    frames = tuple(frame(at, value) for at, value in enumerate(values))
    info = MediaInfo(container="mp4", codec="h264", width=8, height=8)
    return ScoredSegment(key=job.segment.key, times=times, frames=frames, unseen=(), info=info)


def frame(at: int, value: float) -> ScoredFrame:
    said = Scores(model=ModelRef(name="m", version="1"), values={Label("gun"): value}, medium={Medium.CAMERA: value})
    return ScoredFrame(at=Fraction(at), pts=at, keyframe=True, scores=(said,))


def test_a_row_is_judged_by_its_highest_score_and_its_mean_medium() -> None:
    (judged,) = judge([CAMERA], SaysOfEachJob(camera=[0.25, 0.75]))

    assert judged == Judged(row=CAMERA, scores={"gun": 0.75}, medium={"camera": 0.5})


def test_a_row_that_cannot_be_read_says_why_and_the_others_count() -> None:
    runner = SaysOfEachJob(broken=DamagedError("broken.mp4: cannot be opened"), camera=[0.5])

    unread, judged = judge([BROKEN, CAMERA], runner)

    assert unread == Unread(row=BROKEN, reason="broken.mp4: cannot be opened")
    assert isinstance(judged, Judged)
    assert judged.row == CAMERA
