"""The taxonomy: labels in groups in categories, with the names that other services give them.

The data is in ``taxonomy.toml``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Final

from scanner.errors import SetupError
from scanner.types import Label

__all__ = ["MAX_SEVERITY", "Taxonomy", "TaxonomyEntry", "Uncovered", "uncovered"]

MAX_SEVERITY: Final = 3
"""The highest severity: act at once. Severity 0 needs no action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxonomyEntry:
    """One label with its group, its category and its names at other services."""

    label: Label
    group: str
    category: str
    severity: int
    """0 (no action) to 3 (act at once); an operator's policy can change it."""
    aws: tuple[str, ...] = ()
    """Moderation labels of AWS Rekognition, version 7, those of the label before its group's."""
    hive: tuple[str, ...] = ()
    """Class names of Hive's visual moderation."""

    def __post_init__(self) -> None:
        if not 0 <= self.severity <= MAX_SEVERITY:
            raise ValueError(
                f"severity of {self.label} must be 0 to {MAX_SEVERITY}, got {self.severity}"
            )


@dataclass(frozen=True, kw_only=True)
class Taxonomy:
    """The labels that Streamwarden knows, in the order of the file."""

    version: str
    """The version of the file, which reports state."""
    entries: tuple[TaxonomyEntry, ...]
    _names: Mapping[str, tuple[TaxonomyEntry, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        labels = [entry.label for entry in self.entries]
        if duplicates := {label for label in labels if labels.count(label) > 1}:
            raise ValueError(
                f"taxonomy must list each label once, got {', '.join(sorted(duplicates))} twice"
            )
        object.__setattr__(self, "_names", _index_by_name(self.entries))

    @staticmethod
    @cache
    def load() -> Taxonomy:
        """Return the taxonomy that is part of the package; it is read once."""
        return Taxonomy.parse(files("scanner").joinpath("taxonomy.toml").read_text("utf-8"))

    @classmethod
    def parse(cls, text: str) -> Taxonomy:
        """Parse a taxonomy from TOML.

        Each table ``[category.group]`` has its ``labels``, and the ``aws`` and ``hive`` names that
        apply to all of them.
        """
        tree = tomllib.loads(text)
        version = tree.pop("version")
        entries = tuple(
            entry
            for category, groups in tree.items()
            for group, table in groups.items()
            for entry in _parse_group(category, group, table)
        )
        return cls(version=version, entries=entries)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels, in the order of the file."""
        return tuple(entry.label for entry in self.entries)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories without duplicates, in the order of the file."""
        return tuple(dict.fromkeys(entry.category for entry in self.entries))

    def __contains__(self, label: object) -> bool:
        return any(entry.label == label for entry in self.entries)

    def matching(self, name: str) -> tuple[TaxonomyEntry, ...]:
        """Return the entries that a label, group, category, AWS or Hive name stands for.

        Case is ignored. If the name exists on several levels, the narrowest one is used.

        Raises:
            SetupError: the name is unknown; the message suggests the nearest one.
        """
        entries = self._names.get(name.casefold(), ())
        if entries:
            return entries
        near = get_close_matches(name.casefold(), self._names, n=1)
        hint = (
            f"; did you mean {near[0]!r}?" if near else "; `streamwarden models list` has the names"
        )
        raise SetupError(f"label {name!r} is not in the taxonomy{hint}")

    def entry(self, name: str) -> TaxonomyEntry:
        """Return the only entry that a name stands for.

        >>> Taxonomy.load().entry("Self-Harm")  # doctest: +NORMALIZE_WHITESPACE
        Traceback (most recent call last):
        scanner.errors.SetupError: label 'Self-Harm' is ambiguous: name one of cutting,
            suicide_attempt, noose

        Raises:
            SetupError: the name is unknown, or it stands for several labels; the message lists
                them.
        """
        entries = self.matching(name)
        if len(entries) == 1:
            return entries[0]
        raise SetupError(
            f"label {name!r} is ambiguous: name one of "
            f"{', '.join(entry.label for entry in entries)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """The part of the taxonomy that no model covers; it has no score, which differs from zero."""

    categories: tuple[str, ...]
    """Categories of which no label of severity 1 or more is covered."""
    labels: tuple[Label, ...]
    """All labels that are not covered, including those of partly covered categories."""


def uncovered(taxonomy: Taxonomy, labels: Iterable[Label]) -> Uncovered:
    """Return the part of the taxonomy that a set of labels does not cover."""
    covered = set(labels)
    missing = [entry for entry in taxonomy.entries if entry.label not in covered]
    covered_categories = {
        entry.category
        for entry in taxonomy.entries
        if entry.label in covered and entry.severity > 0
    }
    return Uncovered(
        categories=tuple(
            category
            for category in taxonomy.categories
            if category in {entry.category for entry in missing} - covered_categories
        ),
        labels=tuple(entry.label for entry in missing),
    )


def _parse_group(category: str, group: str, table: Mapping[str, Any]) -> list[TaxonomyEntry]:
    return [
        TaxonomyEntry(
            label=Label(label),
            group=group,
            category=category,
            severity=row["severity"],
            aws=(*row.get("aws", ()), *table.get("aws", ())),
            hive=(*row.get("hive", ()), *table.get("hive", ())),
        )
        for label, row in table["labels"].items()
    ]


def _index_by_name(entries: tuple[TaxonomyEntry, ...]) -> Mapping[str, tuple[TaxonomyEntry, ...]]:
    """Index the entries by all their names; a name that exists on several levels refers to the
    narrowest one."""
    index: dict[str, tuple[TaxonomyEntry, ...]] = {}
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
