"""Labelled footage: a CSV of ``path,task,label,group``, paths relative to its own folder, and what
else it tells of each."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scanner.errors import SetupError

__all__ = ["TASKS", "Row", "read_rows"]

TASKS: Final = ("violence_clip", "weapon", "fire", "benign", "benign_video", "game_video")
"""What is asked of a row; ``tables`` says which rows stand against which."""
COLUMNS: Final = ("path", "task", "label", "group")
SLICE: Final = "slice"
"""Optional column: words of the user's own, ``;`` between them."""
EXTENT: Final = "extent"
"""Optional column: the width of the widest labelled object, as a share of the picture's."""
BOX: Final = 5
"""Numbers in a line of YOLO boxes: class, centre x, centre y, width, height; shares of the picture.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One labelled file."""

    path: Path
    task: str
    label: str
    group: str
    """One camera, one original video or one scene: rows of a group are not independent."""
    name: str = ""
    """Its path as the manifest has it, which recorded scores are told under."""
    slices: frozenset[str] = frozenset()
    """Words of the column ``slice``."""
    extent: float | None = None
    """Width of the widest labelled object as a share of the picture's width; None where nothing
    tells it."""

    @property
    def key(self) -> str:
        """What lines call it."""
        return self.name or str(self.path)

    @property
    def source(self) -> str:
        """Its group, of its task: groups of two tasks are different ones, whatever they are called."""
        return f"{self.task}/{self.group}"


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
                raise SetupError(
                    f"{manifest}: no column {', '.join(missing)}; {','.join(COLUMNS)} are wanted"
                )
            rows = [_row(manifest, said) for said in table]
    except (OSError, UnicodeDecodeError, csv.Error) as why:
        raise SetupError(f"{manifest}: cannot be read ({why})") from why
    known = [row for row in rows if row.task in TASKS]
    if not known:
        raise SetupError(f"{manifest}: no row of a known task ({', '.join(TASKS)})")
    return known


def _row(manifest: Path, said: Mapping[str, str | None]) -> Row:
    path, task, label, group = (said[name] or "" for name in COLUMNS)
    place = manifest.parent / path
    words = (said.get(SLICE) or "").split(";")
    return Row(
        path=place,
        task=task,
        label=label,
        group=group,
        name=path,
        slices=frozenset(word.strip() for word in words if word.strip()),
        extent=_extent(manifest, path, said[EXTENT]) if said.get(EXTENT) else _boxed(place),
    )


def _extent(manifest: Path, path: str, said: str | None) -> float:
    try:
        share = float(said or "")
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise SetupError(f"{manifest}: extent of {path} is {said!r}, a share from 0 to 1 is wanted")
    return share


def _boxed(path: Path) -> float | None:
    """By the YOLO boxes in a ``.txt`` beside the picture, where there are some."""
    try:
        lines = [
            line.split()
            for line in path.with_suffix(".txt").read_text("utf-8").splitlines()
            if line.strip()
        ]
        boxes = [[float(number) for number in line] for line in lines if len(line) == BOX]
    except (OSError, ValueError):
        return None
    return max(box[3] for box in boxes) if boxes and len(boxes) == len(lines) else None
