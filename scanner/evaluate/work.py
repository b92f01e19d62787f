"""Scores for labelled rows: each is scanned as anything else is, and judged by the lines that tell of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from scanner.arrivals import Arrival, Arrived
from scanner.config import Settings, compose_policies
from scanner.evaluate.folds import FoldModels, shares
from scanner.evaluate.priors import rebased
from scanner.evaluate.rows import Row
from scanner.evaluate.tables import Judged, Unread
from scanner.lines import ErrorLine, FrameLine, IncidentLine, Line, SummaryLine
from scanner.risk import Policies, judge_still
from scanner.runner import Runner, used_models
from scanner.scan import scan
from scanner.types import Label, Medium, Segment, SegmentKey, Source, StreamId

__all__ = ["RunnerOf", "Score", "Sources", "judge", "record"]

RunnerOf = Callable[[Settings], AbstractContextManager[Runner]]
Sources = Callable[[Row], Source]
"""What is looked at for a row; its own file, where nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How rows are scored: by which models, where, and who listens."""

    settings: Settings
    open_runner: RunnerOf
    fold_models: tuple[FoldModels, ...] = ()
    """For rows that models were trained on: those that never saw them."""
    keep: Callable[[Line], None] | None = None
    """Is told each line of the scan, its scores at the training priors of the settings' own models."""

    def rows(self, rows: Sequence[Row], sources: Sources | None = None) -> Iterator[Judged | Unread]:
        """What the models said of each row, in the order in which the runner is done."""
        own = compose_policies(self.settings, used_models(self.settings))
        for share in shares(rows, self.settings, self.fold_models):
            policies = compose_policies(share.settings, used_models(share.settings))
            with self.open_runner(share.settings) as runner:
                lines = self._kept(record(share.rows, policies, runner, sources), policies, own)
                yield from judge(share.rows, lines, policies)

    def _kept(self, lines: Iterable[Line], policies: Policies, own: Policies) -> Iterator[Line]:
        for line in lines:
            if self.keep is not None:
                self.keep(rebased(line, policies, own))
            yield line


def record(rows: Iterable[Row], policies: Policies, runner: Runner, sources: Sources | None = None) -> Iterator[Line]:
    """The lines of ``scan --json`` for the rows, told under their paths as the manifest has them; each file once."""
    of_file = {row.key: row for row in rows}
    arrivals = (_arrival(row, row.path if sources is None else sources(row)) for row in of_file.values())
    return (said for said in scan(arrivals, policies, runner) if isinstance(said, Line))


def judge(rows: Sequence[Row], lines: Iterable[Line], policies: Policies) -> Iterator[Judged | Unread]:
    """What the lines say of each row: as soon as its summary is there, and at the end of those that have none."""
    heard: dict[str, _Heard] = defaultdict(_Heard)
    waiting: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        waiting[row.key].append(row)
    for line in lines:
        heard[line.path].hear(line)
        if isinstance(line, SummaryLine):
            said = heard.pop(line.path)
            yield from (_judged(row, said, policies) for row in waiting.pop(line.path, ()))
    for key, left in waiting.items():
        yield from (_judged(row, heard[key], policies) for row in left)


@dataclass(slots=True)
class _Heard:
    """What was said of one file so far."""

    frames: list[FrameLine] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    still: bool = False
    error: str | None = None

    def hear(self, line: Line) -> None:
        match line:
            case FrameLine():
                self.frames.append(line)
            case IncidentLine():
                self.opened.update(line.labels)
            case SummaryLine():
                self.still = line.duration == 0
            case ErrorLine():
                self.error = line.message

    def flagged(self, policies: Policies) -> frozenset[str]:
        """Labels that the policies would flag if none were in shadow."""
        if not self.still:
            return frozenset(self.opened)
        live = replace(policies, labels={label: replace(policy, shadow=False) for label, policy in policies.labels.items()})
        (frame, *_) = self.frames
        values = {Label(label): value for label, value in frame.scores.items()}
        return frozenset(judge_still(values, {Medium(name): share for name, share in frame.medium.items()}, live))


def _arrival(row: Row, source: Source) -> Arrival:
    key = SegmentKey(stream_id=StreamId(row.key), sequence=0)
    return Arrived(path=row.key, segment=Segment(key=key, source=source), name=str(row.path), windowed=True, last=True)


def _judged(row: Row, heard: _Heard, policies: Policies) -> Judged | Unread:
    if not heard.frames:
        return Unread(row=row, reason=heard.error or f"{row.path}: no frame")
    return Judged(row=row, scores=_highest(heard.frames), medium=_mean(heard.frames), flagged=heard.flagged(policies))


def _highest(frames: Sequence[FrameLine]) -> Mapping[str, float]:
    scores: dict[str, float] = {}
    for frame in frames:
        for label, value in frame.scores.items():
            scores[label] = max(value, scores.get(label, 0.0))
    return scores


def _mean(frames: Sequence[FrameLine]) -> Mapping[str, float]:
    total: dict[str, float] = defaultdict(float)
    for frame in frames:
        for medium, share in frame.medium.items():
            total[medium] += share
    return {medium: share / len(frames) for medium, share in total.items()}
