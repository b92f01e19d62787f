"""Scores for labelled rows, by any runner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from scanner.evaluate.rows import Row
from scanner.evaluate.tables import Judged, Unread
from scanner.runner import Failed, Finished, Job, Runner
from scanner.types import ScoredFrame, Segment, SegmentKey, StreamId

__all__ = ["judge"]


@dataclass(slots=True)
class _Heard:
    """What was said of one row so far."""

    frames: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    medium: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    error: str | None = None

    def hear(self, frame: ScoredFrame) -> None:
        self.frames += 1
        for label, value in frame.values.items():
            self.scores[label] = max(value, self.scores.get(label, 0.0))
        for medium, share in frame.medium.items():
            self.medium[medium.value] += share


def judge(rows: Sequence[Row], runner: Runner) -> Iterator[Judged | Unread]:
    """What the models said of each row; in the order in which the runner is done."""
    heard: dict[StreamId, _Heard] = defaultdict(_Heard)
    jobs = (Job(segment=_segment(index, row), name=str(row.path), windowed=True) for index, row in enumerate(rows))
    for outcome in runner.run(jobs):
        stream_id = outcome.key.stream_id
        if isinstance(outcome, Finished):
            yield _judged(rows[int(stream_id)], heard.pop(stream_id, _Heard()))
        elif isinstance(outcome, Failed):
            heard[stream_id].error = str(outcome.error)
        else:
            for frame in outcome.frames:
                heard[stream_id].hear(frame)


def _segment(index: int, row: Row) -> Segment:
    return Segment(key=SegmentKey(stream_id=StreamId(str(index)), sequence=0), source=row.path)


def _judged(row: Row, heard: _Heard) -> Judged | Unread:
    if heard.frames == 0:
        return Unread(row=row, reason=heard.error or f"{row.path}: no frame")
    return Judged(row=row, scores=heard.scores, medium={name: total / heard.frames for name, total in heard.medium.items()})
