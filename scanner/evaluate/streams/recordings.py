"""What the models said of each file of a manifest, with its times: by any runner, or from the lines of an earlier scan.

Law 13 makes a score local to its segment: footage is scored once, file by file, and streams are put together from the scores.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from scanner.evaluate.rows import Row
from scanner.evaluate.tables import Unread
from scanner.lines import FrameLine, Line, SummaryLine, exact, exact_at
from scanner.risk import Sampled
from scanner.runner import Failed, Finished, Job, Runner
from scanner.types import Label, Medium, ScoredSegment, Segment, SegmentKey, StreamId

__all__ = ["Recording", "from_lines", "from_runner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One file, and all looks at it."""

    row: Row
    looks: tuple[Sampled, ...]
    """In order of time, from the file's first frame."""
    length: Fraction
    """Seconds; 0 for a still picture, which has one look."""

    @property
    def still(self) -> bool:
        """A picture that does not move has no duration."""
        return self.length == 0


def from_lines(rows: Sequence[Row], folder: Path, lines: Iterable[Line]) -> Iterator[Recording | Unread]:
    """The rows as an earlier ``scan --json`` saw them; its paths are those of the manifest in ``folder``, or absolute."""
    looks: dict[str, list[Sampled]] = defaultdict(list)
    lengths: dict[str, Fraction] = {}
    for line in lines:
        match line:
            case FrameLine(path=path):
                looks[path].append(_sampled(line))
            case SummaryLine(path=path, duration=duration):
                lengths[path] = exact(duration)
    for row in rows:
        yield _recording(row, _name(row, folder, looks), looks, lengths)


def _name(row: Row, folder: Path, looks: Mapping[str, object]) -> str:
    relative = str(row.path.relative_to(folder))
    return relative if relative in looks else str(row.path.resolve())


def _recording(row: Row, name: str, looks: Mapping[str, list[Sampled]], lengths: Mapping[str, Fraction]) -> Recording | Unread:
    if name not in looks or name not in lengths:
        return Unread(row=row, reason=f"{row.path}: not in the recorded scores")
    return Recording(row=row, looks=tuple(sorted(looks[name], key=lambda look: look.at)), length=lengths[name])


def _sampled(line: FrameLine) -> Sampled:
    values = {Label(label): value for label, value in line.scores.items()}
    return Sampled(at=exact_at(line), values=values, medium={Medium(name): share for name, share in line.medium.items()})


@dataclass(slots=True)
class _Heard:
    """What was said of one row so far."""

    looks: list[Sampled] = field(default_factory=list)
    length: Fraction = Fraction(0)
    error: str | None = None

    def hear(self, segment: ScoredSegment) -> None:
        begins = segment.begins
        self.looks += [Sampled(at=begins + frame.at, values=frame.values, medium=frame.medium) for frame in segment.frames]
        self.length = Fraction(0) if segment.info.still else max(self.length, begins + segment.times.duration)


def from_runner(rows: Sequence[Row], runner: Runner) -> Iterator[Recording | Unread]:
    """The rows as the runner sees them now; in the order in which it is done."""
    heard: dict[StreamId, _Heard] = defaultdict(_Heard)
    for outcome in runner.run(_job(index, row) for index, row in enumerate(rows)):
        stream_id = outcome.key.stream_id
        if isinstance(outcome, Finished):
            yield _finished(rows[int(stream_id)], heard.pop(stream_id, _Heard()))
        elif isinstance(outcome, Failed):
            heard[stream_id].error = str(outcome.error)
        else:
            heard[stream_id].hear(outcome)


def _job(index: int, row: Row) -> Job:
    segment = Segment(key=SegmentKey(stream_id=StreamId(str(index)), sequence=0), source=row.path)
    return Job(segment=segment, name=str(row.path), windowed=True)


def _finished(row: Row, heard: _Heard) -> Recording | Unread:
    if not heard.looks:
        return Unread(row=row, reason=heard.error or f"{row.path}: no frame")
    return Recording(row=row, looks=tuple(heard.looks), length=heard.length)
