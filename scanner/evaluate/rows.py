"""Labelled footage: a CSV of ``path,task,label,group``, paths relative to its own folder."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scanner.errors import SetupError

__all__ = ["TASKS", "Row", "read_rows"]

TASKS: Final = ("violence_clip", "weapon", "fire", "benign", "benign_video", "game_video")
"""What is asked of a row; ``tables`` says which rows stand against which."""
COLUMNS: Final = ("path", "task", "label", "group")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One labelled file."""

    path: Path
    task: str
    label: str
    group: str
    """One camera, one original video or one scene: rows of a group are not independent."""


def read_rows(manifest: Path) -> list[Row]:
    """All rows whose task is known, in the file's order.

    Raises:
        SetupError: it cannot be read, a column is missing, or no row has a known task.
    """
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise SetupError(f"{manifest}: no column {', '.join(missing)}; {','.join(COLUMNS)} are wanted")
            rows = [_row(manifest.parent, said) for said in table]
    except (OSError, UnicodeDecodeError, csv.Error) as why:
        raise SetupError(f"{manifest}: cannot be read ({why})") from why
    known = [row for row in rows if row.task in TASKS]
    if not known:
        raise SetupError(f"{manifest}: no row of a known task ({', '.join(TASKS)})")
    return known


def _row(folder: Path, said: dict[str, str]) -> Row:
    return Row(path=folder / said["path"], task=said["task"], label=said["label"], group=said["group"])
