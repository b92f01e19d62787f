"""Wrapping a network: preprocessing and postprocessing become part of its graph.

The only module that uses the package ``onnx``. The wrapped graph takes uint8 RGB pictures,
N x H x W x 3, and returns one probability per label, so that no caller can preprocess differently::

    channel order -> cast -> scale, mean, std -> layout -> network -> activation -> labels
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    checker,
    helper,
    load_from_string,
    numpy_helper,
)

from scanner.errors import SetupError
from scanner.model_import.classifier import AreaCurve, ClassifierSpec
from scanner.model_import.signature import GraphTensor, Signature, read_signature

__all__ = ["WrappedGraph", "fix_batch", "smallest_network", "wrap"]

OLDEST_OPSET: Final = 8
"""The first opset in which Sum and Max take any number of inputs; our other operators are older."""
OLDEST_IR: Final = 4
"""The first IR version in which weights need not be inputs."""
PREFIX: Final = "streamwarden_"
FULL: Final = 0.95
"""The share from which a square of cells counts as full, because edges are seldom exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedGraph:
    """A graph that takes pictures and returns probabilities of labels."""

    model: bytes
    opset: int
    input: str
    """The name of its input."""
    output: str
    """The name of its output."""
    batches: bool
    """True if it declares that the number of pictures may vary."""
    original: Signature
    """The signature of the network before it original wrapped."""


def wrap(data: bytes, classifier: ClassifierSpec, *, name: str) -> WrappedGraph:
    """Wrap the network in an ONNX file.

    Raises:
        SetupError: it is not an ONNX model, or its input or output does not fit the description.
    """
    model = _load(data, name)
    graph, opset = model.graph, _opset(model, name)
    original = _signature(graph, classifier, name)
    names = _Names(graph)
    images, labels = names.prefix("images"), names.prefix("labels")
    before = _preprocessing(images, original, classifier, names, name)
    after = _postprocessing(labels, original, classifier, names)
    rows = "N" if original.batches else 1
    pictures = [rows, original.height, original.width, 3]
    probabilities = [rows, len(classifier.labels)]
    _replace(graph.node, [*before, *graph.node, *after])
    _replace(graph.input, [helper.make_tensor_value_info(images, TensorProto.UINT8, pictures)])
    _replace(
        graph.output, [helper.make_tensor_value_info(labels, TensorProto.FLOAT, probabilities)]
    )
    model.ir_version = max(model.ir_version, OLDEST_IR)
    return WrappedGraph(
        model=_validate(model, name),
        opset=opset,
        input=images,
        output=labels,
        batches=original.batches,
        original=original,
    )


def fix_batch(model: bytes) -> bytes:
    """Return the graph with a declared batch of one picture."""
    changed = load_from_string(model)
    for port in (*changed.graph.input, *changed.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = 1
    return _serialize(changed)


def smallest_network() -> bytes:
    """Return a network of one operator, which computes the mean of each channel of a picture."""
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["pixels"], ["means"])],
        "smallest",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("means", TensorProto.FLOAT, ["n", 3, 1, 1])],
    )
    return bytes(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
        ).SerializeToString()
    )


class _Names:
    """Creates names that a graph does not use, and adds constants to it under such names."""

    def __init__(self, graph: GraphProto) -> None:
        self._graph = graph
        self._prefix = PREFIX
        while any(used.startswith(self._prefix) for used in _used_names(graph)):
            self._prefix += "_"
        self._count = 0

    def prefix(self, word: str) -> str:
        return self._prefix + word

    def fresh(self) -> str:
        self._count += 1
        return self.prefix(str(self._count))

    def constant(self, values: np.ndarray[Any, Any]) -> str:
        name = self.fresh()
        self._graph.initializer.append(numpy_helper.from_array(values, name))
        return name


@dataclass(frozen=True, slots=True)
class _Step:
    """One operator of a chain; its first input is the output of the step before."""

    operator: str
    constants: tuple[np.ndarray[Any, Any], ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


def _preprocessing(
    images: str, original: Signature, classifier: ClassifierSpec, names: _Names, name: str
) -> list[NodeProto]:
    """Return the operators from the wrapped graph's input to the network's."""
    steps: list[_Step] = []
    if classifier.colour == "bgr":
        steps.append(_Step("Gather", (np.array([2, 1, 0], np.int64),), {"axis": 3}))
    steps += _normalisation(original, classifier, name)
    if original.input.dtype == "float16":
        steps.append(_Step("Cast", (), {"to": TensorProto.FLOAT16}))
    if original.layout == "nchw":
        steps.append(_Step("Transpose", (), {"perm": [0, 3, 1, 2]}))
    return _chain(images, steps or [_Step("Identity")], original.input.name, names)


def _normalisation(original: Signature, classifier: ClassifierSpec, name: str) -> list[_Step]:
    """Return the steps from pixels to the network's values; those without effect are left out."""
    steps: list[_Step] = []
    if classifier.scale != 1.0:
        steps.append(_Step("Mul", (np.array(classifier.scale, np.float32),)))
    if any(classifier.mean):
        steps.append(_Step("Sub", (np.array(classifier.mean, np.float32),)))
    if set(classifier.std) != {1.0}:
        steps.append(_Step("Div", (np.array(classifier.std, np.float32),)))
    if original.input.dtype != "uint8":
        return [_Step("Cast", (), {"to": TensorProto.FLOAT}), *steps]
    if steps:
        raise SetupError(
            f"model {name}: takes uint8 and so normalises itself, "
            "wanted --scale 1 without --mean and --std"
        )
    return []


def _postprocessing(
    labels: str, original: Signature, classifier: ClassifierSpec, names: _Names
) -> list[NodeProto]:
    """Return the operators from the network's output to the wrapped graph's."""
    if classifier.area is None:
        nodes, rows = [], original.output.name
    else:
        rows = names.fresh()
        nodes = _map_to_probability(original.output.name, rows, classifier.area, names)
    steps = [
        _Step("Reshape", (np.array([-1, original.columns], np.int64),)),
        _Step("Cast", (), {"to": TensorProto.FLOAT}),
    ]
    if classifier.activation == "softmax":
        steps.append(_Step("Softmax", (), {"axis": 1}))
    if classifier.activation == "sigmoid":
        steps.append(_Step("Sigmoid"))
    columns = names.fresh()
    return [
        *nodes,
        *_chain(rows, steps, columns, names),
        *_combine_columns(columns, labels, classifier, names),
    ]


def _combine_columns(
    columns: str, labels: str, classifier: ClassifierSpec, names: _Names
) -> list[NodeProto]:
    """Return the operators that compute each label from its columns."""
    nodes: list[NodeProto] = []
    outputs: list[str] = []
    for label in classifier.labels.values():
        selected = [names.fresh() for _ in label.columns]
        for column, result in zip(label.columns, selected, strict=True):
            index = names.constant(np.array([classifier.index(column)], np.int64))
            nodes.append(helper.make_node("Gather", [columns, index], [result], axis=1))
        outputs.append(names.fresh())
        nodes.append(helper.make_node(classifier.combine.capitalize(), selected, [outputs[-1]]))
    return [*nodes, helper.make_node("Concat", outputs, [labels], axis=1)]


def _map_to_probability(
    pixels: str, result: str, area: AreaCurve, names: _Names
) -> list[NodeProto]:
    """Return the operators from a map, N x 1 x H x W, to a probability, N x 1 x 1 x 1."""
    counted, share = names.fresh(), names.fresh()
    cell = {"kernel_shape": [area.cell] * 2, "strides": [area.cell] * 2}
    high = [
        _Step("Cast", (), {"to": TensorProto.FLOAT}),
        _Step("Greater", (np.array(area.above, np.float32),)),
        _Step("Cast", (), {"to": TensorProto.FLOAT}),
        _Step("AveragePool", (), cell),
    ]
    curve = [
        _Step("GlobalAveragePool"),
        _Step("Add", (np.array(area.floor, np.float32),)),
        _Step("Div", (np.array(area.half + area.floor, np.float32),)),
        _Step("Log"),
        _Step("Mul", (np.array(area.steepness, np.float32),)),
        _Step("Sigmoid"),
    ]
    thin = (
        [helper.make_node("Identity", [counted], [share])]
        if area.thickest is None
        else _remove_thick_areas(counted, share, area.thickest, names)
    )
    return [*_chain(pixels, high, counted, names), *thin, *_chain(share, curve, result, names)]


def _remove_thick_areas(cells: str, result: str, side: int, names: _Names) -> list[NodeProto]:
    """Return the operators that clear the cells around each full square of ``side`` cells.

    Cells beyond the edge of the picture count as empty.
    """
    square = {"kernel_shape": [side] * 2, "pads": [side // 2] * 4, "strides": [1, 1]}
    thin = names.fresh()
    steps = [
        _Step("AveragePool", (), {**square, "count_include_pad": 1}),
        _Step("Greater", (np.array(FULL, np.float32),)),
        _Step("Cast", (), {"to": TensorProto.FLOAT}),
        _Step("MaxPool", (), square),
        _Step("Neg"),
        _Step("Add", (np.array(1.0, np.float32),)),
    ]
    return [*_chain(cells, steps, thin, names), helper.make_node("Mul", [cells, thin], [result])]


def _chain(first: str, steps: Sequence[_Step], last: str, names: _Names) -> list[NodeProto]:
    ends = [first, *(names.fresh() for _ in steps[1:]), last]
    return [
        helper.make_node(
            step.operator, [begin, *map(names.constant, step.constants)], [end], **step.attributes
        )
        for step, begin, end in zip(steps, ends, ends[1:], strict=False)
    ]


def _load(data: bytes, name: str) -> ModelProto:
    try:
        return load_from_string(data)
    except Exception as error:  # protobuf's, whose class differs between its implementations
        raise SetupError(f"model {name}: not an ONNX model: {error}") from error


def _opset(model: ModelProto, name: str) -> int:
    version = next(
        (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0
    )
    if version < OLDEST_OPSET:
        raise SetupError(
            f"model {name}: uses opset {version}, wanted {OLDEST_OPSET} or later: "
            "convert it with onnx.version_converter"
        )
    return int(version)


def _signature(graph: GraphProto, classifier: ClassifierSpec, name: str) -> Signature:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [_declared_tensor(info) for info in graph.input if info.name not in weights]
    return read_signature(
        inputs, [_declared_tensor(info) for info in graph.output], classifier, name=name
    )


def _declared_tensor(info: ValueInfoProto) -> GraphTensor:
    tensor = info.type.tensor_type
    shape = tuple(
        int(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?"
        for dim in tensor.shape.dim
    )
    return GraphTensor(
        name=info.name, dtype=TensorProto.DataType.Name(tensor.elem_type).lower(), shape=shape
    )


def _used_names(graph: GraphProto) -> Iterable[str]:
    tensors = {tensor.name for tensor in (*graph.input, *graph.output, *graph.initializer)}
    return tensors | {name for node in graph.node for name in (*node.input, *node.output)}


def _replace(items: Any, others: Sequence[Any]) -> None:
    """Replace the items of a repeated field."""
    del items[:]
    items.extend(others)


def _validate(model: ModelProto, name: str) -> bytes:
    try:
        checker.check_model(model)
    except Exception as error:  # its ValidationError, and those that its C++ code raises
        raise SetupError(
            f"model {name}: not a valid ONNX model: {str(error).splitlines()[0][:300]}"
        ) from error
    return _serialize(model)


def _serialize(model: ModelProto) -> bytes:
    """Return the same bytes for the same graph."""
    return bytes(model.SerializeToString(deterministic=True))
