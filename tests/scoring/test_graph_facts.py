from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper

from scanner.errors import SetupError
from scanner.scoring.graph_facts import read_graph
from tests.scoring.build_onnx import graph, weights

GOOD = graph().SerializeToString()


def external_tensor(name: str) -> TensorProto:
    """Return a tensor whose data is in another file."""
    tensor = weights(name, [1.0])
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def graph_with(node: NodeProto) -> ModelProto:
    return graph(extra=[node])


def branch(tensor: TensorProto) -> NodeProto:
    """Return an operator with a nested graph that contains the tensor."""
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

    assert ("com.example", "Evil") in read_graph(graph_with(foreign).SerializeToString()).operators


def test_the_two_spellings_of_the_domain_of_onnx_are_one() -> None:
    spelled = helper.make_node("Identity", ["unit"], ["out"], domain="ai.onnx")

    assert ("", "Identity") in read_graph(graph_with(spelled).SerializeToString()).operators


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(
            graph_with(helper.make_node("Constant", [], ["c"], value=external_tensor("w"))),
            id="a constant",
        ),
        pytest.param(graph_with(branch(external_tensor("w"))), id="a graph within a graph"),
    ],
)
def test_data_in_another_file_is_found_wherever_a_tensor_may_be(model: ModelProto) -> None:
    assert read_graph(model.SerializeToString()).external == ("w",)


def test_data_in_another_file_is_found_among_the_weights() -> None:
    model = graph()
    model.graph.initializer.append(external_tensor("w"))
    model.graph.sparse_initializer.add(values=external_tensor("v"), indices=weights("i", [0]))

    assert read_graph(model.SerializeToString()).external == ("w", "v")


def test_data_in_another_file_is_found_in_a_function() -> None:
    constant = helper.make_node("Constant", [], ["c"], value=external_tensor("w"))
    model = graph()
    model.functions.append(
        helper.make_function("own", "F", [], ["c"], [constant], [helper.make_opsetid("", 17)])
    )

    assert read_graph(model.SerializeToString()).external == ("w",)


def field(number: int, content: bytes) -> bytes:
    """Encode a field of bytes, or of a nested message, in protobuf's wire format."""
    size = len(content)
    return bytes([number << 3 | 2, size & 0x7F | 0x80, size >> 7]) + content


def nested(graphs: int) -> bytes:
    """Encode a model with ``graphs`` nested graphs."""
    graph, node, attribute, body = 7, 1, 5, 6
    content = b""
    for _ in range(graphs - 1):
        content = field(node, field(attribute, field(body, content)))
    return field(graph, content)


def test_nested_graphs_are_read_to_a_depth_and_refused_beyond_it() -> None:
    assert read_graph(nested(32)).nodes == 31

    with pytest.raises(SetupError, match="nest deeper than 32"):
        read_graph(nested(34))


@pytest.mark.parametrize(
    "data", [b"ffconcat version 1.0\nfile a.ts\n", GOOD[:-20], b"\xff" * 12, b"\x0b"]
)
def test_a_file_that_is_not_a_model_is_refused(data: bytes) -> None:
    with pytest.raises(SetupError, match="not an ONNX model"):
        read_graph(data)


@given(at=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_damaged_bytes_are_read_or_refused(at: int, value: int) -> None:
    damaged = bytearray(GOOD)
    damaged[at] = value

    try:
        facts = read_graph(bytes(damaged))
    except SetupError:
        return
    assert facts.nodes >= 0


def test_weights_are_skipped_whatever_their_size() -> None:
    model = graph()
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.zeros(1_000_000, np.float32), "large")
    )

    assert read_graph(model.SerializeToString()) == read_graph(GOOD)
