"""One evaluation of ``streamwarden eval``: score the rows, measure them, and write the figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scanner.cli.eval_scoring import (
    broadcast,
    line_writer,
    list_with_progress,
    only_scored,
    print_unscored,
    score_perturbed,
    versions_for_streams,
)
from scanner.cli.eval_streams import read_scores, streams_command
from scanner.cli.eval_tables import print_evaluation
from scanner.cli.messages import count_of, print_message
from scanner.cli.status import Status
from scanner.compose import compose, used_models
from scanner.errors import SetupError
from scanner.evaluate.comparisons import ScoredRow, UnscoredRow
from scanner.evaluate.evaluation import Evaluation, Subject, evaluate, to_json
from scanner.evaluate.page import PageSection, to_page
from scanner.evaluate.properties import MediaProperties, read_properties
from scanner.evaluate.row_scoring import RowScorer, collect_rows
from scanner.evaluate.rows import LabelledRow, RowSelection, sample_rows
from scanner.perturbations.perturber import Perturber
from scanner.perturbations.transforms import Perturbation
from scanner.private import write_file
from scanner.report.lines import Line

__all__ = ["EvalRun"]

Scored = list[ScoredRow | UnscoredRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRun:
    """The subject and the output of an evaluation; the fields are the options of the command."""

    manifest: str
    selection: RowSelection
    scorer: RowScorer
    changes: tuple[Perturbation, ...]
    robustness: bool
    most: int | None
    slices: bool
    streams: bool
    html: Path | None
    seed: int
    scores: tuple[Path, ...]
    save_scores: Path | None
    as_json: bool

    @property
    def rows(self) -> Sequence[LabelledRow]:
        """The rows to measure."""
        return self.selection.rows

    def run(self) -> Status:
        """Measure, write the results, and return the exit status."""
        self._print_left_out()
        scored, lines = self._read_scored() if self.scores else self._score()
        versions = self._score_versions()
        properties = self._read_properties()
        print_unscored([*scored, *versions])
        subject = self._subject(scored)

        def measure() -> Evaluation:
            return evaluate(subject, only_scored(scored), only_scored(versions), properties)

        if self.streams:
            page = None if self.html is None else _PageWriter(path=self.html, evaluation=measure())
            settings, rows = self.scorer.settings, self.rows
            return streams_command(
                settings, rows, lines, seed=self.seed, as_json=self.as_json, page=page
            )
        self._write(measure())
        return Status.FAILED if subject.failed else Status.NOTHING

    def _print_left_out(self) -> None:
        for task, number in self.selection.left_out.items():
            rows = count_of(number, "row")
            print_message(f"left out: {rows} of the unknown task {task or '(none)'}")

    def _score(self) -> tuple[Scored, list[Line]]:
        """Score the rows, and return the scan's lines too if they are needed; only the lines have
        ordinary video after the changes."""
        lines: list[Line] = []
        settings, changes = self.scorer.settings, self.changes if self.streams else ()
        with (
            line_writer(self.save_scores) as write,
            Perturber(settings.sandbox, settings.limits) as perturber,
        ):
            listener = broadcast(lines.append if self.streams else None, write)
            versions = versions_for_streams(perturber, changes, self.rows, seed=self.seed)
            scored = replace(self.scorer, keep=listener).rows(self.rows, versions)
            found = list_with_progress(scored, len(self.rows), "scoring")
        return [one for one in found if not one.change], lines

    def _read_scored(self) -> tuple[Scored, list[Line]]:
        """Collect the rows' scores from the lines of earlier scans."""
        lines = list(read_scores(self.scores))
        found = collect_rows(self.rows, lines, compose(self.scorer.settings).policies)
        return [one for one in found if not one.change], lines

    def _score_versions(self) -> Scored:
        if not self.robustness:
            return []
        sample = sample_rows(self.rows, self.most, seed=self.seed)
        return score_perturbed(self.scorer, sample, self.rows, self.changes, seed=self.seed)

    def _read_properties(self) -> Mapping[str, MediaProperties] | None:
        if not self.slices:
            return None
        found = read_properties(self.rows, self.scorer.settings)
        return dict(list_with_progress(found, len(self.rows), "reading"))

    def _subject(self, rows: Sequence[ScoredRow | UnscoredRow]) -> Subject:
        scored = only_scored(rows)
        return Subject(
            models=_models(self.scorer),
            manifest=self.manifest,
            rows=len(scored),
            failed=len(rows) - len(scored),
            left_out=dict(self.selection.left_out),
            held_out=bool(self.scorer.fold_models),
            sampled=self.most if self.robustness else None,
            seed=self.seed,
        )

    def _write(self, evaluation: Evaluation) -> None:
        if self.html is not None:
            _PageWriter(path=self.html, evaluation=evaluation)(())
        for task, reason in evaluation.unmeasured.items():
            print_message(f"not measured: task {task}: {reason}")
        if self.as_json:
            sys.stdout.write(json.dumps(to_json(evaluation), allow_nan=False) + "\n")
        else:
            print_evaluation(evaluation)


@dataclass(frozen=True, slots=True, kw_only=True)
class _PageWriter:
    """Writes the page, with sections of other measurements."""

    path: Path
    evaluation: Evaluation = field(repr=False)

    def __call__(self, sections: Sequence[PageSection]) -> None:
        try:
            page = to_page(self.evaluation, sections)
            write_file(self.path, page.encode("utf-8", "xmlcharrefreplace"))
        except OSError as error:
            raise SetupError(f"{self.path}: cannot be written: {error.strerror}") from error
        print_message(f"page: {self.path}")


def _models(scorer: RowScorer) -> tuple[str, ...]:
    if not scorer.fold_models:
        return tuple(str(manifest.ref) for manifest in used_models(scorer.settings))
    return tuple(
        f"{model.name} ({len(own.folds)} fold models)"
        for own in scorer.fold_models
        for model in own.models(own.folds[0])
    )
