"""Scores labelled rows with the real scan, and collects each row's scores from the scan's lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Final

from scanner.compose import Program, compose, scan_lines
from scanner.errors import ScannerError
from scanner.evaluate.comparisons import ScoredRow, UnscoredRow
from scanner.evaluate.folds import FoldModels, split_by_fold
from scanner.evaluate.rows import LabelledRow
from scanner.report.lines import ErrorLine, FrameLine, IncidentLine, Line, SummaryLine
from scanner.risk.policy import Policies, logit, sigmoid
from scanner.risk.still import judge_still
from scanner.settings.sections import Settings
from scanner.sources.stream_ids import StreamIds
from scanner.stream.inputs import Arrival, Runner, SegmentArrived, SourceFailed
from scanner.types import Label, Medium, Segment, SegmentKey, Source, StreamId

__all__ = [
    "UNCHANGED",
    "OpenRunner",
    "RowScorer",
    "SourceVersions",
    "collect_rows",
    "scan_rows",
    "split_path",
]

OpenRunner = Callable[[Program], AbstractContextManager[Runner]]
SourceVersions = Callable[[LabelledRow], Mapping[str, Source]]
"""Returns the sources to scan for a row, keyed by perturbation.

Raises:
    InputError: the row's file cannot be perturbed.
"""
UNCHANGED: Final = ""
OPEN, CLOSE = " [", "]"
"""Delimiters of the perturbation's name, after the path in a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowScorer:
    """Scores rows: with which models, on which runner, and with an optional listener for the
    lines."""

    settings: Settings
    open_runner: OpenRunner
    fold_models: tuple[FoldModels, ...] = ()
    """For rows that models were trained on: models that were not trained on the row's group."""
    keep: Callable[[Line], None] | None = None
    """Receives each line of the scan, with scores at the training priors of the settings' own
    models."""

    def rows(
        self, rows: Sequence[LabelledRow], versions: SourceVersions | None = None
    ) -> Iterator[ScoredRow | UnscoredRow]:
        """Yield the scores of each version of each row, in the order in which the runner
        finishes."""
        own = compose(self.settings).policies
        for subset in split_by_fold(rows, self.settings, self.fold_models):
            program = compose(subset.settings)
            policies = program.policies
            with self.open_runner(program) as runner:
                lines = scan_rows(subset.rows, program, runner, versions or original_source)
                scored = collect_rows(subset.rows, self._listen(lines, policies, own), policies)
                yield from (_rebase(row, policies, own) for row in scored)

    def _listen(self, lines: Iterable[Line], policies: Policies, own: Policies) -> Iterator[Line]:
        for line in lines:
            if self.keep is not None:
                self.keep(rebase_line(line, policies, own))
            yield line


def original_source(row: LabelledRow) -> Mapping[str, Source]:
    """Return the row's own file as the only version."""
    return {UNCHANGED: row.path}


def scan_rows(
    rows: Iterable[LabelledRow],
    program: Program,
    runner: Runner,
    versions: SourceVersions = original_source,
) -> Iterator[Line]:
    """Yield the lines of ``scan --json`` for the rows, under their manifest paths; each file is
    scanned once, as a stream with the id that ``scan`` gives it.

    A perturbation's name follows the path in brackets, and the id of the file. A file that cannot
    be perturbed has only an error line.
    """
    of_file, ids = {row.key: row for row in rows}, StreamIds()
    arrivals = (arrival for row in of_file.values() for arrival in _arrivals(row, versions, ids))
    return scan_lines(program, arrivals, runner)


def collect_rows(
    rows: Sequence[LabelledRow], lines: Iterable[Line], policies: Policies
) -> Iterator[ScoredRow | UnscoredRow]:
    """Yield each row's scores when its summary line arrives, and at the end the rows that have
    none."""
    files: dict[str, _FileLines] = defaultdict(_FileLines)
    rows_of: dict[str, list[LabelledRow]] = defaultdict(list)
    for row in rows:
        rows_of[row.key].append(row)
    read: set[str] = set()
    for line in lines:
        files[line.path].add(line)
        if isinstance(line, SummaryLine):
            key, change = split_path(line.path, rows_of)
            read.add(key)
            lines_of_file = files.pop(line.path)
            yield from (_scored_row(row, change, lines_of_file, policies) for row in rows_of[key])
    yield from _unscored_rows(rows_of, read, files)


@dataclass(slots=True)
class _FileLines:
    """The lines of one file so far."""

    frames: list[FrameLine] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    still: bool = False
    error: str | None = None

    def add(self, line: Line) -> None:
        match line:
            case FrameLine():
                self.frames.append(line)
            case IncidentLine():
                self.opened.update(line.labels)
            case SummaryLine():
                self.still = line.duration == 0
            case ErrorLine():
                self.error = line.message

    def flagged_labels(self, policies: Policies) -> frozenset[str]:
        """Return the labels that the policies would flag if none were in shadow."""
        if not self.still:
            return frozenset(self.opened)
        live = replace(
            policies,
            labels={
                label: replace(policy, shadow=False, still_shadow=None)
                for label, policy in policies.labels.items()
            },
        )
        (frame, *_) = self.frames
        values = {Label(label): value for label, value in frame.scores.items()}
        return frozenset(
            judge_still(values, {Medium(name): share for name, share in frame.medium.items()}, live)
        )


def _arrivals(row: LabelledRow, versions: SourceVersions, ids: StreamIds) -> Iterator[Arrival]:
    try:
        sources = versions(row)
    except ScannerError as error:
        yield SourceFailed(path=row.key, error=error)
        return
    file = ids.of_file(row.path)
    for change, source in sources.items():
        path = f"{row.key}{OPEN}{change}{CLOSE}" if change else row.key
        key = SegmentKey(stream_id=StreamId(f"{file}-{change}" if change else file), sequence=0)
        yield SegmentArrived(
            path=path,
            segment=Segment(key=key, source=source),
            name=str(row.path),
            windowed=True,
            last=True,
        )


def split_path(path: str, keys: Container[str]) -> tuple[str, str]:
    """Return a row's key and the perturbation, from the path of a line."""
    if path in keys:
        return path, UNCHANGED
    key, _, change = path.rpartition(OPEN)
    return key, change.removesuffix(CLOSE)


def _unscored_rows(
    rows_of: Mapping[str, Sequence[LabelledRow]],
    read: Container[str],
    files: Mapping[str, _FileLines],
) -> Iterator[UnscoredRow]:
    """Yield the rows, and versions of rows, that have no summary line."""
    for key, rows in rows_of.items():
        if key not in read and key not in files:
            yield from (
                UnscoredRow(row=row, reason=f"{row.path}: the lines have no result for it")
                for row in rows
            )
    for path, lines in files.items():
        key, change = split_path(path, rows_of)
        yield from (
            UnscoredRow(row=row, reason=lines.error or f"{row.path}: no frame", change=change)
            for row in rows_of.get(key, ())
        )


def _scored_row(
    row: LabelledRow, change: str, lines: _FileLines, policies: Policies
) -> ScoredRow | UnscoredRow:
    if not lines.frames:
        return UnscoredRow(row=row, reason=lines.error or f"{row.path}: no frame", change=change)
    scores = _highest_scores(lines.frames)
    return ScoredRow(
        row=row,
        change=change,
        scores=scores,
        medium=_mean_medium(lines.frames),
        flagged=lines.flagged_labels(policies),
        shadow=_shadow_scores(lines.frames),
        evidence={
            name: policies.labels[label].llr(scores[name])
            for label in policies.labels
            if (name := str(label)) in scores
        },
    )


def _rebase(row: ScoredRow | UnscoredRow, was: Policies, now: Policies) -> ScoredRow | UnscoredRow:
    """Return the row with scores at the training priors of ``now``, so that scores of several
    folds' models are comparable."""
    if isinstance(row, UnscoredRow):
        return row
    return replace(
        row,
        scores={
            label: rebase_score(value, Label(label), was, now)
            for label, value in row.scores.items()
        },
    )


def _highest_scores(frames: Sequence[FrameLine]) -> Mapping[str, float]:
    scores: dict[str, float] = {}
    for frame in frames:
        for label, value in frame.scores.items():
            scores[label] = max(value, scores.get(label, 0.0))
    return scores


def _shadow_scores(frames: Sequence[FrameLine]) -> Mapping[str, Mapping[str, float]]:
    """Return the highest scores of models in shadow, by model name."""
    scores: dict[str, dict[str, float]] = {}
    for frame in frames:
        for model, values in frame.shadow.items():
            own = scores.setdefault(model.partition("@")[0], {})
            own.update({label: max(value, own.get(label, 0.0)) for label, value in values.items()})
    return scores


def _mean_medium(frames: Sequence[FrameLine]) -> Mapping[str, float]:
    """Return the mean share of each medium; bursts repeat the frames beside them and are not
    counted."""
    total: dict[str, float] = defaultdict(float)
    single = [frame for frame in frames if frame.burst is None] or frames
    for frame in single:
        for medium, share in frame.medium.items():
            total[medium] += share
    return {medium: share / len(single) for medium, share in total.items()}


def rebase_line(line: Line, was: Policies, now: Policies) -> Line:
    """Return the line with its scores converted from the training priors of ``was`` to those of
    ``now``."""
    if not isinstance(line, FrameLine):
        return line
    return replace(
        line,
        scores={
            label: rebase_score(value, Label(label), was, now)
            for label, value in line.scores.items()
        },
    )


def rebase_score(value: float, label: Label, was: Policies, now: Policies) -> float:
    """Convert one score in the same way; a score whose label either side does not know is
    unchanged."""
    before, after = (policies.labels.get(label) for policies in (was, now))
    if before is None or after is None or before.training_prior == after.training_prior:
        return value
    return sigmoid(logit(value) + logit(after.training_prior) - logit(before.training_prior))
