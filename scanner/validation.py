"""Validation errors of pydantic as messages for an operator: the full path of each key, the value
found, and the nearest known key."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

__all__ = ["SECRETS", "UNKNOWN_KEY", "describe_errors", "suggest_key"]

UNKNOWN_KEY = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
"""The error types that pydantic uses for an unknown key, of a model and of a dataclass."""

SECRETS = frozenset({"secret", "ome_secret"})
"""Keys of settings of which the value is never shown."""


def describe_errors(error: ValidationError, *, known: Iterable[str], noun: str) -> list[str]:
    """Return one message for each error.

    Args:
        error: the exception that pydantic raised.
        known: all valid keys, from which a misspelt one is corrected.
        noun: what a key is called in the message, such as "setting".
    """
    keys = frozenset(known)
    return [_describe_error(details, keys, noun) for details in error.errors(include_url=False)]


def _describe_error(error: ErrorDetails, known: Iterable[str], noun: str) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] in UNKNOWN_KEY:
        return f"{where}: no such {noun}{suggest_key(str(error['loc'][-1]), known)}"
    shown = "" if error["loc"] and error["loc"][-1] in SECRETS else _describe_value(error["input"])
    message = error["msg"].removeprefix("Value error, ") + shown
    return f"{where}: {message}" if where else message


def _describe_value(value: object) -> str:
    """Return the value found, if it is short enough for a message."""
    return f", got {value!r}" if isinstance(value, str | int | float | Decimal) else ""


def suggest_key(key: str, known: Iterable[str]) -> str:
    """Return a hint with the known key most similar to ``key``; empty if none is similar."""
    near = get_close_matches(key, sorted(set(known)), n=1)
    return f"; did you mean {near[0]}?" if near else ""
