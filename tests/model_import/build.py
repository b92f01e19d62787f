"""Tiny networks as others export them: float pictures in either layout, and outputs that a test can
compute by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from scanner.model_import.classifier import ClassifierSpec

SIDE = 4
WEIGHTS = np.array([[0.5, -0.25, 0.0], [0.0, 0.75, -0.5], [0.25, 0.0, 1.0]], np.float32)
"""Channels x columns: a column is a weighted sum of the means of the network's channels."""


def network(
    *,
    layout: str = "nchw",
    batch: int | str = "n",
    side: int | str = SIDE,
    dtype: int = TensorProto.FLOAT,
    opset: int = 17,
    tail: tuple[int, ...] = (3,),
    inner: int = -1,
    outputs: tuple[str, ...] = ("scores",),
    columns: int | str = 3,
) -> ModelProto:
    """Build a network with the declared properties.

    ``inner`` is the batch size that it really supports, ``tail`` the output shape of one picture.
    """
    half = np.float16 if dtype == TensorProto.FLOAT16 else np.float32
    shape = [batch, 3, side, side] if layout == "nchw" else [batch, side, side, 3]
    result = TensorProto.FLOAT if dtype == TensorProto.UINT8 else dtype
    declared = [batch, columns] if len(tail) == 1 else [batch, *tail]
    body = helper.make_graph(
        _nodes([2, 3] if layout == "nchw" else [1, 2], dtype, outputs),
        "stranger",
        [helper.make_tensor_value_info("pixels", dtype, shape)],
        [helper.make_tensor_value_info(name, result, declared) for name in outputs],
        [
            numpy_helper.from_array(WEIGHTS.astype(half), "weights"),
            numpy_helper.from_array(np.array([inner, 3], np.int64), "channels"),
            numpy_helper.from_array(np.array([-1, *tail], np.int64), "tail"),
        ],
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    checker.check_model(model)
    return model


def _nodes(axes: list[int], dtype: int, outputs: tuple[str, ...]) -> list[NodeProto]:
    """Return the nodes of the network: the mean of each channel, then one matrix."""
    is_cast = dtype == TensorProto.UINT8
    cast = helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT)
    pixels = "cast" if is_cast else "pixels"
    return [
        *([cast] if is_cast else []),
        helper.make_node("ReduceMean", [pixels], ["means"], axes=axes, keepdims=0),
        helper.make_node("Reshape", ["means", "channels"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weights"], ["flat"]),
        *(helper.make_node("Reshape", ["flat", "tail"], [name]) for name in outputs),
    ]


def mapper(side: int | str = "s") -> ModelProto:
    """Build a network whose output is the brightness of each pixel, N x 1 x H x W."""
    body = helper.make_graph(
        [helper.make_node("ReduceMean", ["pixels"], ["map"], axes=[1], keepdims=1)],
        "mapper",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, ["n", 1, "h", "w"])],
    )
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)


def classifier(**changes: Any) -> ClassifierSpec:
    """Describe ``network``, with columns named a, b and c."""
    values: dict[str, Any] = {
        "scale": "1/255",
        "activation": "softmax",
        "columns": ("a", "b", "c"),
        "labels": {"gun": {"columns": ["b"]}, "fire": {"columns": ["c"]}},
        "licence": "CC0-1.0",
        "origin": "made by a test",
    }
    return ClassifierSpec.model_validate({**values, **changes})


def expected_columns(picture: NDArray[np.uint8], classifier: ClassifierSpec) -> NDArray[np.float64]:
    """Return the three columns of ``network`` for a picture, H x W x 3 uint8 RGB."""
    pixels = (
        picture.astype(np.float64)[:, :, ::-1]
        if classifier.colour == "bgr"
        else picture.astype(np.float64)
    )
    scaled = pixels * classifier.scale - np.array(classifier.mean)
    means = (scaled / np.array(classifier.std)).mean(axis=(0, 1))
    return np.asarray(means @ WEIGHTS.astype(np.float64))


def softmax(row: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(row - row.max())
    return np.asarray(weights / weights.sum())


def sigmoid(row: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-row)))
