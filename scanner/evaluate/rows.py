"""The manifest of labelled files: a CSV with the columns ``path,task,label,group``, and optional
columns; paths are relative to its folder.

A task is one of ``TASKS`` or a label of the taxonomy, so that any model that is added can be
measured.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from random import Random
from typing import Final

from scanner.errors import InputError, SetupError
from scanner.sandbox.opening import read_file
from scanner.taxonomy import Taxonomy

__all__ = [
    "TASKS",
    "LabelledRow",
    "RowSelection",
    "read_manifests",
    "read_rows",
    "row_kind",
    "sample_rows",
    "select_rows",
]

TASKS: Final = (
    "violence_clip",
    "weapon",
    "weapon_clip",
    "fire",
    "fire_clip",
    "benign",
    "benign_video",
    "game_video",
)
"""Tasks of several labels or none; ``comparisons`` defines the positives and negatives of each,
except that ``weapon_clip`` and ``fire_clip`` are events on streams only."""
COLUMNS: Final = ("path", "task", "label", "group")
SLICE: Final = "slice"
"""Optional column: the user's own words, separated by ``;``."""
EXTENT: Final = "extent"
"""Optional column: the width of the widest labelled object, as a share of the picture's width."""
SOURCE: Final = "source"
"""Optional column: where the footage comes from; its first word, up to ``@``, is the collection."""
MAX_BOXES_BYTES: Final = 1 << 20
BOX: Final = 5
"""Numbers per line of a YOLO box file: class, centre x, centre y, width, height; all but the class
are shares of the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRow:
    """One row: a file and its label."""

    path: Path
    task: str
    label: str
    group: str
    """One camera, one original video or one scene; rows of a group are not independent."""
    name: str = ""
    """The path as the manifest has it; recorded scores use it."""
    slices: frozenset[str] = frozenset()
    """Words of the column ``slice``."""
    origin: str = ""
    """The collection that it comes from; footage of one collection is alike. Empty if unknown."""
    extent: float | None = None
    """Width of the widest labelled object as a share of the picture's width; None if unknown."""

    @property
    def key(self) -> str:
        """The path that lines of a scan have for this row's file."""
        return self.name or str(self.path)

    @property
    def source(self) -> str:
        """The group, qualified by the task: groups of different tasks are different even if their
        names are equal."""
        return f"{self.task}/{self.group}"


def read_manifests(manifests: Sequence[Path]) -> list[LabelledRow]:
    """Return the rows of all manifests; the names and groups of several begin with the manifest's
    folder.

    Raises:
        SetupError: a manifest is invalid, or two are in folders of one name.
    """
    if len(manifests) == 1:
        return read_rows(manifests[0])
    folders = [manifest.resolve().parent.name for manifest in manifests]
    if len(set(folders)) < len(folders):
        raise SetupError(f"manifests must be in folders of different names, got {folders}")
    return [
        replace(row, name=f"{folder}/{row.name}", group=f"{folder}/{row.group}")
        for folder, manifest in zip(folders, manifests, strict=True)
        for row in read_rows(manifest)
    ]


def read_rows(manifest: Path) -> list[LabelledRow]:
    """Return all rows, in the manifest's order.

    Raises:
        SetupError: the manifest cannot be read, or a column is missing.
    """
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise SetupError(
                    f"{manifest}: no column {', '.join(missing)}; expected {','.join(COLUMNS)}"
                )
            return [_row(manifest, fields) for fields in table]
    except OSError as error:
        raise SetupError(f"{manifest}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SetupError(f"{manifest}: not a CSV in UTF-8 ({','.join(COLUMNS)})") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSelection:
    """The rows of a manifest that are measured."""

    rows: tuple[LabelledRow, ...]
    left_out: Mapping[str, int]
    """Number of rows of each unknown task; they are not measured."""


def select_rows(rows: Sequence[LabelledRow], wanted: Sequence[str] = ()) -> RowSelection:
    """Return the rows of the wanted tasks, or of all known tasks if none is wanted.

    Raises:
        SetupError: a wanted task is unknown, or no row is left.
    """
    known = dict.fromkeys((*TASKS, *Taxonomy.load().labels))
    for task in wanted:
        if task not in known:
            raise SetupError(f"no task {task!r};{_nearest(task, known)}")
    kept = tuple(row for row in rows if row.task in (wanted or known))
    left_out = Counter(row.task for row in rows if row.task not in known)
    if not kept:
        tasks = ", ".join(sorted({row.task or "(none)" for row in rows})) or "(no rows)"
        raise SetupError(
            f"no row has the task {' or '.join(wanted) or 'of any name that is known'};"
            f" the manifest has {tasks}"
        )
    return RowSelection(rows=kept, left_out=left_out)


def _nearest(task: str, known: Iterable[str]) -> str:
    near = get_close_matches(task, [*known], n=1)
    meant = f" did you mean {near[0]!r}?" if near else ""
    return f"{meant} A task is one of {', '.join(TASKS)}, or a label of `streamwarden models list`"


def _row(manifest: Path, fields: Mapping[str, str | None]) -> LabelledRow:
    path, task, label, group = (fields[name] or "" for name in COLUMNS)
    place = manifest.parent / path
    words = (fields.get(SLICE) or "").split(";")
    return LabelledRow(
        path=place,
        task=task,
        label=label,
        group=group,
        name=path,
        origin=re.split(r"[\s@|(]", fields.get(SOURCE) or "")[0],
        slices=frozenset(word.strip() for word in words if word.strip()),
        extent=_extent(manifest, path, fields[EXTENT])
        if fields.get(EXTENT)
        else _extent_from_boxes(place),
    )


def _extent(manifest: Path, path: str, fields: str | None) -> float:
    try:
        share = float(fields or "")
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise SetupError(
            f"{manifest}: extent of {path} is {fields!r}, expected a share from 0 to 1"
        )
    return share


def _read_text(path: Path) -> str:
    return read_file(path, name=str(path), most=MAX_BOXES_BYTES).decode("utf-8")


def _extent_from_boxes(path: Path) -> float | None:
    """Return the width of the widest YOLO box in a ``.txt`` beside the picture; None if there is
    none."""
    try:
        lines = [
            line.split()
            for line in _read_text(path.with_suffix(".txt")).splitlines()
            if line.strip()
        ]
        boxes = [[float(number) for number in line] for line in lines if len(line) == BOX]
    except (InputError, OSError, ValueError):
        return None
    return max(box[3] for box in boxes) if boxes and len(boxes) == len(lines) else None


def sample_rows(
    rows: Sequence[LabelledRow], most: int | None, *, seed: int = 0
) -> list[LabelledRow]:
    """Return at most ``most`` rows of each task and label, taking one per group in turn, in their
    original order; all rows if ``most`` is None.

    The same seed gives the same rows.
    """
    if most is None:
        return list(rows)
    by_kind: dict[tuple[str, str], list[LabelledRow]] = defaultdict(list)
    for row in rows:
        by_kind[row_kind(row)].append(row)
    kept = {
        row.key
        for kind in sorted(by_kind)
        for row in _one_per_group(by_kind[kind], Random(f"{seed}/{kind}"), most)
    }
    return [row for row in rows if row.key in kept]


def row_kind(row: LabelledRow) -> tuple[str, str]:
    """Return task and label; ordinary pictures are of one kind, whatever they show."""
    return (row.task, "" if row.task.startswith("benign") else row.label)


def _one_per_group(rows: Sequence[LabelledRow], random: Random, most: int) -> list[LabelledRow]:
    groups: dict[str, list[LabelledRow]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    for members in groups.values():
        random.shuffle(members)
    turns = list(groups.values())
    random.shuffle(turns)
    return list(_round_robin(turns))[:most]


def _round_robin(groups: Sequence[Sequence[LabelledRow]]) -> Iterator[LabelledRow]:
    for turn in range(max(map(len, groups))):
        yield from (group[turn] for group in groups if turn < len(group))
