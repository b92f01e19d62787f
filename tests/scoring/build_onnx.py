"""Tiny ONNX models whose scores a test can compute by hand, with their manifests."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

OPSET = 17
SIDE = 8

LABELS = ("fight", "gun")
MEDIA = ("camera", "rendered", "screen")

MANIFEST = """
name = "{name}"
version = "1"
file = "model.onnx"
sha256 = "{sha256}"
opset = {opset}
licence = "CC0-1.0"
origin = "made by a test"
training_data = "none"

[input]
name = "images"
width = {side}
height = {side}

[[outputs]]
name = "logits"
kind = "label"
activation = "sigmoid"
labels = ["fight", "gun"]

[[outputs]]
name = "medium"
kind = "medium"
activation = "softmax"
labels = ["camera", "rendered", "screen"]

[labels.fight]
training_prior = 0.5

[labels.gun]
training_prior = 0.25
calibration = {{ a = 2.0, b = -1.0 }}
policy = {{ when = ["camera"], still = 0.9 }}
"""
"""The manifest of ``graph()``: the logits of a picture are its mean red and green divided by 255,
those of the medium its mean red, green and blue."""


def weights(name: str, values: object) -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.float32), name)


def graph(
    *,
    side: int | str = SIDE,
    batch: int | str = "n",
    opset: int = OPSET,
    dtype: int = TensorProto.UINT8,
    layout: str = "NHWC",
    extra: Sequence[NodeProto] = (),
    outputs: Sequence[tuple[str, int | str]] = (("logits", 2), ("medium", 3)),
) -> ModelProto:
    """Build a graph: the mean of each channel over 255, then one matrix for each output."""
    axes = [1, 2] if layout == "NHWC" else [2, 3]
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "white"], ["unit"]),
        helper.make_node("ReduceMean", ["unit"], ["means"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["means", "pick_two"], ["logits"]),
        helper.make_node("MatMul", ["means", "pick_all"], ["medium"]),
        *extra,
    ]
    shape = [batch, side, side, 3] if layout == "NHWC" else [batch, 3, side, side]
    body = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", dtype, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, width])
            for name, width in outputs
        ],
        [
            weights("white", 255.0),
            weights("pick_two", [[1, 0], [0, 1], [0, 0]]),
            weights("pick_all", np.eye(3).tolist()),
        ],
    )
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def burst_graph(*, frames: int = 4, side: int = SIDE, scale: float = 40.0) -> ModelProto:
    """Build a graph whose logit is the mean change of pixels from frame to frame, 0 to 1, times
    ``scale``, minus 4."""
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "white"], ["unit"]),
        helper.make_node("Slice", ["unit", "one", "end", "time"], ["later"]),
        helper.make_node("Slice", ["unit", "zero", "last", "time"], ["earlier"]),
        helper.make_node("Sub", ["later", "earlier"], ["change"]),
        helper.make_node("Abs", ["change"], ["size"]),
        helper.make_node("ReduceMean", ["size"], ["mean"], axes=[1, 2, 3, 4], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["movement"]),
        helper.make_node("Mul", ["movement", "scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "four"], ["logits"]),
    ]
    whole = {
        "one": [1],
        "end": [frames],
        "zero": [0],
        "last": [frames - 1],
        "time": [1],
        "column": [-1, 1],
    }
    body = helper.make_graph(
        nodes,
        "moving",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", frames, side, side, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1])],
        [
            *(
                numpy_helper.from_array(np.array(values, dtype=np.int64), name)
                for name, values in whole.items()
            ),
            *(
                weights(name, value)
                for name, value in (("white", 255.0), ("scale", scale), ("four", 4.0))
            ),
        ],
    )
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


BURST_OUTPUTS = """
[[outputs]]
name = "logits"
kind = "label"
activation = "sigmoid"
labels = ["fight"]

[labels.fight]
training_prior = 0.5
"""
"""Outputs of ``burst_graph()``, as its manifest has them."""


def tiny_burst(
    folder: Path, *, gate: str = "", edit: Callable[[str], str] = str, scale: float = 40.0
) -> Path:
    """A model of bursts in good order: 4 frames, 5 a second."""
    model = burst_graph(scale=scale)
    checker.check_model(model)
    text = (
        MANIFEST[: MANIFEST.index("[[outputs]]")]
        + "burst = {{ frames = 4, rate = 5 }}\n"
        + gate.replace("{", "{{").replace("}", "}}")
        + BURST_OUTPUTS
    )
    return save(folder, model, edit=edit, manifest=text)


def save(
    folder: Path, model: ModelProto, *, edit: Callable[[str], str] = str, manifest: str = MANIFEST
) -> Path:
    """A model folder with a manifest that agrees, but for what ``edit`` changes in its text."""
    folder.mkdir(parents=True, exist_ok=True)
    data = model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    text = manifest.format(
        name=folder.name, sha256=hashlib.sha256(data).hexdigest(), opset=OPSET, side=SIDE
    )
    (folder / "model.toml").write_text(edit(text), "utf-8")
    return folder


def tiny(folder: Path) -> Path:
    """A model folder in good order."""
    model = graph()
    checker.check_model(model)
    return save(folder, model)


def with_half(folder: Path, model: ModelProto | None = None) -> Path:
    """Add an fp16 file to a model's folder; by default one with the same scores."""
    return _with_file(folder, "fp16", "half.onnx", model or graph())


def with_int8(folder: Path, model: ModelProto | None = None) -> Path:
    """Add an int8 file to a model's folder; by default one with the same scores."""
    return _with_file(folder, "int8", "small.onnx", model or graph())


def _with_file(folder: Path, precision: str, name: str, model: ModelProto) -> Path:
    data = model.SerializeToString()
    (folder / name).write_bytes(data)
    manifest = folder / "model.toml"
    line = f'{precision} = {{ file = "{name}", sha256 = "{hashlib.sha256(data).hexdigest()}" }}'
    manifest.write_text(manifest.read_text("utf-8").replace("\nopset", f"\n{line}\nopset"), "utf-8")
    return folder


def manifest_table() -> dict[str, Any]:
    """The manifest of a model in good order, as TOML reads it."""
    return tomllib.loads(MANIFEST.format(name="tiny", sha256="0" * 64, opset=OPSET, side=SIDE))
