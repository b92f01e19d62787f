"""The options of ``models add``, and their conversion to a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from scanner.errors import SetupError
from scanner.model_import.catalogue import CatalogueEntry, describe_adding, read_catalogue
from scanner.model_import.classifier import ClassifierSpec
from scanner.model_import.source import packaged_file

__all__ = ["ModelAddOptions"]

PLAIN_OPTIONS: Final = (
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
COMMA_OPTIONS: Final = ("columns", "mean", "std")
LABEL_OPTIONS: Final = ("prior", "threshold", "dwell")


class ModelAddOptions(BaseModel):
    """The options of ``models add``, by their parameter names; None if not given."""

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

    def to_recipe(self, name: str, known: CatalogueEntry | None) -> ClassifierSpec:
        """Return the network's recipe, from the catalogue or from the options.

        Raises:
            SetupError: both describe the network, or neither does completely.
        """
        values, labels = self._network_values(), self.label or ()
        if known is not None:
            if values or labels or self._label_values():
                raise SetupError(
                    f"{name} is in the catalogue, which says how it is used:"
                    " give another name to describe it yourself"
                )
            return known
        if not labels:
            raise SetupError(
                f"{name} is not in the catalogue ({', '.join(read_catalogue())}):"
                " describe its columns with --label COLUMN=LABEL"
            )
        try:
            return ClassifierSpec.model_validate(
                {**values, "labels": _labels(labels, self._label_values())}
            )
        except ValidationError as error:
            raise SetupError("; ".join(_messages(error))) from error

    def source_file(self, name: str, known: CatalogueEntry | None) -> tuple[str, str | None]:
        """Return the file or address, and the checksum that it must have.

        Raises:
            SetupError: the source is unknown.
        """
        pinned = self.sha256 or (known.sha256 if known is not None else None)
        if self.source is not None:
            return self.source, pinned
        if known is None:
            raise SetupError(f"{name}: name its ONNX file or address with --from")
        found = packaged_file(known.package, known.file) if known.package and known.file else None
        if found is None:
            raise SetupError(f"{name}: {describe_adding(name, known)} ({known.hint})")
        return str(found), pinned

    def _network_values(self) -> dict[str, Any]:
        """Return the given options that describe the network, by the recipe's names."""
        split = {
            key: None if value is None else [part.strip() for part in value.split(",")]
            for key, value in self._values(COMMA_OPTIONS).items()
        }
        return {
            **_size(self.size),
            **_without_none(self._values(PLAIN_OPTIONS)),
            **_without_none(split),
        }

    def _label_values(self) -> dict[str, Any]:
        """Return the given options that describe how the labels are judged."""
        return _without_none(self._values(LABEL_OPTIONS))

    def _values(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}


def _labels(pairs: Sequence[str], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    labels: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        column, equals, label = pair.partition("=")
        if not (column and equals and label):
            raise SetupError(
                f"--label {pair!r}: expected COLUMN=LABEL, such as porn=explicit_nudity"
            )
        entry = labels.setdefault(label, {"columns": [], **values})
        entry["columns"].append(column)
    return labels


def _size(size: str | None) -> dict[str, int]:
    if size is None:
        return {}
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise SetupError(f"--input {size!r}: expected WIDTHxHEIGHT, such as 224x224")
    return {"width": int(width), "height": int(height)}


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _messages(invalid: ValidationError) -> Iterator[str]:
    for error in invalid.errors(include_url=False):
        option = "--" + str(error["loc"][0]).replace("_", "-") + ": " if error["loc"] else ""
        yield option.replace("--labels", "--label") + error["msg"].removeprefix("Value error, ")
