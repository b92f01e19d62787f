"""Scores for labelled rows: each is scanned as anything else is, and judged by the lines that tell
of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Final

from scanner.arrivals import Arrival, Arrived, Unreadable
from scanner.errors import ScannerError
from scanner.evaluate.folds import FoldModels, shares
from scanner.evaluate.priors import rebased, rebased_score
from scanner.evaluate.rows import Row
from scanner.evaluate.tables import Judged, Unread
from scanner.lines import ErrorLine, FrameLine, IncidentLine, Line, SummaryLine
from scanner.risk.policy import Policies
from scanner.risk.still import judge_still
from scanner.runner import Runner, used_models
from scanner.scan import scan
from scanner.settings.policies import compose_policies
from scanner.settings.sections import Settings
from scanner.types import Label, Medium, Segment, SegmentKey, Source, StreamId

__all__ = ["UNCHANGED", "RunnerOf", "Score", "Versions", "judge", "record"]

RunnerOf = Callable[[Settings], AbstractContextManager[Runner]]
Versions = Callable[[Row], Mapping[str, Source]]
"""What is looked at for a row, by the name of what was done to it.

Raises:
    InputError: nothing can be made of it.
"""
UNCHANGED: Final = ""
BEHIND, END = " [", "]"
"""Around what was done to a file, in the path of its lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How rows are scored: by which models, where, and who listens."""

    settings: Settings
    open_runner: RunnerOf
    fold_models: tuple[FoldModels, ...] = ()
    """For rows that models were trained on: those that never saw them."""
    keep: Callable[[Line], None] | None = None
    """Is told each line of the scan, its scores at the training priors of the settings' own models.
    """

    def rows(
        self, rows: Sequence[Row], versions: Versions | None = None
    ) -> Iterator[Judged | Unread]:
        """What the models said of each version of each row, in the order in which the runner is
        done."""
        own = compose_policies(self.settings, used_models(self.settings))
        for share in shares(rows, self.settings, self.fold_models):
            policies = compose_policies(share.settings, used_models(share.settings))
            with self.open_runner(share.settings) as runner:
                lines = self._kept(
                    record(share.rows, policies, runner, versions or unchanged), policies, own
                )
                yield from (
                    _told_at(own, policies, one) for one in judge(share.rows, lines, policies)
                )

    def _kept(self, lines: Iterable[Line], policies: Policies, own: Policies) -> Iterator[Line]:
        for line in lines:
            if self.keep is not None:
                self.keep(rebased(line, policies, own))
            yield line


def unchanged(row: Row) -> Mapping[str, Source]:
    """The row's own file."""
    return {UNCHANGED: row.path}


def record(
    rows: Iterable[Row], policies: Policies, runner: Runner, versions: Versions = unchanged
) -> Iterator[Line]:
    """The lines of ``scan --json`` for the rows, told under their paths as the manifest has them;
    each file once.

    What was done to a file stands behind its path, in brackets. Where that cannot be done, the file
    has an error and no more.
    """
    of_file = {row.key: row for row in rows}
    arrivals = (arrival for row in of_file.values() for arrival in _arrivals(row, versions))
    return (said for said in scan(arrivals, policies, runner) if isinstance(said, Line))


def judge(
    rows: Sequence[Row], lines: Iterable[Line], policies: Policies
) -> Iterator[Judged | Unread]:
    """What the lines say of each row: as soon as a summary is there, and at the end of those that
    have none."""
    heard: dict[str, _Heard] = defaultdict(_Heard)
    of_key: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_key[row.key].append(row)
    read: set[str] = set()
    for line in lines:
        heard[line.path].hear(line)
        if isinstance(line, SummaryLine):
            key, change = _parted(line.path, of_key)
            read.add(key)
            said = heard.pop(line.path)
            yield from (_judged(row, change, said, policies) for row in of_key[key])
    yield from _left(of_key, read, heard)


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
        live = replace(
            policies,
            labels={
                label: replace(policy, shadow=False) for label, policy in policies.labels.items()
            },
        )
        (frame, *_) = self.frames
        values = {Label(label): value for label, value in frame.scores.items()}
        return frozenset(
            judge_still(values, {Medium(name): share for name, share in frame.medium.items()}, live)
        )


def _arrivals(row: Row, versions: Versions) -> Iterator[Arrival]:
    try:
        sources = versions(row)
    except ScannerError as why:
        yield Unreadable(path=row.key, error=why)
        return
    for change, source in sources.items():
        told = f"{row.key}{BEHIND}{change}{END}" if change else row.key
        key = SegmentKey(stream_id=StreamId(told), sequence=0)
        yield Arrived(
            path=told,
            segment=Segment(key=key, source=source),
            name=str(row.path),
            windowed=True,
            last=True,
        )


def _parted(told: str, keys: Container[str]) -> tuple[str, str]:
    """A row's key and what was done to it, from the path of a line."""
    if told in keys:
        return told, UNCHANGED
    key, _, change = told.rpartition(BEHIND)
    return key, change.removesuffix(END)


def _left(
    of_key: Mapping[str, Sequence[Row]], read: Container[str], heard: Mapping[str, _Heard]
) -> Iterator[Unread]:
    """Rows that have no summary, and versions of others that have none."""
    for key, rows in of_key.items():
        if key not in read and key not in heard:
            yield from (
                Unread(row=row, reason=f"{row.path}: nothing was said of it") for row in rows
            )
    for told, said in heard.items():
        key, change = _parted(told, of_key)
        yield from (
            Unread(row=row, reason=said.error or f"{row.path}: no frame", change=change)
            for row in of_key.get(key, ())
        )


def _judged(row: Row, change: str, heard: _Heard, policies: Policies) -> Judged | Unread:
    if not heard.frames:
        return Unread(row=row, reason=heard.error or f"{row.path}: no frame", change=change)
    scores = _highest(heard.frames)
    return Judged(
        row=row,
        change=change,
        scores=scores,
        medium=_mean(heard.frames),
        flagged=heard.flagged(policies),
        shadow=_shadow(heard.frames),
        evidence={
            name: policies.labels[label].llr(scores[name])
            for label in policies.labels
            if (name := str(label)) in scores
        },
    )


def _told_at(now: Policies, was: Policies, said: Judged | Unread) -> Judged | Unread:
    """Its scores at the training priors of ``now``: scores of several folds' models then mean the
    same."""
    if isinstance(said, Unread):
        return said
    return replace(
        said,
        scores={
            label: rebased_score(value, Label(label), was, now)
            for label, value in said.scores.items()
        },
    )


def _highest(frames: Sequence[FrameLine]) -> Mapping[str, float]:
    scores: dict[str, float] = {}
    for frame in frames:
        for label, value in frame.scores.items():
            scores[label] = max(value, scores.get(label, 0.0))
    return scores


def _shadow(frames: Sequence[FrameLine]) -> Mapping[str, Mapping[str, float]]:
    """The same of models in shadow, by their names."""
    scores: dict[str, dict[str, float]] = {}
    for frame in frames:
        for model, said in frame.shadow.items():
            own = scores.setdefault(model.partition("@")[0], {})
            own.update({label: max(value, own.get(label, 0.0)) for label, value in said.items()})
    return scores


def _mean(frames: Sequence[FrameLine]) -> Mapping[str, float]:
    """Bursts show what the frames beside them do, and do not count twice."""
    total: dict[str, float] = defaultdict(float)
    single = [frame for frame in frames if frame.burst is None] or frames
    for frame in single:
        for medium, share in frame.medium.items():
            total[medium] += share
    return {medium: share / len(single) for medium, share in total.items()}
