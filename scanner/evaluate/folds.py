"""Which models judge which row: those of the settings, or for each row the ones that never saw it.

A recipe leaves ``folds.csv`` (``path,fold``) and ``fold-K/MODEL/``, the model that learned without
the rows of fold K. Rows that its table does not name go with their group; groups that it does not
know are dealt out by a hash of their name.
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
from scanner.evaluate.rows import Row
from scanner.settings.sections import Settings

__all__ = ["FoldModels", "Share", "read_fold_models", "shares"]

TABLE: Final = "folds.csv"
PREFIX: Final = "fold-"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldModels:
    """Models that were trained without a part of the rows each."""

    folder: Path
    fold_of: Mapping[str, int]
    """By a row's path as the manifest has it."""
    folds: tuple[int, ...]
    """That there are models of, rising."""

    def models(self, fold: int) -> Iterator[Path]:
        """The model folders of one fold."""
        return (
            path for path in sorted((self.folder / f"{PREFIX}{fold}").iterdir()) if path.is_dir()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Rows, and the settings that name their models."""

    rows: tuple[Row, ...]
    settings: Settings


def read_fold_models(folder: Path) -> FoldModels:
    """What a recipe's ``--folds-out`` left.

    Raises:
        SetupError: the table cannot be read, or a fold that it names has no models.
    """
    table = folder / TABLE
    try:
        with table.open(newline="", encoding="utf-8") as file:
            fold_of = {said["path"]: int(said["fold"]) for said in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError) as why:
        raise SetupError(f"{table}: cannot be read ({why}); a table path,fold is wanted") from why
    found = FoldModels(folder=folder, fold_of=fold_of, folds=tuple(sorted(set(fold_of.values()))))
    for fold in found.folds:
        if not (folder / f"{PREFIX}{fold}").is_dir():
            raise SetupError(
                f"{table}: names fold {fold}, but there is no {PREFIX}{fold} beside it"
            )
    if not found.folds:
        raise SetupError(f"{table}: no row")
    return found


def shares(
    rows: Sequence[Row], settings: Settings, sets: Sequence[FoldModels] = ()
) -> Iterator[Share]:
    """The rows in shares, each with the settings by which it is to be judged; without ``sets`` it
    is one.

    A share's models lie in a folder that is there as long as nobody asks for the next share.
    """
    if not sets:
        yield Share(rows=tuple(rows), settings=settings)
        return
    by_folds: dict[tuple[int, ...], list[Row]] = defaultdict(list)
    chosen = [_folds(rows, models) for models in sets]
    for row in rows:
        by_folds[tuple(folds[row.key] for folds in chosen)].append(row)
    for folds, members in sorted(by_folds.items()):
        with TemporaryDirectory(prefix="streamwarden-folds-") as scratch:
            for models, fold in zip(sets, folds, strict=True):
                _lay_out(models, fold, Path(scratch))
            yield Share(rows=tuple(members), settings=_with_models(settings, Path(scratch)))


def _folds(rows: Sequence[Row], models: FoldModels) -> dict[str, int]:
    """The fold of each row, by its key."""
    of_group = {row.source: models.fold_of[row.key] for row in rows if row.key in models.fold_of}
    return {
        row.key: models.fold_of.get(row.key, of_group.get(row.source, _dealt(row, models)))
        for row in rows
    }


def _dealt(row: Row, models: FoldModels) -> int:
    return models.folds[crc32(row.source.encode()) % len(models.folds)]


def _lay_out(models: FoldModels, fold: int, scratch: Path) -> None:
    for model in models.models(fold):
        try:
            (scratch / model.name).symlink_to(model.resolve(), target_is_directory=True)
        except FileExistsError as why:
            raise SetupError(f"{model}: two sets of fold models have a model of this name") from why


def _with_models(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(
        update={"models": settings.models.model_copy(update={"dir": folder})}
    )
