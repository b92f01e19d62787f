"""Somebody's network behind our own input and output: the only door of the package ``onnx``.

What a scorer is promised goes into the graph, so that nobody can do it differently later: uint8 RGB
pictures N x H x W x 3 in, one probability for each label out. Between them lie the order of
channels, the cast, scale, mean and deviation, the layout, the network as it came, its activation,
and the choice of columns.
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
from scanner.importing.recipe import Area, Recipe
from scanner.importing.signature import Port, Signature, read_signature

__all__ = ["Wrapped", "fix_batch", "smallest", "wrap"]

OLDEST_OPSET: Final = 8
"""Sum and Max take any number of inputs of one size since then; the other operators of ours are
older."""
OLDEST_IR: Final = 4
"""Weights need not be inputs since then."""
PREFIX: Final = "streamwarden_"
FULL: Final = 0.95
"""A square of cells is, when so much of it is: edges are seldom exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapped:
    """A graph that keeps our promises."""

    model: bytes
    opset: int
    input: str
    output: str
    """Names of its input and its output."""
    batches: bool
    """Whether it says that the number of pictures may vary."""
    was: Signature
    """Of the network as it came."""


def wrap(data: bytes, recipe: Recipe, *, name: str) -> Wrapped:
    """The network of a file in our form.

    Raises:
        SetupError: it is no ONNX model, or its input or output does not go with the recipe.
    """
    model = _load(data, name)
    graph, opset = model.graph, _opset(model, name)
    was = _signature(graph, recipe, name)
    ours = _Names(graph)
    images, labels = ours.named("images"), ours.named("labels")
    before, after = _before(images, was, recipe, ours, name), _after(labels, was, recipe, ours)
    rows = "N" if was.batches else 1
    _replace(graph.node, [*before, *graph.node, *after])
    _replace(
        graph.input,
        [
            helper.make_tensor_value_info(
                images, TensorProto.UINT8, [rows, was.height, was.width, 3]
            )
        ],
    )
    _replace(
        graph.output,
        [helper.make_tensor_value_info(labels, TensorProto.FLOAT, [rows, len(recipe.labels)])],
    )
    model.ir_version = max(model.ir_version, OLDEST_IR)
    return Wrapped(
        model=_checked(model, name),
        opset=opset,
        input=images,
        output=labels,
        batches=was.batches,
        was=was,
    )


def fix_batch(model: bytes) -> bytes:
    """The same graph, which says that it takes one picture at a time."""
    changed = load_from_string(model)
    for port in (*changed.graph.input, *changed.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = 1
    return _bytes(changed)


def smallest() -> bytes:
    """A network of one operator, which takes pictures and gives each channel's mean."""
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
    """Gives out names that a graph does not have, and keeps constants in it under such."""

    def __init__(self, graph: GraphProto) -> None:
        self._graph = graph
        self._prefix = PREFIX
        while any(known.startswith(self._prefix) for known in _known_names(graph)):
            self._prefix += "_"
        self._count = 0

    def named(self, word: str) -> str:
        return self._prefix + word

    def fresh(self) -> str:
        self._count += 1
        return self.named(str(self._count))

    def constant(self, values: np.ndarray[Any, Any]) -> str:
        name = self.fresh()
        self._graph.initializer.append(numpy_helper.from_array(values, name))
        return name


@dataclass(frozen=True, slots=True)
class _Step:
    """One operator of a chain; its first input is what the step before gives."""

    operator: str
    constants: tuple[np.ndarray[Any, Any], ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


def _before(
    images: str, was: Signature, recipe: Recipe, ours: _Names, name: str
) -> list[NodeProto]:
    """From our input to the network's own."""
    steps: list[_Step] = []
    if recipe.colour == "bgr":
        steps.append(_Step("Gather", (np.array([2, 1, 0], np.int64),), {"axis": 3}))
    steps += _arithmetic(was, recipe, name)
    if was.input.dtype == "float16":
        steps.append(_Step("Cast", (), {"to": TensorProto.FLOAT16}))
    if was.layout == "nchw":
        steps.append(_Step("Transpose", (), {"perm": [0, 3, 1, 2]}))
    return _chain(images, steps or [_Step("Identity")], was.input.name, ours)


def _arithmetic(was: Signature, recipe: Recipe, name: str) -> list[_Step]:
    """What makes the network's numbers of pixels; steps that change nothing are left out."""
    steps: list[_Step] = []
    if recipe.scale != 1.0:
        steps.append(_Step("Mul", (np.array(recipe.scale, np.float32),)))
    if any(recipe.mean):
        steps.append(_Step("Sub", (np.array(recipe.mean, np.float32),)))
    if set(recipe.std) != {1.0}:
        steps.append(_Step("Div", (np.array(recipe.std, np.float32),)))
    if was.input.dtype != "uint8":
        return [_Step("Cast", (), {"to": TensorProto.FLOAT}), *steps]
    if steps:
        raise SetupError(
            f"model {name}: takes uint8, so it makes its own numbers of pixels: --scale must be 1, without --mean and --std"
        )
    return []


def _after(labels: str, was: Signature, recipe: Recipe, ours: _Names) -> list[NodeProto]:
    """From the network's output to ours."""
    if recipe.area is None:
        nodes, rows = [], was.output.name
    else:
        rows = ours.fresh()
        nodes = _of_area(was.output.name, rows, recipe.area, ours)
    steps = [
        _Step("Reshape", (np.array([-1, was.columns], np.int64),)),
        _Step("Cast", (), {"to": TensorProto.FLOAT}),
    ]
    if recipe.activation == "softmax":
        steps.append(_Step("Softmax", (), {"axis": 1}))
    if recipe.activation == "sigmoid":
        steps.append(_Step("Sigmoid"))
    columns = ours.fresh()
    return [*nodes, *_chain(rows, steps, columns, ours), *_picked(columns, labels, recipe, ours)]


def _picked(columns: str, labels: str, recipe: Recipe, ours: _Names) -> list[NodeProto]:
    """Our labels, each made of its columns."""
    nodes: list[NodeProto] = []
    made: list[str] = []
    for label in recipe.labels.values():
        picked = [ours.fresh() for _ in label.columns]
        for column, one in zip(label.columns, picked, strict=True):
            place = ours.constant(np.array([recipe.index(column)], np.int64))
            nodes.append(helper.make_node("Gather", [columns, place], [one], axis=1))
        made.append(ours.fresh())
        nodes.append(helper.make_node(recipe.combine.capitalize(), picked, [made[-1]]))
    return [*nodes, helper.make_node("Concat", made, [labels], axis=1)]


def _of_area(pixels: str, result: str, area: Area, ours: _Names) -> list[NodeProto]:
    """From a map, N x 1 x H x W, to a probability, N x 1 x 1 x 1."""
    counted, share = ours.fresh(), ours.fresh()
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
        else _thin(counted, share, area.thickest, ours)
    )
    return [*_chain(pixels, high, counted, ours), *thin, *_chain(share, curve, result, ours)]


def _thin(cells: str, result: str, side: int, ours: _Names) -> list[NodeProto]:
    """What is left of cells without the neighbourhood of each square of ``side`` that is full.

    Beyond the picture nothing is.
    """
    square = {"kernel_shape": [side] * 2, "pads": [side // 2] * 4, "strides": [1, 1]}
    thin = ours.fresh()
    steps = [
        _Step("AveragePool", (), {**square, "count_include_pad": 1}),
        _Step("Greater", (np.array(FULL, np.float32),)),
        _Step("Cast", (), {"to": TensorProto.FLOAT}),
        _Step("MaxPool", (), square),
        _Step("Neg"),
        _Step("Add", (np.array(1.0, np.float32),)),
    ]
    return [*_chain(cells, steps, thin, ours), helper.make_node("Mul", [cells, thin], [result])]


def _chain(first: str, steps: Sequence[_Step], last: str, ours: _Names) -> list[NodeProto]:
    ends = [first, *(ours.fresh() for _ in steps[1:]), last]
    return [
        helper.make_node(
            step.operator, [begin, *map(ours.constant, step.constants)], [end], **step.attributes
        )
        for step, begin, end in zip(steps, ends, ends[1:], strict=False)
    ]


def _load(data: bytes, name: str) -> ModelProto:
    try:
        return load_from_string(data)
    except Exception as why:  # protobuf's own, of a class that differs between its implementations
        raise SetupError(f"model {name}: not an ONNX model: {why}") from why


def _opset(model: ModelProto, name: str) -> int:
    version = next(
        (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0
    )
    if version < OLDEST_OPSET:
        raise SetupError(
            f"model {name}: uses opset {version}, wanted {OLDEST_OPSET} or later: onnx.version_converter can raise it"
        )
    return int(version)


def _signature(graph: GraphProto, recipe: Recipe, name: str) -> Signature:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [_port(info) for info in graph.input if info.name not in weights]
    return read_signature(inputs, [_port(info) for info in graph.output], recipe, name=name)


def _port(info: ValueInfoProto) -> Port:
    tensor = info.type.tensor_type
    shape = tuple(
        int(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?"
        for dim in tensor.shape.dim
    )
    return Port(
        name=info.name, dtype=TensorProto.DataType.Name(tensor.elem_type).lower(), shape=shape
    )


def _known_names(graph: GraphProto) -> Iterable[str]:
    ports = {port.name for port in (*graph.input, *graph.output, *graph.initializer)}
    return ports | {name for node in graph.node for name in (*node.input, *node.output)}


def _replace(items: Any, others: Sequence[Any]) -> None:
    """Of a message's repeated field."""
    del items[:]
    items.extend(others)


def _checked(model: ModelProto, name: str) -> bytes:
    try:
        checker.check_model(model)
    except Exception as why:  # its ValidationError, and whatever its C++ throws
        raise SetupError(
            f"model {name}: not a valid ONNX model: {str(why).splitlines()[0][:300]}"
        ) from why
    return _bytes(model)


def _bytes(model: ModelProto) -> bytes:
    """Always the same ones of the same graph."""
    return bytes(model.SerializeToString(deterministic=True))
