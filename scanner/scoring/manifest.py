"""The manifest of a model, ``models/<name>/model.toml``: its file, its input, the meaning of its
outputs, and its origin.

``scanner.scoring.conformance`` checks the graph against it. All values are frozen; an unknown key
is an error.
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
from scanner.validation import describe_errors

__all__ = [
    "FILENAME",
    "Calibration",
    "GraphFile",
    "Input",
    "LabelFacts",
    "Manifest",
    "Output",
    "RecommendedGate",
    "RecommendedPolicy",
    "read_manifest",
]

FILENAME = "model.toml"

Probability = Annotated[float, Field(gt=0.0, lt=1.0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.onnx$")]
"""The name of a file in the manifest's folder; never a path."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _ManifestTable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Input(_ManifestTable):
    """The graph's input: one batch of RGB pictures. The graph normalises them itself."""

    name: str
    """The name of the graph's input."""
    width: int
    height: int
    fit: Fit = Fit.SQUASH
    burst: Burst | None = None
    """The format of the bursts that the model takes; None for single frames."""
    colour: Literal["rgb"] = "rgb"
    dtype: Literal["uint8"] = "uint8"
    layout: Literal["NHWC"] = "NHWC"
    """The layout of single frames; that of bursts is N x T x H x W x 3."""

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        _ = self.spec  # a FrameSpec validates its size
        return self

    @property
    def spec(self) -> FrameSpec:
        """The array that ``scanner.media`` must produce."""
        return FrameSpec(width=self.width, height=self.height, fit=self.fit, burst=self.burst)


class RecommendedGate(_ManifestTable):
    """The condition, on a score of the segment's frames, under which the model's makers recommend
    scoring bursts.

    The operator's ``bursts.above`` overrides it.
    """

    label: Label
    above: Probability
    """The lowest probability of a frame that opens the gate."""
    when: tuple[Medium, ...] = ()
    """The media of which a frame must more likely than not be; empty for all."""


class Output(_ManifestTable):
    """One of the graph's outputs: N x len(labels) floats, or an embedding of any width, which is
    not used."""

    name: str
    """The name of the graph's output."""
    kind: Literal["label", "medium", "embedding"]
    labels: tuple[str, ...] = ()
    """The label or medium of each column, in order."""
    activation: Literal["sigmoid", "softmax", "none"] = "none"
    """The function that the scorer applies to get probabilities; ``none`` if the graph returns
    probabilities."""
    temperature: float = Field(default=1.0, gt=0.0)
    """The divisor of the logits of a softmax."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must differ from each other, got {', '.join(self.labels)}")
        if (self.kind == "embedding") != (not self.labels):
            raise ValueError(
                f"output of kind {self.kind} must have {'no labels' if self.labels else 'labels'}"
            )
        if self.kind == "medium" and self.activation == "sigmoid":
            raise ValueError(
                "activation of an output of kind medium must be softmax or none, got sigmoid: "
                "media exclude each other"
            )
        if self.kind == "medium" and (
            unknown := set(self.labels) - {medium.value for medium in Medium}
        ):
            raise ValueError(
                f"unknown medium {', '.join(sorted(unknown))}; known are {', '.join(Medium)}"
            )
        if self.temperature != 1.0 and self.activation != "softmax":
            raise ValueError(
                f"temperature must be 1 unless the activation is softmax, got {self.temperature}: "
                "other outputs are calibrated by a and b of their labels"
            )
        return self


class Calibration(_ManifestTable):
    """The parameters of Platt scaling: probability = sigmoid(a * logit + b), with the logit of the
    uncalibrated probability."""

    a: float = Field(default=1.0, gt=0.0)
    b: float = 0.0


class RecommendedPolicy(_ManifestTable):
    """The policy that the model's makers recommend for a label.

    The operator's settings override it.
    """

    level: float | None = None
    """The level that opens an incident, in log-odds over the training prior; None: the default."""
    dwell: float | None = Field(default=None, ge=0.0)
    """The seconds of evidence that a level needs."""
    window: float | None = Field(default=None, gt=0.0)
    """The seconds after which evidence no longer counts."""
    method: str | None = None
    """The method that computes the level from samples, with the parameters in ``tuning``. Levels of
    different methods are not comparable."""
    tuning: Mapping[str, float] = {}
    a: float | None = Field(default=None, gt=0.0)
    b: float | None = None
    """Slope ``a`` and offset ``b`` of the risk, fitted on labelled streams; None without a fit."""
    still: Probability | None = None
    """The probability from which a still picture is flagged."""
    when: tuple[Medium, ...] = ()
    """The media that count; empty for all."""
    severity: int | None = Field(default=None, ge=0, le=MAX_SEVERITY)
    """The severity that replaces the taxonomy's."""
    shadow: bool = False
    """True if the label is scored and evaluated, and never delivered."""
    still_shadow: bool | None = None
    """The same for still pictures; None: as ``shadow``."""

    @property
    def delivers(self) -> bool:
        """True if the label is delivered for streams or for still pictures."""
        return not (self.shadow and self.still_shadow is not False)


class LabelFacts(_ManifestTable):
    """The facts that turn scores of a label into evidence, and its recommended policy."""

    training_prior: Probability
    """The share of positives that the calibrated probability assumes."""
    calibration: Calibration = Calibration()
    policy: RecommendedPolicy = RecommendedPolicy()


class GraphFile(_ManifestTable):
    """An ONNX file and its checksum."""

    file: FileName
    sha256: Sha256


class Manifest(_ManifestTable):
    """The manifest of one model."""

    name: Name
    version: str = Field(min_length=1, max_length=32)
    file: FileName
    sha256: Sha256
    fp16: GraphFile | None = None
    """The same network in fp16, for GPUs, with the inputs, outputs and opset of ``file``."""
    int8: GraphFile | None = None
    """The same network with convolutions in int8, for CPUs, as above."""
    opset: int = Field(ge=1)
    """The version of ONNX's own operator set."""
    input: Input
    gate: RecommendedGate | None = None
    """The gate of a burst model; without one it scores the share ``bursts.base_rate`` only."""
    outputs: tuple[Output, ...] = Field(min_length=1)
    labels: Mapping[Label, LabelFacts]
    """The facts of each label of the outputs of kind ``label``."""
    licence: str = Field(min_length=1)
    origin: str = Field(min_length=1)
    """The source of the weights."""
    training_data: str = Field(min_length=1)
    quality: Mapping[str, Any] = {}
    """Measured quality, in free form; the model card explains it."""

    @field_validator("labels", mode="after")
    @classmethod
    def _check_labels(cls, value: Mapping[Label, LabelFacts]) -> Mapping[Label, LabelFacts]:
        taxonomy = Taxonomy.load()
        for label in value:
            if label not in taxonomy:
                raise ValueError(_explain_label(taxonomy, label))
        return value

    @model_validator(mode="after")
    def _check_gate(self) -> Self:
        if self.gate is None:
            return self
        if self.input.burst is None:
            raise ValueError("gate: must be absent unless the input has a burst")
        if self.gate.label not in (taxonomy := Taxonomy.load()):
            raise ValueError(f"gate.label: {_explain_label(taxonomy, self.gate.label)}")
        return self

    @model_validator(mode="after")
    def _check_outputs(self) -> Self:
        scored = self.scored_labels
        if len(set(scored)) != len(scored):
            raise ValueError("outputs: two have the same label, wanted each label once")
        if missing := set(scored) - set(self.labels):
            raise ValueError(f"no [labels.{min(missing)}] with its training_prior")
        if unused := set(self.labels) - set(scored):
            raise ValueError(f"[labels.{min(unused)}] is the label of no output")
        if all(output.kind == "embedding" for output in self.outputs):
            raise ValueError("outputs: all are embeddings, wanted one of kind label or medium")
        if sum(output.kind == "medium" for output in self.outputs) > 1:
            raise ValueError("outputs: several are of kind medium, wanted at most one")
        return self

    @property
    def shadow(self) -> frozenset[Label]:
        """The labels that the recommended policies never deliver."""
        return frozenset(label for label, facts in self.labels.items() if not facts.policy.delivers)

    @property
    def ref(self) -> ModelRef:
        """The name and version that its scores carry."""
        return ModelRef(name=self.name, version=self.version)

    @property
    def fp32(self) -> GraphFile:
        """The fp32 file, which every model has."""
        return GraphFile(file=self.file, sha256=self.sha256)

    @property
    def scored_labels(self) -> tuple[Label, ...]:
        """The labels of all outputs of kind ``label``, in order."""
        return tuple(
            Label(label)
            for output in self.outputs
            if output.kind == "label"
            for label in output.labels
        )

    @property
    def media(self) -> tuple[Medium, ...]:
        """The media that the medium head distinguishes; empty without one."""
        return tuple(
            Medium(name)
            for output in self.outputs
            if output.kind == "medium"
            for name in output.labels
        )


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the model in a folder.

    Raises:
        SetupError: it does not exist or is invalid; the message has the file and the full path of
            each invalid key.
    """
    path = folder / FILENAME
    try:
        manifest = Manifest.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise SetupError(f"model {folder.name}: cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        raise SetupError(f"{path}: {_describe_errors(error)}") from error
    except ValueError as error:
        raise SetupError(f"{path}: {error}") from error
    if manifest.name != folder.name:
        raise SetupError(
            f"{path}: name is {manifest.name}, wanted the name of its folder, {folder.name}"
        )
    return manifest


def _explain_label(taxonomy: Taxonomy, label: Label) -> str:
    try:
        entries = taxonomy.matching(label)
    except SetupError as error:
        return str(error)
    labels = " or ".join(entry.label for entry in entries)
    return f"{label!r} is not a label, wanted {labels}"


def _describe_errors(error: ValidationError) -> str:
    models = (
        Manifest,
        GraphFile,
        Input,
        RecommendedGate,
        Output,
        LabelFacts,
        Calibration,
        RecommendedPolicy,
    )
    keys = (key for model in models for key in model.model_fields)
    return "; ".join(describe_errors(error, known=keys, noun="key"))
