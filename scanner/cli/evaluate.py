"""``streamwarden eval``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from scanner.cli.eval_streams import read_scores, streams_command
from scanner.cli.options import Config, Json, Workers, open_runner, wants_json
from scanner.cli.show import new_table
from scanner.cli.status import Status
from scanner.config import read_settings
from scanner.errors import SetupError
from scanner.evaluate import Interval, Judged, Result, Score, Unread, read_fold_models, read_rows, results
from scanner.lines import Line, dumps
from scanner.runner import used_models

__all__ = ["eval_command"]

COLUMNS = ("task", "against", "n", "groups", "AUC", "AP", "recall at 1 %", "2 %", "5 %", "calibration error")


def eval_command(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="CSV of path,task,label,group.", show_default=False)],
    config: Config = None,
    as_json: Json = False,
    workers: Workers = 0,
    task: Annotated[list[str] | None, typer.Option(help="Only these tasks; may be given several times.")] = None,
    streams: Annotated[bool, typer.Option("--streams", help="Put streams together from the footage, and measure incidents.")] = False,
    scores: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="With --streams: lines that `scan --json` wrote.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="With --streams: leave a page with curves here.")] = None,
    seed: Annotated[int, typer.Option(help="With --streams: which pieces stand beside which.")] = 0,
    fold_models: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="What a recipe's --folds-out left: judge each row by models that never saw it."),
    ] = None,
    save_scores: Annotated[Path | None, typer.Option(metavar="FILE", help="Leave the lines of `scan --json` for all rows here.")] = None,
) -> None:
    """Measure the models on labelled footage: AUC, average precision, recall at 1, 2 and 5 % false positives, calibration.

    Intervals are 95 % by bootstrap over groups. Rows that the models were trained on say nothing: use other footage, or --fold-models.
    """
    settings = read_settings(config)
    rows = [row for row in read_rows(manifest) if not task or row.task in task]
    if streams and scores:
        raise typer.Exit(streams_command(settings, rows, read_scores(scores), seed=seed, as_json=as_json, html=html))
    heard: list[Line] = []
    with _saved(save_scores) as keep:
        score = Score(
            settings=settings,
            open_runner=lambda own: open_runner(context.obj, own, workers),
            fold_models=tuple(read_fold_models(folder) for folder in fold_models or ()),
            keep=_both(heard.append if streams else None, keep),
        )
        said = list(track(score.rows(rows), total=len(rows), console=Console(stderr=True), description="scoring"))
    if streams:
        raise typer.Exit(streams_command(settings, rows, heard, seed=seed, as_json=as_json, html=html))
    judged, failed = [one for one in said if isinstance(one, Judged)], [one for one in said if isinstance(one, Unread)]
    for unread in failed:
        Console(stderr=True).print(f"not counted: {unread.reason}", markup=False, highlight=False)
    found = results(judged)
    models = [str(manifest.ref) for manifest in used_models(settings)]
    if wants_json(as_json):
        document = {
            "type": "evaluation",
            "models": models,
            "rows": len(judged),
            "failed": len(failed),
            "results": [_plain(one) for one in found],
        }
        sys.stdout.write(json.dumps(document, allow_nan=False) + "\n")
    else:
        _print(found)
    raise typer.Exit(Status.FAILED if failed else Status.NOTHING)


def _both(one: Callable[[Line], None] | None, other: Callable[[Line], None] | None) -> Callable[[Line], None]:
    """Tells both, those that there are."""

    def tell(line: Line) -> None:
        for listener in (one, other):
            if listener is not None:
                listener(line)

    return tell


@contextmanager
def _saved(path: Path | None) -> Iterator[Callable[[Line], None] | None]:
    """Writes lines into the file, one after another."""
    if path is None:
        yield None
        return
    try:
        with path.open("w", encoding="ascii") as file:
            yield lambda line: print(dumps(line), file=file)
    except OSError as why:
        raise SetupError(f"{path}: cannot be written ({why.strerror})") from why


def _plain(result: Result) -> Any:
    return _finite(asdict(result))


def _finite(value: Any) -> Any:
    """NaN is not JSON; what could not be measured is null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and isnan(value) else value


def _print(found: list[Result]) -> None:
    table = new_table("Quality, 95 % by bootstrap over groups", *COLUMNS)
    for one in found:
        recalls = [_text(recall) for recall in one.recalls.values()]
        n = f"{one.positives} / {one.negatives}"
        error = f"{one.calibration_error:.3f}"
        table.add_row(
            f"{one.task}: {one.label}", one.against, n, str(one.groups), _text(one.auc), f"{one.average_precision:.3f}", *recalls, error
        )
    Console().print(table)


def _text(interval: Interval) -> str:
    if isnan(interval.low):
        return f"{interval.value:.3f}"
    return f"{interval.value:.3f} [{interval.low:.2f}, {interval.high:.2f}]"
