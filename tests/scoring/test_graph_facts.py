from __future__ import annotations

import numpy as np
import onnx
import pytest
from build_onnx import graph, weights
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper

from scanner.errors import SetupError
from scanner.scoring.graph_facts import read_graph

GOOD = graph().SerializeToString()


def kept_elsewhere(name: str) -> TensorProto:
    """A tensor whose data is said to lie in another file."""
    tensor = weights(name, [1.0])
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def holding(node: NodeProto) -> ModelProto:
    return graph(extra=[node])


def branch(tensor: TensorProto) -> NodeProto:
    """An operator with a graph inside it, which has the tensor."""
    inner = helper.make_graph(
        [helper.make_node("Identity", [tensor.name], ["inner"])], "inner", [], [], [tensor]
    )
    return helper.make_node("Loop", [], ["chosen"], body=inner)


def test_operators_are_counted_and_named() -> None:
    facts = read_graph(GOOD)

    assert facts.opsets == {"": 17}
    assert facts.nodes == 5
    assert facts.operators == {
        ("", "Cast"): 1,
        ("", "Div"): 1,
        ("", "ReduceMean"): 1,
        ("", "MatMul"): 2,
    }
    assert facts.external == ()


def test_operators_of_another_domain_keep_it() -> None:
    foreign = helper.make_node("Evil", ["unit"], ["out"], domain="com.example")

    assert ("com.example", "Evil") in read_graph(holding(foreign).SerializeToString()).operators


def test_the_two_spellings_of_the_domain_of_onnx_are_one() -> None:
    spelled = helper.make_node("Identity", ["unit"], ["out"], domain="ai.onnx")

    assert ("", "Identity") in read_graph(holding(spelled).SerializeToString()).operators


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(
            holding(helper.make_node("Constant", [], ["c"], value=kept_elsewhere("w"))),
            id="a constant",
        ),
        pytest.param(holding(branch(kept_elsewhere("w"))), id="a graph within a graph"),
    ],
)
def test_data_in_another_file_is_found_wherever_a_tensor_may_be(model: ModelProto) -> None:
    assert read_graph(model.SerializeToString()).external == ("w",)


def test_data_in_another_file_is_found_among_the_weights() -> None:
    model = graph()
    model.graph.initializer.append(kept_elsewhere("w"))
    model.graph.sparse_initializer.add(values=kept_elsewhere("v"), indices=weights("i", [0]))

    assert read_graph(model.SerializeToString()).external == ("w", "v")


def test_data_in_another_file_is_found_in_a_function() -> None:
    constant = helper.make_node("Constant", [], ["c"], value=kept_elsewhere("w"))
    model = graph()
    model.functions.append(
        helper.make_function("own", "F", [], ["c"], [constant], [helper.make_opsetid("", 17)])
    )

    assert read_graph(model.SerializeToString()).external == ("w",)


def field(number: int, content: bytes) -> bytes:
    """One field of protobuf's wire format that holds bytes, or a message."""
    size = len(content)
    return bytes([number << 3 | 2, size & 0x7F | 0x80, size >> 7]) + content


def nested(graphs: int) -> bytes:
    """A model with that many graphs, each but the first inside an operator of the one before."""
    graph, node, attribute, body = 7, 1, 5, 6
    content = b""
    for _ in range(graphs - 1):
        content = field(node, field(attribute, field(body, content)))
    return field(graph, content)


def test_graphs_within_graphs_are_walked_to_a_depth_and_refused_beyond_it() -> None:
    assert read_graph(nested(32)).nodes == 31

    with pytest.raises(SetupError, match="nest deeper than 32"):
        read_graph(nested(34))


@pytest.mark.parametrize(
    "data", [b"ffconcat version 1.0\nfile a.ts\n", GOOD[:-20], b"\xff" * 12, b"\x0b"]
)
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(SetupError, match="not an ONNX model"):
        read_graph(data)


@given(at=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_any_damage_is_read_or_refused_and_nothing_else(at: int, value: int) -> None:
    damaged = bytearray(GOOD)
    damaged[at] = value

    try:
        facts = read_graph(bytes(damaged))
    except SetupError:
        return
    assert facts.nodes >= 0


def test_weights_are_passed_over_however_many_there_are() -> None:
    model = graph()
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.zeros(1_000_000, np.float32), "large")
    )

    assert read_graph(model.SerializeToString()) == read_graph(GOOD)
