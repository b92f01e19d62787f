"""Documents about streams and pictures, without what belongs to categories that their reader does
not see: scores of labels, and counts of incidents."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from scanner.intake.access import Caller
from scanner.taxonomy import Taxonomy

__all__ = ["hidden_labels", "without_labels"]

V = TypeVar("V")
BY_LABEL: Final = ("risk", "peaks", "scores", "levels", "boosts")
"""Members of documents whose keys are labels."""


def hidden_labels(caller: Caller) -> frozenset[str]:
    """Return the labels of the categories that a reader does not see."""
    hidden = caller.hidden_categories
    if not hidden:
        return frozenset()
    entries = Taxonomy.load().entries
    return frozenset(str(one.label) for one in entries if one.category in hidden)


def without_labels(document: Mapping[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """Return a document without what it says of some labels."""
    found = dict(document)
    for name in BY_LABEL:
        if name in found:
            found[name] = _without(found[name], hidden)
    if "flagged" in found:
        found["flagged"] = [label for label in found["flagged"] if label not in hidden]
    return found


def _without(values: Mapping[str, V], hidden: Collection[str]) -> dict[str, V]:
    return {label: value for label, value in values.items() if label not in hidden}
