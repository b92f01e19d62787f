"""The sources of settings, of which the later override the earlier: a file, the environment, flags.

An error names the source that has the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["ENVIRONMENT", "NESTED", "SettingsLayers"]

ENVIRONMENT: Final = "STREAMWARDEN_"
"""Beginning of the variables of settings."""
NESTED: Final = "__"
"""Separates a section from its key in the name of a variable."""

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsLayers:
    """The settings of each source, in the structure of a settings file."""

    path: str | None = None
    """Path of the file; None if there is none."""
    file: Tree
    environment: Tree
    flags: Tree

    def merge(self) -> dict[str, Any]:
        """Return the settings of all sources."""
        return _override(_override(self.file, self.environment), self.flags)

    def name_of(self, location: Sequence[int | str]) -> str:
        """Return the name of the source whose value is in force at a location.

        >>> layers = SettingsLayers(
        ...     path="a.toml", file={"sampling": {"every": 1}}, environment={"window": 5}, flags={})
        >>> layers.name_of(("sampling", "every")), layers.name_of(("window",))
        ('a.toml', 'STREAMWARDEN_WINDOW')
        """
        if _has(self.flags, location):
            return "command line"
        if _has(self.environment, location):
            depth = _depth(self.environment, location)
            return ENVIRONMENT + NESTED.join(str(part).upper() for part in location[:depth])
        return self.path or "settings"

    def is_set(self, location: Sequence[int | str]) -> bool:
        """Return whether a source has the value at a location, so that it is no default."""
        return any(_has(tree, location) for tree in (self.file, self.environment, self.flags))

    def names_of(self, section: str) -> str:
        """Return the names of all sources that have something of a section."""
        names = [self.path or "settings"] if section in self.file else []
        if section in self.environment:
            names.append(f"{ENVIRONMENT}{section.upper()}")
        if section in self.flags:
            names.append("command line")
        return " and ".join(names) or self.path or "settings"


def _has(tree: Tree, location: Sequence[int | str]) -> bool:
    return bool(location) and _depth(tree, location) > 0


def _depth(tree: Any, location: Sequence[int | str]) -> int:
    """Return the number of leading parts of a location that a tree has; 0 if it lacks a part before
    its values end."""
    for number, part in enumerate(location):
        if not isinstance(tree, Mapping):
            return number
        if part not in tree:
            return 0
        tree = tree[part]
    return len(location)


def _override(lower: Tree, upper: Tree) -> dict[str, Any]:
    """Merge two trees; where both have a value, the upper one's is used."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = (
            _override(below, value)
            if isinstance(below, Mapping) and isinstance(value, Mapping)
            else value
        )
    return merged
