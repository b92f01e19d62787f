"""What a label means, and what others call it: three levels, one data file (``taxonomy.toml``)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from typing import Any, Final

from scanner.errors import SetupError
from scanner.types import Label

__all__ = ["MAX_SEVERITY", "Entry", "Taxonomy", "Uncovered", "uncovered"]

MAX_SEVERITY: Final = 3
"""Act at once; 0 is nothing to act on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One label, where it is filed, and the names that users know from elsewhere."""

    label: Label
    group: str
    category: str
    severity: int
    """0 (nothing to act on) to 3 (act at once); an operator can change it."""
    aws: tuple[str, ...] = ()
    """Moderation labels of AWS Rekognition, version 7, the label's own before its group's."""
    hive: tuple[str, ...] = ()
    """Classes of Hive's visual moderation."""

    def __post_init__(self) -> None:
        if not 0 <= self.severity <= MAX_SEVERITY:
            raise ValueError(
                f"severity of {self.label} must be 0 to {MAX_SEVERITY}, got {self.severity}"
            )


@dataclass(frozen=True, kw_only=True)
class Taxonomy:
    """All labels that Streamwarden has a word for, in the file's order."""

    version: str
    """Of the file; reports carry it."""
    entries: tuple[Entry, ...]
    _names: Mapping[str, tuple[Entry, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        labels = [entry.label for entry in self.entries]
        if twice := {label for label in labels if labels.count(label) > 1}:
            raise ValueError(
                f"taxonomy must name each label once, got {', '.join(sorted(twice))} twice"
            )
        object.__setattr__(self, "_names", _index(self.entries))

    @classmethod
    def load(cls) -> Taxonomy:
        """The one that comes with the package."""
        return cls.parse(files("scanner").joinpath("taxonomy.toml").read_text("utf-8"))

    @classmethod
    def parse(cls, text: str) -> Taxonomy:
        """From TOML: ``[category.group]`` tables, each with its ``labels`` and the ``aws`` and
        ``hive`` names of all of them."""
        tree = tomllib.loads(text)
        version = tree.pop("version")
        found = [
            _entries(category, group, table)
            for category, groups in tree.items()
            for group, table in groups.items()
        ]
        return cls(version=version, entries=tuple(entry for entries in found for entry in entries))

    @property
    def labels(self) -> tuple[Label, ...]:
        """In the file's order."""
        return tuple(entry.label for entry in self.entries)

    @property
    def categories(self) -> tuple[str, ...]:
        """In the file's order, each once."""
        return tuple(dict.fromkeys(entry.category for entry in self.entries))

    def __contains__(self, label: object) -> bool:
        return any(entry.label == label for entry in self.entries)

    def matching(self, name: str) -> tuple[Entry, ...]:
        """All that a label, group, category, AWS or Hive name means; the narrowest level that has
        the name decides.

        Upper and lower case do not matter.

        Raises:
            SetupError: nothing has that name; the message has the nearest one.
        """
        found = self._names.get(name.casefold(), ())
        if found:
            return found
        near = get_close_matches(name.casefold(), self._names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "; see taxonomy.toml for the names"
        raise SetupError(f"label {name!r} is not in the taxonomy{hint}")

    def entry(self, name: str) -> Entry:
        """The one label that a name means.

        >>> Taxonomy.load().entry("Self-Harm")  # doctest: +NORMALIZE_WHITESPACE
        Traceback (most recent call last):
        scanner.errors.SetupError: label 'Self-Harm' is ambiguous: name one of cutting,
            suicide_attempt, noose

        Raises:
            SetupError: nothing has that name, or several labels have; the message names the
                choices.
        """
        found = self.matching(name)
        if len(found) == 1:
            return found[0]
        raise SetupError(
            f"label {name!r} is ambiguous: name one of {', '.join(entry.label for entry in found)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """What nothing installed can say. It has no score: it is not scored as zero."""

    categories: tuple[str, ...]
    """Those of which not one label that anybody would act on is covered: swimwear is not all that
    is sexual."""
    labels: tuple[Label, ...]
    """All labels that are not covered, those of partly covered categories too."""


def uncovered(taxonomy: Taxonomy, labels: Iterable[Label]) -> Uncovered:
    """What is left of the taxonomy when these labels have a model."""
    covered = set(labels)
    left = [entry for entry in taxonomy.entries if entry.label not in covered]
    seen = {
        entry.category
        for entry in taxonomy.entries
        if entry.label in covered and entry.severity > 0
    }
    return Uncovered(
        categories=tuple(
            category
            for category in taxonomy.categories
            if category in {entry.category for entry in left} - seen
        ),
        labels=tuple(entry.label for entry in left),
    )


def _entries(category: str, group: str, table: Mapping[str, Any]) -> list[Entry]:
    return [
        Entry(
            label=Label(label),
            group=group,
            category=category,
            severity=row["severity"],
            aws=(*row.get("aws", ()), *table.get("aws", ())),
            hive=(*row.get("hive", ()), *table.get("hive", ())),
        )
        for label, row in table["labels"].items()
    ]


def _index(entries: tuple[Entry, ...]) -> Mapping[str, tuple[Entry, ...]]:
    """Entries by every name that they go by, narrowest level first: a name of a label is never
    taken for its group's."""
    index: dict[str, tuple[Entry, ...]] = {}
    levels = (
        [(entry.label, entry) for entry in entries],
        [(name, entry) for entry in entries for name in (*entry.aws, *entry.hive)],
        [(entry.group, entry) for entry in entries],
        [(entry.category, entry) for entry in entries],
    )
    for level in levels:
        known = set(index)
        for name, entry in level:
            if name.casefold() not in known:
                index[name.casefold()] = (*index.get(name.casefold(), ()), entry)
    return index
