"""``streamwarden eval``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from scanner.cli.eval_streams import read_scores, streams_command
from scanner.cli.eval_tables import print_evaluation
from scanner.cli.eval_work import both, changed, followed, read, saved, tell_unread
from scanner.cli.options import Config, Json, Workers, open_runner, wants_json
from scanner.cli.status import Status
from scanner.errors import SetupError
from scanner.evaluate.evaluation import Evaluation, Subject, evaluate, to_json
from scanner.evaluate.folds import read_fold_models
from scanner.evaluate.footage import look_at
from scanner.evaluate.page import Section, to_page
from scanner.evaluate.rows import Row, read_rows
from scanner.evaluate.sampled import sampled
from scanner.evaluate.tables import Judged, Unread
from scanner.evaluate.work import Score, judge
from scanner.lines import Line
from scanner.perturbations.transforms import PERTURBATIONS, Perturbation, find_perturbation
from scanner.runner import used_models
from scanner.settings.policies import compose_policies
from scanner.settings.sections import Settings, read_settings

__all__ = ["eval_command"]

ALL_IN_MOTION = 1.0


def eval_command(
    context: typer.Context,
    manifest: Annotated[
        Path, typer.Argument(help="CSV of path,task,label,group.", show_default=False)
    ],
    config: Config = None,
    as_json: Json = False,
    workers: Workers = 0,
    task: Annotated[
        list[str] | None, typer.Option(help="Only these tasks; may be given several times.")
    ] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="All figures again after each change to the input.")
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --robustness: only these changes."),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(min=1, help="With --robustness: rows of each task and label, at most."),
    ] = None,
    slices: Annotated[
        bool,
        typer.Option(
            "--slices", help="Figures by parts of the footage: dark, small, far, your own."
        ),
    ] = False,
    streams: Annotated[
        bool,
        typer.Option(
            "--streams", help="Put streams together from the footage, and measure incidents."
        ),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Leave a page with all figures and curves here."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of what is drawn: rows with --most, changes, pieces of --streams.")
    ] = 0,
    base_rate: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Of segments looked at in motion; all, but for --streams.",
        ),
    ] = None,
    fold_models: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="What a recipe's --folds-out left: judge each row by models that never saw it.",
        ),
    ] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Lines that `scan --json` wrote, in place of scoring the rows."
        ),
    ] = None,
    save_scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Leave the lines of `scan --json` for all rows here."),
    ] = None,
) -> None:
    """Measure the models on labelled footage: AUC, average precision, recall at 1, 2 and 5 % false
    positives, calibration.

    Intervals are 95 % by bootstrap over groups. Rows that the models were trained on say nothing:
    use other footage, or --fold-models.

    Examples:
      streamwarden eval labelled/manifest.csv --task weapon
      streamwarden eval labelled/manifest.csv --robustness --most 20 --slices --html report.html
    """
    settings = _in_motion(read_settings(config), base_rate, live=streams)
    changes = _changes(robustness, change, most)
    rows = [row for row in read_rows(manifest) if not task or row.task in task]
    heard: list[Line] = list(read_scores(scores)) if scores else []
    score = Score(
        settings=settings,
        open_runner=lambda own: open_runner(context.obj, own, workers),
        fold_models=tuple(read_fold_models(folder) for folder in fold_models or ()),
    )
    with saved(save_scores) as keep:
        kept = replace(score, keep=both(heard.append if streams else None, keep))
        said = (
            _judged_from(rows, heard, settings)
            if scores
            else followed(kept.rows(rows), len(rows), "scoring")
        )
    versions = (
        changed(score, sampled(rows, most, seed=seed), rows, changes, seed=seed) if changes else []
    )
    footage = dict(followed(look_at(rows, settings), len(rows), "looking")) if slices else None
    tell_unread([*said, *versions])
    subject = _subject(score, manifest, said, sampled=most if changes else None, seed=seed)
    measured = partial(evaluate, subject, read(said), read(versions), footage)
    if streams:
        page = None if html is None else _Page(path=html, evaluation=measured())
        raise typer.Exit(
            streams_command(settings, rows, heard, seed=seed, as_json=as_json, page=page)
        )
    _tell(measured(), html, as_json=as_json)
    raise typer.Exit(Status.FAILED if subject.failed else Status.NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """Writes the page, with sections of what else was measured."""

    path: Path
    evaluation: Evaluation = field(repr=False)

    def __call__(self, sections: Sequence[Section]) -> None:
        try:
            self.path.write_text(to_page(self.evaluation, sections), "utf-8", "xmlcharrefreplace")
        except OSError as why:
            raise SetupError(f"{self.path}: cannot be written ({why.strerror})") from why
        Console(stderr=True).print(
            f"page: {self.path}", markup=False, highlight=False, soft_wrap=True
        )


def _in_motion(settings: Settings, base_rate: float | None, *, live: bool) -> Settings:
    """Every segment is looked at in motion, unless an option, a file or the environment says which
    ones are, or it is to be as live."""
    if base_rate is None and (live or "bursts" in settings.model_fields_set):
        return settings
    rate = ALL_IN_MOTION if base_rate is None else base_rate
    return settings.model_copy(update={"bursts": replace(settings.bursts, base_rate=rate)})


def _changes(
    wanted: bool, names: Sequence[str] | None, most: int | None
) -> tuple[Perturbation, ...]:
    if not wanted and (names or most is not None):
        raise typer.BadParameter("--change and --most go with --robustness")
    return (
        tuple(find_perturbation(name) for name in names)
        if names
        else PERTURBATIONS
        if wanted
        else ()
    )


def _judged_from(
    rows: Sequence[Row], lines: Iterable[Line], settings: Settings
) -> list[Judged | Unread]:
    return list(judge(rows, lines, compose_policies(settings, used_models(settings))))


def _subject(
    score: Score, manifest: Path, said: Sequence[Judged | Unread], *, sampled: int | None, seed: int
) -> Subject:
    return Subject(
        models=_models(score),
        manifest=str(manifest),
        rows=len(read(said)),
        failed=len(said) - len(read(said)),
        held_out=bool(score.fold_models),
        sampled=sampled,
        seed=seed,
    )


def _models(score: Score) -> tuple[str, ...]:
    if not score.fold_models:
        return tuple(str(manifest.ref) for manifest in used_models(score.settings))
    return tuple(
        f"{model.name} ({len(own.folds)} fold models)"
        for own in score.fold_models
        for model in own.models(own.folds[0])
    )


def _tell(evaluation: Evaluation, html: Path | None, *, as_json: bool) -> None:
    if html is not None:
        _Page(path=html, evaluation=evaluation)(())
    if wants_json(as_json):
        sys.stdout.write(json.dumps(to_json(evaluation), allow_nan=False) + "\n")
    else:
        print_evaluation(evaluation)
