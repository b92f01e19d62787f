"""Tiny networks as strangers export them: float pictures in either layout, and raw numbers that a
test can work out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from scanner.importing.recipe import Recipe

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
    """``inner`` is the batch that it really bears; ``tail`` the shape of what comes of one picture."""
    axes = [2, 3] if layout == "nchw" else [1, 2]
    half = np.float16 if dtype == TensorProto.FLOAT16 else np.float32
    nodes = [
        *(
            [helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT)]
            if dtype == TensorProto.UINT8
            else []
        ),
        helper.make_node(
            "ReduceMean",
            ["cast" if dtype == TensorProto.UINT8 else "pixels"],
            ["means"],
            axes=axes,
            keepdims=0,
        ),
        helper.make_node("Reshape", ["means", "channels"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weights"], ["flat"]),
        *(helper.make_node("Reshape", ["flat", "tail"], [name]) for name in outputs),
    ]
    shape = [batch, 3, side, side] if layout == "nchw" else [batch, side, side, 3]
    given = TensorProto.FLOAT if dtype == TensorProto.UINT8 else dtype
    declared = [batch, columns] if len(tail) == 1 else [batch, *tail]
    body = helper.make_graph(
        nodes,
        "stranger",
        [helper.make_tensor_value_info("pixels", dtype, shape)],
        [helper.make_tensor_value_info(name, given, declared) for name in outputs],
        [
            numpy_helper.from_array(WEIGHTS.astype(half), "weights"),
            numpy_helper.from_array(np.array([inner, 3], np.int64), "channels"),
            numpy_helper.from_array(np.array([-1, *tail], np.int64), "tail"),
        ],
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    checker.check_model(model)
    return model


def mapper(side: int | str = "s") -> ModelProto:
    """A map of the brightness of each pixel, N x 1 x H x W, as text detectors give one."""
    body = helper.make_graph(
        [helper.make_node("ReduceMean", ["pixels"], ["map"], axes=[1], keepdims=1)],
        "mapper",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, ["n", 1, "h", "w"])],
    )
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)


def recipe(**changes: Any) -> Recipe:
    """Of ``network``; its three columns are called a, b and c."""
    said: dict[str, Any] = {
        "scale": "1/255",
        "activation": "softmax",
        "columns": ("a", "b", "c"),
        "labels": {"gun": {"columns": ["b"]}, "fire": {"columns": ["c"]}},
        "licence": "CC0-1.0",
        "origin": "made by a test",
    }
    return Recipe.model_validate({**said, **changes})


def by_hand(picture: NDArray[np.uint8], made: Recipe) -> NDArray[np.float64]:
    """The network's three numbers of one picture, H x W x 3 uint8 RGB."""
    pixels = (
        picture.astype(np.float64)[:, :, ::-1]
        if made.colour == "bgr"
        else picture.astype(np.float64)
    )
    means = ((pixels * made.scale - np.array(made.mean)) / np.array(made.std)).mean(axis=(0, 1))
    return np.asarray(means @ WEIGHTS.astype(np.float64))


def softmax(row: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(row - row.max())
    return np.asarray(weights / weights.sum())


def sigmoid(row: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-row)))
