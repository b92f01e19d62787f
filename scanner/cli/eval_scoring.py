"""Scoring for ``streamwarden eval``: progress, saved lines, perturbed rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rich.progress import track

from scanner.cli.terminal import open_console
from scanner.errors import InputError, SetupError
from scanner.evaluate.comparisons import ScoredRow, UnscoredRow
from scanner.evaluate.robustness import perturbed_versions
from scanner.evaluate.row_scoring import UNCHANGED, RowScorer, SourceVersions
from scanner.evaluate.rows import LabelledRow
from scanner.evaluate.streams.pieces import is_ordinary_video
from scanner.perturbations.perturber import Perturber
from scanner.perturbations.transforms import Perturbation
from scanner.private import private_opener
from scanner.report.line_text import dumps
from scanner.report.lines import Line
from scanner.types import Source

__all__ = [
    "broadcast",
    "line_writer",
    "list_with_progress",
    "only_scored",
    "print_unscored",
    "score_perturbed",
    "versions_for_streams",
]

T = TypeVar("T")
LineListener = Callable[[Line], None]


def list_with_progress(items: Iterable[T], total: int, description: str) -> list[T]:
    """Return all items as a list, with a progress bar on stderr meanwhile."""
    console = open_console(stderr=True)
    return list(track(items, total=total, console=console, description=description))


def score_perturbed(
    scorer: RowScorer,
    sample: Sequence[LabelledRow],
    rows: Sequence[LabelledRow],
    changes: Sequence[Perturbation],
    *,
    seed: int,
) -> list[ScoredRow | UnscoredRow]:
    """Score a sample of the rows without perturbation and after each one."""
    with Perturber(scorer.settings.sandbox, scorer.settings.limits) as perturber:
        return list_with_progress(
            scorer.rows(sample, perturbed_versions(perturber, changes, rows, seed=seed)),
            len(sample) * (len(changes) + 1),
            "changing",
        )


def versions_for_streams(
    perturber: Perturber,
    changes: Sequence[Perturbation],
    rows: Sequence[LabelledRow],
    *,
    seed: int,
) -> SourceVersions:
    """Return the file of each row, and for ordinary video the results of the changes too; a video
    that cannot be changed has its file only."""
    perturbed = perturbed_versions(perturber, changes, rows, seed=seed)

    def versions(row: LabelledRow) -> Mapping[str, Source]:
        if not changes or not is_ordinary_video(row):
            return {UNCHANGED: row.path}
        try:
            return perturbed(row)
        except InputError:
            return {UNCHANGED: row.path}

    return versions


def only_scored(rows: Sequence[ScoredRow | UnscoredRow]) -> list[ScoredRow]:
    """Return the rows that could be scored."""
    return [row for row in rows if isinstance(row, ScoredRow)]


def print_unscored(rows: Sequence[ScoredRow | UnscoredRow]) -> None:
    """Print the reason for each row that could not be scored."""
    console = open_console(stderr=True)
    for row in rows:
        if isinstance(row, UnscoredRow):
            console.print(f"not counted: {row.reason}")


def broadcast(*listeners: LineListener | None) -> LineListener:
    """Return a listener that passes each line to all listeners that are not None."""
    active = [listener for listener in listeners if listener is not None]

    def receive(line: Line) -> None:
        for listener in active:
            listener(line)

    return receive


@contextmanager
def line_writer(path: Path | None) -> Iterator[LineListener | None]:
    """Yield a listener that writes lines to the file, or None without a path.

    Raises:
        SetupError: the file cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        with open(path, "w", encoding="ascii", opener=private_opener) as file:
            yield lambda line: print(dumps(line), file=file)
    except OSError as error:
        raise SetupError(f"{path}: cannot be written ({error.strerror})") from error
