"""What an operator says of a network on the command line, as a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from scanner.errors import SetupError
from scanner.model_import.catalogue import CatalogueEntry, read_catalogue
from scanner.model_import.classifier import ClassifierSpec
from scanner.model_import.source import packaged_file

__all__ = ["Asked"]

AS_IT_IS: Final = (
    "fit",
    "colour",
    "layout",
    "scale",
    "output",
    "activation",
    "combine",
    "licence",
    "origin",
    "training_data",
)
BY_COMMAS: Final = ("columns", "mean", "std")
OF_LABELS: Final = ("prior", "threshold", "dwell")


class Asked(BaseModel):
    """The options of ``models add``, by their names there; None where nothing was said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None
    source: str | None
    into: Path | None
    sha256: str | None
    label: tuple[str, ...] | None
    columns: str | None
    size: str | None
    fit: str | None
    colour: str | None
    layout: str | None
    scale: str | None
    mean: str | None
    std: str | None
    output: str | None
    activation: str | None
    combine: str | None
    prior: str | None
    threshold: str | None
    dwell: float | None
    licence: str | None
    origin: str | None
    training_data: str | None
    config: Path | None
    as_json: bool

    def recipe(self, name: str, known: CatalogueEntry | None) -> ClassifierSpec:
        """How the network is used: as the catalogue says, or as was said here.

        Raises:
            SetupError: both say something, or neither enough.
        """
        said, labels = self._said(), self.label or ()
        if known is not None:
            if said or labels or self._judged():
                raise SetupError(
                    f"{name} is in the catalogue, which says how it is used: give another name to say it yourself"
                )
            return known
        if not labels:
            raise SetupError(
                f"{name} is not in the catalogue ({', '.join(read_catalogue())}): say what its columns mean, --label COLUMN=LABEL"
            )
        try:
            return ClassifierSpec.model_validate(
                {**said, "labels": _labels(labels, self._judged())}
            )
        except ValidationError as why:
            raise SetupError("; ".join(_complaints(why))) from why

    def where(self, name: str, known: CatalogueEntry | None) -> tuple[str, str | None]:
        """The file, and the checksum that it must have.

        Raises:
            SetupError: nobody says where it is.
        """
        pinned = self.sha256 or (known.sha256 if known is not None else None)
        if self.source is not None:
            return self.source, pinned
        if known is None:
            raise SetupError(f"{name}: name its ONNX file or address with --from")
        found = packaged_file(known.package, known.file) if known.package and known.file else None
        if found is None:
            raise SetupError(f"{name}: {known.hint}")
        return str(found), pinned

    def _said(self) -> dict[str, Any]:
        """What is given of the network itself, under a recipe's names."""
        split = {
            key: None if value is None else [part.strip() for part in value.split(",")]
            for key, value in self._of(BY_COMMAS).items()
        }
        return {**_size(self.size), **_given(self._of(AS_IT_IS)), **_given(split)}

    def _judged(self) -> dict[str, Any]:
        """What is given of how far its labels are trusted."""
        return _given(self._of(OF_LABELS))

    def _of(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}


def _labels(given: Sequence[str], judged: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    labels: dict[str, dict[str, Any]] = {}
    for pair in given:
        column, equals, label = pair.partition("=")
        if not (column and equals and label):
            raise SetupError(f"--label {pair!r}: wanted COLUMN=LABEL, such as porn=explicit_nudity")
        entry = labels.setdefault(label, {"columns": [], **judged})
        entry["columns"].append(column)
    return labels


def _size(size: str | None) -> dict[str, int]:
    if size is None:
        return {}
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise SetupError(f"--input {size!r}: wanted WIDTHxHEIGHT, such as 224x224")
    return {"width": int(width), "height": int(height)}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _complaints(why: ValidationError) -> Iterator[str]:
    for error in why.errors(include_url=False):
        option = "--" + str(error["loc"][0]).replace("_", "-") + ": " if error["loc"] else ""
        yield option.replace("--labels", "--label") + error["msg"].removeprefix("Value error, ")
