"""Graphs that exhaust resources, never end, or hide what they compute."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.model_import.build import network

HUGE = 200_000
"""The side of a square of floats that takes 160 GB."""


def allocating() -> ModelProto:
    """A graph of a few hundred bytes that allocates 160 GB."""
    model = network(side=8)
    model.graph.initializer.append(
        numpy_helper.from_array(np.array([HUGE, HUGE], np.int64), "huge")
    )
    model.graph.node[-1].output[0] = "small"
    model.graph.node.extend(
        [
            helper.make_node("ReduceMean", ["small"], ["one"], keepdims=0),
            helper.make_node("Expand", ["one", "huge"], ["field"]),
            helper.make_node("ReduceMax", ["field"], ["most"], keepdims=0),
            helper.make_node("Add", ["small", "most"], ["scores"]),
        ]
    )
    return model


def slow(side: int = 2000, rounds: int = 400) -> ModelProto:
    """A graph that multiplies large matrices for minutes."""
    model = network(side=8)
    model.graph.initializer.append(
        numpy_helper.from_array(np.array([side, side], np.int64), "wide")
    )
    model.graph.node[-1].output[0] = "small"
    model.graph.node.extend(
        [
            helper.make_node("ReduceMean", ["small"], ["one"], keepdims=0),
            helper.make_node("Expand", ["one", "wide"], ["0"]),
        ]
    )
    model.graph.node.extend(
        helper.make_node("MatMul", [str(turn), str(turn)], [str(turn + 1)])
        for turn in range(rounds)
    )
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", [str(rounds)], ["most"], keepdims=0),
            helper.make_node("Add", ["small", "most"], ["scores"]),
        ]
    )
    return model


def with_function() -> ModelProto:
    """A graph that defines operators: each of thirty levels calls the one below twice, a billion
    calls in all."""
    model = network(side=8)
    for level in range(1, 30):
        twice = [
            helper.make_node(f"Level{level - 1}" if level > 1 else "Abs", [a], [b])
            for a, b in (("x", "y"), ("y", "z"))
        ]
        model.functions.append(
            helper.make_function(
                "", f"Level{level}", ["x"], ["z"], twice, [helper.make_opsetid("", 17)]
            )
        )
    model.graph.node[-1].output[0] = "small"
    model.graph.node.append(helper.make_node("Level29", ["small"], ["scores"]))
    return model


def looping() -> ModelProto:
    """A graph with a loop that never ends."""
    model = network(side=8)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Abs", ["state"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    model.graph.node[-1].output[0] = "small"
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
    model.graph.node.append(helper.make_node("Loop", ["", "true", "small"], ["scores"], body=body))
    return model


def with_random_numbers() -> ModelProto:
    """A graph whose outputs are random."""
    model = network(side=8)
    model.graph.node[-1].output[0] = "small"
    model.graph.node.extend(
        [
            helper.make_node("RandomUniformLike", ["small"], ["dice"]),
            helper.make_node("Add", ["small", "dice"], ["scores"]),
        ]
    )
    return model


def with_strings() -> ModelProto:
    """A graph with a string tensor."""
    model = network(side=8)
    model.graph.initializer.append(
        helper.make_tensor("names", TensorProto.STRING, [2], [b"a", b"b"])
    )
    return model
