"""How a network wants its pictures, what its columns mean, and how far they are to be trusted."""

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

__all__ = ["Area", "LabelRecipe", "Recipe", "Triple"]


def _number(value: object) -> object:
    """Numbers may be written as a fraction: 1/255, 1/127.5."""
    if not isinstance(value, str):
        return value
    above, slash, below = value.rpartition("/")
    try:
        return float(Fraction(Decimal(above)) / Fraction(Decimal(below))) if slash else float(below)
    except (ArithmeticError, ValueError) as why:
        raise ValueError(f"must be a number or a fraction such as 1/255, got {value!r}") from why


Number = Annotated[float, BeforeValidator(_number)]
Positive = Annotated[Number, Field(gt=0.0)]
Probability = Annotated[Number, Field(gt=0.0, lt=1.0)]
Triple = tuple[Number, Number, Number]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LabelRecipe(_Frozen):
    """One of our labels, made of the network's columns."""

    columns: tuple[str, ...] = Field(min_length=1)
    """By name where the recipe names its columns, else by number from 0."""
    prior: Probability = 0.5
    """Share of positives that its probability assumes; of a public model nobody knows it, so this
    is an assumption."""
    threshold: Probability | None = None
    """The probability from which it counts, fit for what it is known to say of harmless pictures.

    None: the product's default.
    """
    dwell: float | None = Field(default=None, ge=0.0)
    """Seconds for which it must last. None: the product's default."""

    @property
    def policy(self) -> RecommendedPolicy:
        """In shadow: nobody has measured it on the footage that it is to judge."""
        if self.threshold is None:
            return RecommendedPolicy(dwell=self.dwell, shadow=True)
        level = round(_logit(self.threshold) - _logit(self.prior), 3)
        return RecommendedPolicy(level=level, dwell=self.dwell, still=self.threshold, shadow=True)


class Area(_Frozen):
    """How a map of probabilities, one for each pixel, becomes one of the picture: by the share of
    it that lies high.

    ``p = sigmoid(steepness * ln((share + floor) / (half + floor)))``. Blobs that are thick in both
    directions can be left out of the share: a network that looks for lines takes a lone object on
    plain ground for one.
    """

    above: Probability
    """A pixel counts from this probability on."""
    cell: int = Field(default=1, ge=1, le=64)
    """Pixels a side of the cells in which they are counted."""
    thickest: int | None = Field(default=None, ge=3, le=63)
    """What holds a square of so many cells a side does not count; None: all does."""
    half: Probability
    """The share of the picture at which the probability is one half."""
    steepness: Positive
    """Log-odds for each natural logarithm of the share."""
    floor: Probability = 1e-4
    """A share that is as good as none."""

    @model_validator(mode="after")
    def _has_a_middle(self) -> Self:
        if self.thickest is not None and self.thickest % 2 == 0:
            raise ValueError(f"thickest must be odd, got {self.thickest}")
        return self


class Recipe(_Frozen):
    """All that must be known of an image classifier to make a model of it.

    Nothing that changes its scores is guessed.
    """

    width: int | None = Field(default=None, gt=0)
    height: int | None = Field(default=None, gt=0)
    """None: as the graph says."""
    fit: Fit = Fit.SQUASH
    colour: Literal["rgb", "bgr"] = "rgb"
    """The order of channels that the network was trained on."""
    layout: Literal["nhwc", "nchw"] | None = None
    """None: by where the graph has its three channels."""
    scale: Positive
    mean: Triple = (0.0, 0.0, 0.0)
    std: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)
    """The network's input is (pixel * scale - mean) / std, a pixel being 0 to 255; mean and std are
    in the network's order of channels."""
    output: str | None = None
    """Of the graph's outputs, the one that has the classes; None where there is one."""
    columns: tuple[str, ...] = ()
    """Names of its columns, in order; empty: they go by number."""
    activation: Literal["softmax", "sigmoid", "none"]
    """What makes probabilities of the columns; none: the graph gives probabilities."""
    area: Area | None = None
    """Of a network that gives a map of one column, N x 1 x H x W; None: it classifies the picture.
    """
    combine: Literal["sum", "max"] = "max"
    """How several columns make one label: the sum where one picture is one class of several, the
    highest where it may be more."""
    labels: Mapping[Label, LabelRecipe] = Field(min_length=1)
    licence: str = Field(min_length=1)
    origin: str = Field(min_length=1)
    training_data: str = "not stated"
    quality: str = "nothing was measured of it"
    """What is known of it, in a sentence."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError(f"columns must differ from each other, got {', '.join(self.columns)}")
        if self.combine == "sum" and self.activation == "sigmoid":
            raise ValueError("combine: the sum of sigmoids is no probability, take max")
        if self.area is not None and len(self.columns) != 1:
            raise ValueError("area: a map has one column, name it")
        taxonomy = Taxonomy.load()
        for label, recipe in self.labels.items():
            if taxonomy.entry(label).label != label:
                raise ValueError(
                    f"{label!r} is another name for {taxonomy.entry(label).label!r}: use that"
                )
            for column in recipe.columns:
                self.index(column)
        return self

    def index(self, column: str) -> int:
        """The place of a column that a label names.

        Raises:
            ValueError: there is no such column.
        """
        if column in self.columns:
            return self.columns.index(column)
        if self.columns:
            raise ValueError(f"column {column!r}: there are {', '.join(self.columns)}")
        if not (column.isascii() and column.isdigit()):
            raise ValueError(
                f"column {column!r}: give its number, from 0, or the names of all columns"
            )
        return int(column)


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)
