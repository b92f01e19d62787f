"""The labelled footage: its rows, their training targets, and the folds."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LABELS",
    "MEDIA",
    "CorpusRow",
    "TrainingTarget",
    "assign_folds",
    "corpus_root",
    "read_corpus",
    "read_manifest",
    "training_target",
]

LABELS = ("fight", "gun", "fire", "smoke")
MEDIA = ("camera", "rendered", "screen")
UNKNOWN_MEDIUM = -1

LABELLED = 1.0
"""The weight of a value that a person labelled."""
PRESUMED = 0.5
"""The weight of an assumed negative: a picture from a gun data set almost certainly shows no
fire."""
FAINT = 0.03
"""The weight of "no fight" in footage without people. A higher one makes the model detect
surveillance cameras instead of fights (measured: clip AUC 0.68 at 1, 0.72 at 0.1, 0.74 at 0)."""
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
    ("weapon_clip", "gun"): {"gun": (1, LABELLED)},
    ("weapon_clip", "knife"): {"gun": (0, PRESUMED)},
    ("fire_clip", ANY): {"fire": (1, LABELLED)},
}
"""(task, label) -> for each label its value, 1 or 0, and weight; other labels are unknown."""
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
"""ImageNet classes that contain weapons, excluded from the pictures without guns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusRow:
    """One file of the footage, as listed in its manifest."""

    path: str
    task: str
    label: str
    group: str
    """One camera, original video, scene or game: never on both sides of a split."""
    origin: str = ""
    """The collection that it comes from, if the manifest tells it."""
    medium: str = "camera"
    """Of video; the manifest tells exceptions."""
    trains: bool = True
    """False for footage that measures and sets thresholds, and shapes no weights."""

    @property
    def stratum(self) -> str:
        """The kind of footage; training weights kinds independently of their number of files."""
        if self.task == "weapon":
            camera = self.group.rpartition("/")[2].startswith("Cam")
            return "weapon_cctv" if camera else "weapon_web"
        if self.task == "game_video":
            return self.label
        if self.task == "fire" and self.label == "normal" and not self.trains:
            return "look_alike"
        return self.task if self.trains or self.task == "benign" else f"{self.task}_measured"

    @property
    def clip(self) -> bool:
        """True for a video, from which several frames are taken."""
        return self.task in {"violence_clip", "benign_video", "game_video"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTarget:
    """The training target of one picture: a value for each label, and the medium."""

    values: NDArray[np.float32]
    """1, 0 or NaN (not known) for each of ``LABELS``."""
    trust: NDArray[np.float32]
    """The weight of each value in the loss; 1 if a person labelled it."""
    medium: int
    """Index into ``MEDIA``, or ``UNKNOWN_MEDIUM``."""

    def without(self, label: str) -> TrainingTarget:
        """Return the target with one label unknown."""
        values = self.values.copy()
        values[LABELS.index(label)] = np.nan
        return TrainingTarget(values=values, trust=self.trust, medium=self.medium)

    def shown_on(self, medium: int) -> TrainingTarget:
        """Return the target with another medium."""
        return TrainingTarget(values=self.values, trust=self.trust, medium=medium)


def read_manifest(folder: Path) -> tuple[CorpusRow, ...]:
    """Read the rows of ``manifest.csv``; the levels of one game are one group.

    Raises:
        FileNotFoundError: the folder has no manifest.
    """
    with (folder / "manifest.csv").open(newline="") as file:
        return tuple(_row(line) for line in csv.DictReader(file))


def read_corpus(folders: Sequence[Path]) -> tuple[CorpusRow, ...]:
    """Read the rows of one folder, or of several side by side; paths and groups of several begin
    with the folder's name.

    Raises:
        FileNotFoundError: a folder has no manifest.
        ValueError: the folders are not side by side.
    """
    if len({folder.resolve().parent for folder in folders}) > 1:
        raise ValueError("folders of footage must be side by side")
    if len(folders) == 1:
        return read_manifest(folders[0])
    return tuple(
        replace(row, path=f"{folder.name}/{row.path}", group=f"{folder.name}/{row.group}")
        for folder in folders
        for row in read_manifest(folder)
    )


def corpus_root(folders: Sequence[Path]) -> Path:
    """Return the folder that the paths of ``read_corpus`` are relative to."""
    return folders[0] if len(folders) == 1 else folders[0].resolve().parent


def _row(line: Mapping[str, str]) -> CorpusRow:
    source = line.get("source", "")
    medium = re.search(r"medium=(camera|rendered|drawn|screen)\b(?! or)", source)
    trains = line["task"] != "benign" and line.get("use", "train") == "train"
    return CorpusRow(
        path=line["path"],
        task=line["task"],
        label=line["label"],
        group=_group(line),
        origin=re.split(r"[\s@|(]", source)[0],
        medium=medium[1] if medium else "camera",
        trains=trains,
    )


def _group(line: Mapping[str, str]) -> str:
    """Return the group of a row: a game title, or for ordinary video with a stated use its whole
    source, since clips of one source are alike.

    >>> _group({"task": "game_video", "group": "vizdoom-freedoom2-map04"})
    'vizdoom'
    """
    task, group = line["task"], line["group"]
    if task == "benign_video" and line.get("use"):
        return re.split(r"[\s@|(]", line["source"])[0]
    if task != "game_video" or group.startswith("screen"):
        return group
    return group.partition("-")[0]


def training_target(row: CorpusRow) -> TrainingTarget:
    """Return the target of a row, labelled or assumed.

    Raises:
        ValueError: the task or label is unknown.
    """
    claims = CLAIMS.get((row.task, row.label)) or CLAIMS.get((row.task, ANY)) or _refuse(row)
    values = np.full(len(LABELS), np.nan, np.float32)
    trust = np.zeros(len(LABELS), np.float32)
    for label, (value, weight) in claims.items():
        values[LABELS.index(label)] = value
        trust[LABELS.index(label)] = weight
    return TrainingTarget(values=values, trust=trust, medium=_medium(row))


def _refuse(row: CorpusRow) -> NoReturn:
    raise ValueError(
        f"{row.path}: task {row.task!r} with label {row.label!r}, this recipe does not know it"
    )


def _medium(row: CorpusRow) -> int:
    if row.medium not in MEDIA:
        return UNKNOWN_MEDIUM
    if row.task not in {"game_video", "drawn"}:
        return MEDIA.index(row.medium)
    return MEDIA.index("screen" if row.label == "screen" else "rendered")


def assign_folds(rows: Iterable[CorpusRow], folds: int) -> dict[str, int]:
    """Assign a fold to each group, deterministically.

    Within a kind of footage, each group goes to the emptiest fold, the largest groups first. A
    group of several kinds counts as the kind of most of its rows. Each kind starts at another fold,
    so that the largest groups of all kinds are not in one fold."""
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
