"""The description of an image classifier: how it takes pictures, what its columns mean, and how
much they are trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from scanner.scoring.manifest import RecommendedPolicy
from scanner.taxonomy import Taxonomy
from scanner.types import Fit, Label

__all__ = ["AreaCurve", "ClassifierSpec", "LabelSpec", "Triple"]


def _parse_number(value: object) -> object:
    """Parse a number that may be written as a fraction, such as 1/255 or 1/127.5."""
    if not isinstance(value, str):
        return value
    above, slash, below = value.rpartition("/")
    try:
        return float(Fraction(Decimal(above)) / Fraction(Decimal(below))) if slash else float(below)
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"must be a number or a fraction such as 1/255, got {value!r}") from error


Number = Annotated[float, BeforeValidator(_parse_number)]
Positive = Annotated[Number, Field(gt=0.0)]
Probability = Annotated[Number, Field(gt=0.0, lt=1.0)]
Triple = tuple[Number, Number, Number]


class _SpecTable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LabelSpec(_SpecTable):
    """One label, computed from columns of the network."""

    columns: tuple[str, ...] = Field(min_length=1)
    """The columns by name, or by number from 0 if ``ClassifierSpec.columns`` is empty."""
    prior: Probability = 0.5
    """The share of positives that its probability assumes; an assumption, because public models do
    not state it."""
    threshold: Probability | None = None
    """The probability from which it counts, chosen by its scores of harmless pictures; None for the
    default."""
    dwell: float | None = Field(default=None, ge=0.0)
    """The seconds that it must last; None for the default."""

    @property
    def policy(self) -> RecommendedPolicy:
        """The recommended policy; in shadow, because the quality on the user's media is unknown."""
        if self.threshold is None:
            return RecommendedPolicy(dwell=self.dwell, shadow=True)
        level = round(_logit(self.threshold) - _logit(self.prior), 3)
        return RecommendedPolicy(level=level, dwell=self.dwell, still=self.threshold, shadow=True)


class AreaCurve(_SpecTable):
    """The conversion of a map of probabilities, one per pixel, to one probability of the picture.

    It is a function of the share of the picture with a high probability:
    ``p = sigmoid(steepness * ln((share + floor) / (half + floor)))``. Areas that are thick in both
    directions can be left out of the share, because a network that detects lines also reacts to
    single objects on a plain background.
    """

    above: Probability
    """The probability from which a pixel counts."""
    cell: int = Field(default=1, ge=1, le=64)
    """The side in pixels of the cells in which pixels are counted."""
    thickest: int | None = Field(default=None, ge=3, le=63)
    """The side in cells of a square that an area must not contain to count; None to count all."""
    half: Probability
    """The share of the picture at which the probability is one half."""
    steepness: Positive
    """The log-odds per natural logarithm of the share."""
    floor: Probability = 1e-4
    """The share that counts as zero."""

    @model_validator(mode="after")
    def _check_thickest(self) -> Self:
        if self.thickest is not None and self.thickest % 2 == 0:
            raise ValueError(f"thickest must be odd, got {self.thickest}")
        return self


class ClassifierSpec(_SpecTable):
    """The properties of an image classifier that are needed to make a model of it.

    None of those that change its scores has a guessed default.
    """

    width: int | None = Field(default=None, gt=0)
    height: int | None = Field(default=None, gt=0)
    """The size of its input; None for the size that the graph declares."""
    fit: Fit = Fit.SQUASH
    colour: Literal["rgb", "bgr"] = "rgb"
    """The channel order that the network was trained on."""
    layout: Literal["nhwc", "nchw"] | None = None
    """The layout of its input; None to derive it from the position of the three channels."""
    scale: Positive
    mean: Triple = (0.0, 0.0, 0.0)
    std: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)
    """The network's input is (pixel * scale - mean) / std, with pixels of 0 to 255, and mean and
    std in the network's channel order."""
    output: str | None = None
    """The output that has the classes; None if the graph has one output."""
    columns: tuple[str, ...] = ()
    """The names of the columns, in order; empty if labels refer to them by number."""
    activation: Literal["softmax", "sigmoid", "none"]
    """The function that turns columns into probabilities; ``none`` if they are probabilities."""
    area: AreaCurve | None = None
    """The curve for a network whose output is a map, N x 1 x H x W; None for a classifier."""
    combine: Literal["sum", "max"] = "max"
    """The way to merge columns of one label: the sum if classes exclude each other, otherwise the
    highest."""
    labels: Mapping[Label, LabelSpec] = Field(min_length=1)
    licence: str = Field(min_length=1)
    origin: str = Field(min_length=1)
    training_data: str = "not stated"
    quality: str = "nothing was measured of it"
    """A sentence about its known quality."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height must be given together")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError(f"columns must differ from each other, got {', '.join(self.columns)}")
        if self.combine == "sum" and self.activation == "sigmoid":
            raise ValueError(
                "combine: must be max with activation sigmoid, got sum, which may exceed 1"
            )
        if self.area is not None and len(self.columns) != 1:
            raise ValueError(
                f"area: columns must name the one column of the map, got {len(self.columns)}"
            )
        taxonomy = Taxonomy.load()
        for label, spec in self.labels.items():
            if taxonomy.entry(label).label != label:
                raise ValueError(f"{label!r} is not a label, wanted {taxonomy.entry(label).label}")
            for column in spec.columns:
                self.index(column)
        return self

    def index(self, column: str) -> int:
        """Return the index of a column, which is given by name or number.

        Raises:
            ValueError: the column does not exist.
        """
        if column in self.columns:
            return self.columns.index(column)
        if self.columns:
            raise ValueError(
                f"column {column!r} does not exist; there are {', '.join(self.columns)}"
            )
        if not (column.isascii() and column.isdigit()):
            raise ValueError(
                f"column {column!r} is not a number: number it from 0, or name all columns"
            )
        return int(column)


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)
