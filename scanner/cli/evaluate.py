"""The command ``streamwarden eval``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from scanner.archive.labelled import is_labelled
from scanner.cli.eval_decided import eval_decided
from scanner.cli.eval_run import EvalRun
from scanner.cli.options import Config, Json, Workers, open_runner, wants_json
from scanner.evaluate.folds import read_fold_models
from scanner.evaluate.row_scoring import RowScorer
from scanner.evaluate.rows import read_manifests, select_rows
from scanner.perturbations.transforms import PERTURBATIONS, Perturbation, find_perturbation
from scanner.scoring.options import MAX_BUDGET
from scanner.settings.sections import Settings, read_settings

__all__ = ["eval_command"]

ALL_SEGMENTS = 1.0

Manifests = Annotated[
    list[Path],
    typer.Argument(
        metavar="MANIFEST...",
        help="CSV of path,task,label,group, or rows of `records export`.",
        show_default=False,
    ),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option(help="Only this task, or this label of the taxonomy; may be repeated."),
]
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
      streamwarden eval decided.parquet
      streamwarden eval labelled/manifest.csv --robustness --most 20 --slices --html report.html
    """
    if all(is_labelled(one) for one in manifest):
        raise typer.Exit(eval_decided(manifest, as_json=wants_json(as_json)))
    settings = _with_bursts(read_settings(config), base_rate, live=streams)
    changes = _perturbations(robustness, change, most, streams=streams)
    selection = select_rows(read_manifests(manifest), task or ())
    scorer = RowScorer(
        settings=settings,
        open_runner=lambda own: open_runner(context.obj, own, workers),
        fold_models=tuple(read_fold_models(folder) for folder in fold_models or ()),
    )
    run = EvalRun(
        manifest=", ".join(map(str, manifest)),
        selection=selection,
        scorer=scorer,
        changes=changes,
        robustness=robustness,
        most=most,
        slices=slices,
        streams=streams,
        html=html,
        seed=seed,
        scores=tuple(scores or ()),
        save_scores=save_scores,
        as_json=wants_json(as_json),
    )
    raise typer.Exit(run.run())


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
