"""What ``models/<name>/model.toml`` says of a model: its file, its input, what its outputs mean,
and where it comes from.

A manifest is a promise that ``scanner.scoring.onnx`` holds the graph to. Everything is frozen; an
unknown key is an error.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from scanner.errors import SetupError
from scanner.taxonomy import MAX_SEVERITY, Taxonomy
from scanner.types import Burst, Fit, FrameSpec, Label, Medium, ModelRef
from scanner.validation import complaints

__all__ = [
    "FILENAME",
    "Calibration",
    "GraphFile",
    "Input",
    "LabelFacts",
    "Manifest",
    "MotionGate",
    "Output",
    "RecommendedPolicy",
    "read_manifest",
]

FILENAME = "model.toml"

Probability = Annotated[float, Field(gt=0.0, lt=1.0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.onnx$")]
"""Beside the manifest; a plain name, never a path."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Input(_Frozen):
    """What the graph looks at: one batch of RGB pictures. Normalisation is inside the graph."""

    name: str
    """Of the graph's input."""
    width: int
    height: int
    fit: Fit = Fit.SQUASH
    burst: Burst | None = None
    """It looks at so many frames at once, ``rate`` of them a second; without it, at one frame."""
    colour: Literal["rgb"] = "rgb"
    dtype: Literal["uint8"] = "uint8"
    layout: Literal["NHWC"] = "NHWC"
    """Of each frame; a burst's frames come between N and H: N x T x H x W x 3."""

    @model_validator(mode="after")
    def _checks_its_size(self) -> Self:
        _ = self.spec
        return self

    @property
    def spec(self) -> FrameSpec:
        """What ``media`` must make."""
        return FrameSpec(width=self.width, height=self.height, fit=self.fit, burst=self.burst)


class MotionGate(_Frozen):
    """When a segment is worth the cost of a look in motion, by a score of its single frames.

    Only a start: the operator decides.
    """

    label: Label
    above: Probability
    """A frame of the segment scores as much at least."""
    when: tuple[Medium, ...] = ()
    """Media of which the frame must be, more likely than not; empty for all."""


class Output(_Frozen):
    """One of the graph's outputs: N x len(labels) floats, or an embedding of any width, which
    nobody scores."""

    name: str
    """Of the graph's output."""
    kind: Literal["label", "medium", "embedding"]
    labels: tuple[str, ...] = ()
    """One for each column, in order: labels of the taxonomy, or media."""
    activation: Literal["sigmoid", "softmax", "none"] = "none"
    """What makes probabilities of it, applied by the scorer; ``none`` where the graph has done so.
    """
    temperature: float = Field(default=1.0, gt=0.0)
    """Divides the logits of a softmax."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must differ from each other, got {', '.join(self.labels)}")
        if (self.kind == "embedding") != (not self.labels):
            raise ValueError(
                f"output of kind {self.kind} must have {'no labels' if self.labels else 'labels'}"
            )
        if self.kind == "medium" and self.activation == "sigmoid":
            raise ValueError(
                "a medium is one of several: its activation must be softmax, or none where the graph has done so"
            )
        if self.kind == "medium" and (
            strange := set(self.labels) - {medium.value for medium in Medium}
        ):
            raise ValueError(
                f"unknown medium {', '.join(sorted(strange))}; known are {', '.join(Medium)}"
            )
        if self.temperature != 1.0 and self.activation != "softmax":
            raise ValueError(
                "temperature goes with softmax; a sigmoid is calibrated by its labels' a and b"
            )
        return self


class Calibration(_Frozen):
    """Platt's: probability = sigmoid(a * logit + b), the logit being that of the uncalibrated
    probability."""

    a: float = Field(default=1.0, gt=0.0)
    b: float = 0.0


class RecommendedPolicy(_Frozen):
    """How the model's makers would have the label judged.

    Only a start: the operator's policy decides.
    """

    level: float | None = None
    """Opens an incident, in log-odds over the training prior; None leaves the product's default."""
    dwell: float | None = Field(default=None, ge=0.0)
    """Seconds of evidence that the level must have."""
    window: float | None = Field(default=None, gt=0.0)
    """Nothing older counts, in seconds."""
    method: str | None = None
    """How looks become a level, with its ``tuning``; a level of one method is not a level of
    another."""
    tuning: Mapping[str, float] = {}
    a: float | None = Field(default=None, gt=0.0)
    b: float | None = None
    """The risk's, as fitted on labelled streams; None as long as nothing carries a fit."""
    still: Probability | None = None
    """The probability from which a single picture is flagged."""
    when: tuple[Medium, ...] = ()
    """Media that count; empty for all."""
    severity: int | None = Field(default=None, ge=0, le=MAX_SEVERITY)
    """In place of the taxonomy's."""
    shadow: bool = False
    """Scored and evaluated, never delivered."""


class LabelFacts(_Frozen):
    """What must be known of a label to make evidence of its scores."""

    training_prior: Probability
    """Share of positives that the calibrated probability assumes."""
    calibration: Calibration = Calibration()
    policy: RecommendedPolicy = RecommendedPolicy()


class GraphFile(_Frozen):
    """A file that holds the network."""

    file: FileName
    sha256: Sha256


class Manifest(_Frozen):
    """One model."""

    name: Name
    version: str = Field(min_length=1, max_length=32)
    file: FileName
    sha256: Sha256
    fp16: GraphFile | None = None
    """The same network with 16-bit numbers inside, for GPUs; its inputs, outputs and opset are
    those of ``file``."""
    opset: int = Field(ge=1)
    """Of ONNX's own operators."""
    input: Input
    gate: MotionGate | None = None
    """Of a model of bursts: without one it is asked of the base rate's share of segments only."""
    outputs: tuple[Output, ...] = Field(min_length=1)
    labels: Mapping[Label, LabelFacts]
    """For each label of the outputs of kind ``label``."""
    licence: str = Field(min_length=1)
    origin: str = Field(min_length=1)
    """Where the weights come from."""
    training_data: str = Field(min_length=1)
    quality: Mapping[str, Any] = {}
    """Measured, free in form; the model card explains it."""

    @field_validator("labels", mode="after")
    @classmethod
    def _are_in_the_taxonomy(cls, value: Mapping[Label, LabelFacts]) -> Mapping[Label, LabelFacts]:
        taxonomy = Taxonomy.load()
        for label in value:
            if label not in taxonomy:
                raise ValueError(_explain_label(taxonomy, label))
        return value

    @model_validator(mode="after")
    def _has_a_gate_that_can_open(self) -> Self:
        if self.gate is None:
            return self
        if self.input.burst is None:
            raise ValueError("gate: only a model whose input has a burst has one")
        if self.gate.label not in (taxonomy := Taxonomy.load()):
            raise ValueError(f"gate.label: {_explain_label(taxonomy, self.gate.label)}")
        return self

    @model_validator(mode="after")
    def _has_facts_for_each_label(self) -> Self:
        said = self.scored_labels
        if len(set(said)) != len(said):
            raise ValueError("two outputs have the same label")
        if missing := set(said) - set(self.labels):
            raise ValueError(f"no [labels.{min(missing)}] with its training_prior")
        if unused := set(self.labels) - set(said):
            raise ValueError(f"[labels.{min(unused)}] is the label of no output")
        if all(output.kind == "embedding" for output in self.outputs):
            raise ValueError(
                "outputs: one must be of kind label or medium, or there is nothing to score"
            )
        if sum(output.kind == "medium" for output in self.outputs) > 1:
            raise ValueError("at most one output may be of kind medium")
        return self

    @property
    def shadow(self) -> frozenset[Label]:
        """Labels that its makers would have recorded, and never delivered."""
        return frozenset(label for label, facts in self.labels.items() if facts.policy.shadow)

    @property
    def ref(self) -> ModelRef:
        """What scores carry."""
        return ModelRef(name=self.name, version=self.version)

    @property
    def fp32(self) -> GraphFile:
        """The file that every model has."""
        return GraphFile(file=self.file, sha256=self.sha256)

    @property
    def scored_labels(self) -> tuple[Label, ...]:
        """In the outputs' order."""
        return tuple(
            Label(label)
            for output in self.outputs
            if output.kind == "label"
            for label in output.labels
        )

    @property
    def media(self) -> tuple[Medium, ...]:
        """What the medium head tells apart; empty without one."""
        return tuple(
            Medium(name)
            for output in self.outputs
            if output.kind == "medium"
            for name in output.labels
        )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the model in a folder.

    Raises:
        SetupError: there is none, or it is wrong; the message has the file and the full path of
            each wrong key.
    """
    path = folder / FILENAME
    try:
        manifest = Manifest.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as why:
        raise SetupError(f"model {folder.name}: cannot read {path}: {why.strerror}") from why
    except ValidationError as why:
        raise SetupError(f"{path}: {_complaints(why)}") from why
    except ValueError as why:
        raise SetupError(f"{path}: {why}") from why
    if manifest.name != folder.name:
        raise SetupError(
            f"{path}: name is {manifest.name}, its folder is called {folder.name}: they must agree"
        )
    return manifest


def _explain_label(taxonomy: Taxonomy, label: Label) -> str:
    try:
        found = taxonomy.matching(label)
    except SetupError as why:
        return str(why)
    return f"{label!r} is another name for {' or '.join(entry.label for entry in found)}: use that"


def _complaints(why: ValidationError) -> str:
    models = (
        Manifest,
        GraphFile,
        Input,
        MotionGate,
        Output,
        LabelFacts,
        Calibration,
        RecommendedPolicy,
    )
    return "; ".join(
        complaints(why, known=(key for model in models for key in model.model_fields), noun="key")
    )
