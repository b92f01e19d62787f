"""Chooses the models that score each row: those of the settings, or fold models that were not
trained on the row's group.

A recipe writes ``folds.csv`` (``path,fold``) and ``fold-K/MODEL/``, the model that was trained
without the rows of fold K. A row that the table does not name belongs to the fold of its group; a
group that it does not know is assigned a fold by a hash of its name.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from zlib import crc32

from scanner.errors import SetupError
from scanner.evaluate.rows import LabelledRow
from scanner.settings.sections import Settings

__all__ = ["FoldModels", "FoldSubset", "read_fold_models", "split_by_fold"]

TABLE: Final = "folds.csv"
PREFIX: Final = "fold-"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldModels:
    """Models that were each trained without one fold of the rows."""

    folder: Path
    fold_of: Mapping[str, int]
    """The fold of each row, by its path in the manifest."""
    folds: tuple[int, ...]
    """The folds that have models, rising."""

    def models(self, fold: int) -> Iterator[Path]:
        """Yield the model folders of one fold."""
        return (
            path for path in sorted((self.folder / f"{PREFIX}{fold}").iterdir()) if path.is_dir()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldSubset:
    """Rows, and the settings that name the models to score them with."""

    rows: tuple[LabelledRow, ...]
    settings: Settings


def read_fold_models(folder: Path) -> FoldModels:
    """Read a recipe's ``--folds-out`` folder.

    Raises:
        SetupError: the table cannot be read, or a fold that it names has no models.
    """
    table = folder / TABLE
    try:
        with table.open(newline="", encoding="utf-8") as file:
            fold_of = {fields["path"]: int(fields["fold"]) for fields in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
        raise SetupError(
            f"{table}: cannot be read ({error}); expected a table with the columns path,fold"
        ) from error
    found = FoldModels(folder=folder, fold_of=fold_of, folds=tuple(sorted(set(fold_of.values()))))
    for fold in found.folds:
        if not (folder / f"{PREFIX}{fold}").is_dir():
            raise SetupError(
                f"{table}: names fold {fold}, but there is no {PREFIX}{fold} beside it"
            )
    if not found.folds:
        raise SetupError(f"{table}: no rows")
    return found


def split_by_fold(
    rows: Sequence[LabelledRow], settings: Settings, sets: Sequence[FoldModels] = ()
) -> Iterator[FoldSubset]:
    """Split the rows into subsets with the settings to score each; without ``sets`` there is one
    subset.

    The folder of a subset's models exists only until the next subset is requested.
    """
    if not sets:
        yield FoldSubset(rows=tuple(rows), settings=settings)
        return
    by_folds: dict[tuple[int, ...], list[LabelledRow]] = defaultdict(list)
    fold_maps = [_folds(rows, models) for models in sets]
    for row in rows:
        by_folds[tuple(folds[row.key] for folds in fold_maps)].append(row)
    for folds, members in sorted(by_folds.items()):
        with TemporaryDirectory(prefix="streamwarden-folds-") as scratch:
            for models, fold in zip(sets, folds, strict=True):
                _link_models(models, fold, Path(scratch))
            yield FoldSubset(rows=tuple(members), settings=_with_models(settings, Path(scratch)))


def _folds(rows: Sequence[LabelledRow], models: FoldModels) -> dict[str, int]:
    """Return the fold of each row, by its key."""
    group_folds = {row.source: models.fold_of[row.key] for row in rows if row.key in models.fold_of}
    return {
        row.key: models.fold_of.get(row.key, group_folds.get(row.source, _hash_fold(row, models)))
        for row in rows
    }


def _hash_fold(row: LabelledRow, models: FoldModels) -> int:
    return models.folds[crc32(row.source.encode()) % len(models.folds)]


def _link_models(models: FoldModels, fold: int, scratch: Path) -> None:
    for model in models.models(fold):
        try:
            (scratch / model.name).symlink_to(model.resolve(), target_is_directory=True)
        except FileExistsError as error:
            raise SetupError(
                f"{model}: two sets of fold models have a model of this name"
            ) from error


def _with_models(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(
        update={"models": settings.models.model_copy(update={"dir": folder})}
    )
