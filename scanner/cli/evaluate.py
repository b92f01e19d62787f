"""The command ``streamwarden eval``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

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
from scanner.cli.options import Config, Json, Workers, open_runner, wants_json
from scanner.cli.status import Status
from scanner.cli.terminal import open_console
from scanner.compose import compose, used_models
from scanner.errors import SetupError
from scanner.evaluate.comparisons import ScoredRow, UnscoredRow
from scanner.evaluate.evaluation import Evaluation, Subject, evaluate, to_json
from scanner.evaluate.folds import read_fold_models
from scanner.evaluate.page import PageSection, to_page
from scanner.evaluate.properties import read_properties
from scanner.evaluate.row_scoring import RowScorer, collect_rows
from scanner.evaluate.rows import LabelledRow, read_manifests, sample_rows
from scanner.perturbations.perturber import Perturber
from scanner.perturbations.transforms import PERTURBATIONS, Perturbation, find_perturbation
from scanner.report.lines import Line
from scanner.scoring.options import MAX_BUDGET
from scanner.settings.sections import Settings, read_settings

__all__ = ["eval_command"]

ALL_SEGMENTS = 1.0

Manifests = Annotated[
    list[Path],
    typer.Argument(metavar="MANIFEST...", help="CSV of path,task,label,group.", show_default=False),
]
Tasks = Annotated[list[str] | None, typer.Option(help="Only this task; may be repeated.")]
WithRobustness = Annotated[
    bool, typer.Option("--robustness", help="Measure again after each change to the input.")
]
ChangeNames = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="With --robustness, only this change; with --streams, ordinary video after it too."
        " May be repeated.",
    ),
]
MaxRows = Annotated[
    int | None,
    typer.Option(min=1, help="With --robustness: maximum rows of each task and label."),
]
WithSlices = Annotated[
    bool,
    typer.Option(
        "--slices", help="Figures by parts of the files: dark, small, far, your own words."
    ),
]
WithStreams = Annotated[
    bool,
    typer.Option("--streams", help="Assemble streams from the files, and measure incidents."),
]
PageFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a page with all figures and curves.")
]
Seed = Annotated[int, typer.Option(help="Seed for the rows of --most, the changes, and --streams.")]
BaseRate = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        metavar="SHARE",
        help="Share of segments with bursts; all by default, as live with --streams.",
    ),
]
FoldFolders = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER",
        help="Output of a recipe's --folds-out: score each row with models not trained on it.",
    ),
]
ScoreFiles = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Lines of `scan --json`, instead of scoring the rows."),
]
SavedScores = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the lines of `scan --json` for all rows.")
]


def eval_command(
    context: typer.Context,
    manifest: Manifests,
    config: Config = None,
    as_json: Json = False,
    workers: Workers = 0,
    task: Tasks = None,
    robustness: WithRobustness = False,
    change: ChangeNames = None,
    most: MaxRows = None,
    slices: WithSlices = False,
    streams: WithStreams = False,
    html: PageFile = None,
    seed: Seed = 0,
    base_rate: BaseRate = None,
    fold_models: FoldFolders = None,
    scores: ScoreFiles = None,
    save_scores: SavedScores = None,
) -> None:
    """Measure the models on labelled files: AUC, average precision, recall at 1, 2 and 5 % false
    positives, calibration.

    Intervals are 95 % by bootstrap over groups. Figures on rows that a model was trained on are
    not valid: use other files, or --fold-models.

    Examples:
      streamwarden eval labelled/manifest.csv --task weapon
      streamwarden eval labelled/manifest.csv --robustness --most 20 --slices --html report.html
    """
    settings = _with_bursts(read_settings(config), base_rate, live=streams)
    changes = _perturbations(robustness, change, most, streams=streams)
    rows = [row for row in read_manifests(manifest) if not task or row.task in task]
    scorer = RowScorer(
        settings=settings,
        open_runner=lambda own: open_runner(context.obj, own, workers),
        fold_models=tuple(read_fold_models(folder) for folder in fold_models or ()),
    )
    scored, lines = (
        _read_scored(rows, scores, settings)
        if scores
        else _score(
            scorer,
            rows,
            save_scores,
            keep_lines=streams,
            changes=changes if streams else (),
            seed=seed,
        )
    )
    sample = sample_rows(rows, most, seed=seed)
    versions = score_perturbed(scorer, sample, rows, changes, seed=seed) if robustness else []
    properties = (
        dict(list_with_progress(read_properties(rows, settings), len(rows), "reading"))
        if slices
        else None
    )
    print_unscored([*scored, *versions])
    subject = _subject(scorer, manifest, scored, sampled=most if robustness else None, seed=seed)
    measured = partial(evaluate, subject, only_scored(scored), only_scored(versions), properties)
    if streams:
        page = None if html is None else _PageWriter(path=html, evaluation=measured())
        raise typer.Exit(
            streams_command(settings, rows, lines, seed=seed, as_json=as_json, page=page)
        )
    _write_evaluation(measured(), html, as_json=as_json)
    raise typer.Exit(Status.FAILED if subject.failed else Status.NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _PageWriter:
    """Writes the page, with sections of other measurements."""

    path: Path
    evaluation: Evaluation = field(repr=False)

    def __call__(self, sections: Sequence[PageSection]) -> None:
        try:
            self.path.write_text(to_page(self.evaluation, sections), "utf-8", "xmlcharrefreplace")
        except OSError as error:
            raise SetupError(f"{self.path}: cannot be written ({error.strerror})") from error
        open_console(stderr=True).print(f"page: {self.path}", soft_wrap=True)


def _score(
    scorer: RowScorer,
    rows: Sequence[LabelledRow],
    save_scores: Path | None,
    *,
    keep_lines: bool,
    changes: Sequence[Perturbation],
    seed: int,
) -> tuple[list[ScoredRow | UnscoredRow], list[Line]]:
    """Score the rows, and return the scan's lines too if they are needed; only the lines have
    ordinary video after the changes."""
    lines: list[Line] = []
    settings = scorer.settings
    with (
        line_writer(save_scores) as write,
        Perturber(settings.sandbox, settings.limits) as perturber,
    ):
        listener = broadcast(lines.append if keep_lines else None, write)
        versions = versions_for_streams(perturber, changes, rows, seed=seed)
        scored = replace(scorer, keep=listener).rows(rows, versions)
        found = list_with_progress(scored, len(rows), "scoring")
    return [one for one in found if not one.change], lines


def _read_scored(
    rows: Sequence[LabelledRow], files: Sequence[Path], settings: Settings
) -> tuple[list[ScoredRow | UnscoredRow], list[Line]]:
    """Collect the rows' scores from the lines of earlier scans."""
    lines = list(read_scores(files))
    found = collect_rows(rows, lines, compose(settings).policies)
    return [one for one in found if not one.change], lines


def _with_bursts(settings: Settings, base_rate: float | None, *, live: bool) -> Settings:
    """Sample bursts of every segment, or of those that a scan would choose if the evaluation is to
    be as live, whatever they take; unless an option, a file or the environment says otherwise."""
    if base_rate is None and "bursts" in settings.model_fields_set:
        return settings
    rate = base_rate
    if rate is None:
        rate = settings.bursts.base_rate if live else ALL_SEGMENTS
    bursts = replace(settings.bursts, base_rate=rate, budget=MAX_BUDGET, live_budget=MAX_BUDGET)
    return settings.model_copy(update={"bursts": bursts})


def _perturbations(
    wanted: bool, names: Sequence[str] | None, most: int | None, *, streams: bool
) -> tuple[Perturbation, ...]:
    if not wanted and most is not None:
        raise typer.BadParameter("--most requires --robustness")
    if not (wanted or streams) and names:
        raise typer.BadParameter("--change requires --robustness or --streams")
    if names:
        return tuple(find_perturbation(name) for name in names)
    return PERTURBATIONS if wanted else ()


def _subject(
    scorer: RowScorer,
    manifest: Sequence[Path],
    rows: Sequence[ScoredRow | UnscoredRow],
    *,
    sampled: int | None,
    seed: int,
) -> Subject:
    scored = only_scored(rows)
    return Subject(
        models=_models(scorer),
        manifest=", ".join(map(str, manifest)),
        rows=len(scored),
        failed=len(rows) - len(scored),
        held_out=bool(scorer.fold_models),
        sampled=sampled,
        seed=seed,
    )


def _models(scorer: RowScorer) -> tuple[str, ...]:
    if not scorer.fold_models:
        return tuple(str(manifest.ref) for manifest in used_models(scorer.settings))
    return tuple(
        f"{model.name} ({len(own.folds)} fold models)"
        for own in scorer.fold_models
        for model in own.models(own.folds[0])
    )


def _write_evaluation(evaluation: Evaluation, html: Path | None, *, as_json: bool) -> None:
    if html is not None:
        _PageWriter(path=html, evaluation=evaluation)(())
    if wants_json(as_json):
        sys.stdout.write(json.dumps(to_json(evaluation), allow_nan=False) + "\n")
    else:
        print_evaluation(evaluation)
