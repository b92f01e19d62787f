"""The labelled footage: which rows there are, what each one may teach, and how they are held apart."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

__all__ = ["LABELS", "MEDIA", "Lesson", "Row", "assign_folds", "read_manifest", "teach"]

LABELS = ("fight", "gun", "fire", "smoke")
MEDIA = ("camera", "rendered", "screen")
UNKNOWN_MEDIUM = -1

LABELLED = 1.0
"""Trust in what a person labelled."""
PRESUMED = 0.5
"""Trust in a negative that nobody labelled: a picture from a gun set shows, as good as surely, no
fire."""
FAINT = 0.03
"""Trust in "no fight" where none could be: told loudly, it teaches what surveillance cameras look
like, not what fights do (measured: clip AUC 0.68 at 1, 0.72 at 0.1, 0.74 at 0)."""
ANY = "*"
NOTHING = {"fight": (0, FAINT), "gun": (0, LABELLED), "fire": (0, LABELLED), "smoke": (0, LABELLED)}
CLAIMS: Mapping[tuple[str, str], Mapping[str, tuple[int, float]]] = {
    ("violence_clip", "1"): {"fight": (1, LABELLED), "fire": (0, PRESUMED), "smoke": (0, PRESUMED)},
    ("violence_clip", "0"): {
        "fight": (0, LABELLED),
        "gun": (0, PRESUMED),
        "fire": (0, PRESUMED),
        "smoke": (0, PRESUMED),
    },
    ("weapon", "1"): {"gun": (1, LABELLED), "fire": (0, PRESUMED), "smoke": (0, PRESUMED)},
    ("weapon", "0"): {"gun": (0, LABELLED), "fire": (0, PRESUMED), "smoke": (0, PRESUMED)},
    ("fire", "fire"): {"fire": (1, LABELLED), "fight": (0, FAINT), "gun": (0, PRESUMED)},
    ("fire", "smoke"): {"smoke": (1, LABELLED), "fight": (0, FAINT), "gun": (0, PRESUMED)},
    ("fire", "normal"): {
        "fire": (0, LABELLED),
        "smoke": (0, LABELLED),
        "fight": (0, FAINT),
        "gun": (0, PRESUMED),
    },
    ("benign_video", ANY): NOTHING,
    ("game_video", ANY): NOTHING,
    ("drawn", ANY): NOTHING,
    ("benign", ANY): NOTHING,
}
"""(task, label) -> for each label what is said, 1 or 0, and how far that is trusted.

What is not there is not known.
"""
WEAPON_CLASSES = frozenset(
    {
        "rifle",
        "revolver",
        "assault_rifle",
        "holster",
        "cannon",
        "projectile",
        "missile",
        "cleaver",
        "letter_opener",
        "bow",
    }
)
"""ImageNet classes that hold weapons; left out of the pictures on which guns must not be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One file of the manifest."""

    path: str
    task: str
    label: str
    group: str
    """One camera, original video, scene or game: never on both sides of a split."""

    @property
    def stratum(self) -> str:
        """The kind of footage it is; training gives every kind its say, whatever its number of
        files."""
        if self.task == "weapon":
            return "weapon_cctv" if self.group.startswith("Cam") else "weapon_web"
        if self.task == "game_video":
            return self.label
        return self.task

    @property
    def clip(self) -> bool:
        """It moves: several frames are taken from it."""
        return self.task in {"violence_clip", "benign_video", "game_video"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What one picture says of each label and of the medium."""

    values: NDArray[np.float32]
    """1, 0 or NaN (not known) for each of ``LABELS``."""
    trust: NDArray[np.float32]
    """Weight of each value in the loss: 1 where a person labelled it."""
    medium: int
    """Index into ``MEDIA``, or ``UNKNOWN_MEDIUM``."""

    def without(self, label: str) -> Lesson:
        """The same, with one label no longer known."""
        values = self.values.copy()
        values[LABELS.index(label)] = np.nan
        return Lesson(values=values, trust=self.trust, medium=self.medium)

    def shown_on(self, medium: int) -> Lesson:
        """The same picture, shown on another medium."""
        return Lesson(values=self.values, trust=self.trust, medium=medium)


def read_manifest(folder: Path) -> tuple[Row, ...]:
    """All rows of ``manifest.csv``, in its order; the levels of one game are one group.

    Raises:
        FileNotFoundError: the folder holds no manifest.
    """
    with (folder / "manifest.csv").open(newline="") as file:
        return tuple(
            Row(
                path=line["path"],
                task=line["task"],
                label=line["label"],
                group=_group(line["task"], line["group"]),
            )
            for line in csv.DictReader(file)
        )


def _group(task: str, group: str) -> str:
    """
    >>> _group("game_video", "vizdoom-freedoom2-map04"), _group("game_video", "screen-dev-code")
    ('vizdoom', 'screen-dev-code')
    """
    if task != "game_video" or group.startswith("screen"):
        return group
    return group.partition("-")[0]


def teach(row: Row) -> Lesson:
    """What a row's label says, directly or by presumption.

    Raises:
        ValueError: a task or label that this recipe does not know.
    """
    claims = CLAIMS.get((row.task, row.label)) or CLAIMS.get((row.task, ANY)) or _refuse(row)
    values = np.full(len(LABELS), np.nan, np.float32)
    trust = np.zeros(len(LABELS), np.float32)
    for label, (value, weight) in claims.items():
        values[LABELS.index(label)] = value
        trust[LABELS.index(label)] = weight
    return Lesson(values=values, trust=trust, medium=_medium(row))


def _refuse(row: Row) -> NoReturn:
    raise ValueError(
        f"{row.path}: task {row.task!r} with label {row.label!r}, this recipe does not know it"
    )


def _medium(row: Row) -> int:
    if row.task not in {"game_video", "drawn"}:
        return MEDIA.index("camera")
    return MEDIA.index("screen" if row.label == "screen" else "rendered")


def assign_folds(rows: Iterable[Row], folds: int) -> dict[str, int]:
    """Group -> fold, the same on every machine: within a kind of footage, the largest groups first,
    each to the emptiest fold.

    A group that spans several kinds follows the kind it has most rows of. Each kind starts at
    another fold, so that no fold holds out the largest group of every kind at once.
    """
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        members[row.group][{"game_video": "game", "drawn": "drawn"}.get(row.task, row.stratum)] += 1
    kinds: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for group, kind in members.items():
        kinds[kind.most_common(1)[0][0]].append((-kind.total(), group))
    assigned: dict[str, int] = {}
    for first, (_, groups) in enumerate(sorted(kinds.items())):
        filled = [0] * folds
        for size, group in sorted(groups):
            emptiest = filled.index(min(filled))
            filled[emptiest] -= size
            assigned[group] = (emptiest + first) % folds
    return assigned
