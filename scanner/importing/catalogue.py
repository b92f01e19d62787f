"""Public classifiers that are known: one data file (``catalogue.toml``)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files

from pydantic import Field

from scanner.importing.recipe import Recipe

__all__ = ["Known", "known_for", "read_catalogue"]


class Known(Recipe):
    """A recipe, and where its weights are to be had."""

    about: str = Field(min_length=1)
    package: str | None = None
    """A distribution with the file inside, if it is installed.

    Only the file is read; nothing of the package is run.
    """
    file: str | None = None
    """Its path among the distribution's files, and in its wheel."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Of the file; None where everybody converts it for themselves."""
    default_for: tuple[str, ...] = ()
    """Categories of the taxonomy for which nothing better is known that may be had."""
    hint: str = Field(min_length=1)
    """How to come by a file."""


def known_for(category: str) -> str | None:
    """The name of the network that a category without a model is best begun with; None where none
    is known."""
    return next(
        (name for name, known in read_catalogue().items() if category in known.default_for), None
    )


def read_catalogue() -> Mapping[str, Known]:
    """All that are known, by the name that they are added under."""
    tree = tomllib.loads(files("scanner.importing").joinpath("catalogue.toml").read_text("utf-8"))
    return {name: Known.model_validate(entry) for name, entry in tree.items()}
