"""What pydantic finds wrong, as an operator can mend it: the full path of each key, what is there,
and the nearest key that would do."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

__all__ = ["complaints", "nearest"]

UNKNOWN_KEY = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
"""Pydantic's words for it, of a model and of a dataclass."""


def complaints(why: ValidationError, *, known: Iterable[str], noun: str) -> list[str]:
    """One for each thing that is wrong; ``known`` are the keys that there are anywhere, ``noun`` is
    what they are called."""
    return [_complaint(error, known, noun) for error in why.errors(include_url=False)]


def _complaint(error: ErrorDetails, known: Iterable[str], noun: str) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] in UNKNOWN_KEY:
        return f"{where}: no such {noun}{nearest(str(error['loc'][-1]), known)}"
    said = error["msg"].removeprefix("Value error, ") + _found(error["input"])
    return f"{where}: {said}" if where else said


def _found(value: object) -> str:
    """Where it fits into a sentence."""
    return f", got {value!r}" if isinstance(value, str | int | float | Decimal) else ""


def nearest(key: str, known: Iterable[str]) -> str:
    """A hint, or nothing: the known key that is most like this one."""
    near = get_close_matches(key, sorted(set(known)), n=1)
    return f"; did you mean {near[0]}?" if near else ""
