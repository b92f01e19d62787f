"""Facts about an ONNX file, read from its bytes before a runtime parses them.

The file is a protobuf message (field numbers: ``onnx.proto``). Only the fields that lead to
operators and tensors are decoded; weights are skipped by their length, so that a file of any size
takes a few milliseconds::

    model -> graph, function -> node -> attribute -> (nested) graph, tensor
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from scanner.errors import SetupError

__all__ = ["GraphFacts", "read_graph"]

MAX_DEPTH: Final = 32
"""The most levels of graphs nested in graphs."""
MAX_FIELDS: Final = 4_000_000
"""The most fields of all decoded messages. The weights of a tensor are one field, so that the
largest models have some hundred thousand."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_CHILDREN: Final[Mapping[str, Mapping[int, str]]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "opset": {},
    "tensor": {},
}
"""By kind of message: the fields that hold a nested message, and its kind."""

_NODE_OP, _NODE_DOMAIN = 4, 7
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_LOCATION, _TENSOR_TYPE = 8, 13, 14, 2
_STRING = 8
"""The data type of string tensors."""

_Value = int | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFacts:
    """The facts about a graph that are checked before a session is created."""

    opsets: Mapping[str, int]
    """The version of each imported operator domain; ONNX's own is the empty string."""
    nodes: int
    """The number of operators, including those of nested graphs and functions."""
    operators: Mapping[tuple[str, str], int]
    """The number of uses of each operator, by (domain, operator)."""
    external: tuple[str, ...]
    """The names of tensors whose data is in another file."""
    functions: int = 0
    """The number of operators that the file defines; each of them may call others."""
    strings: int = 0
    """The number of string tensors."""


def read_graph(data: bytes) -> GraphFacts:
    """Read the facts about an ONNX model from its bytes.

    Raises:
        SetupError: the bytes are not a protobuf message, or exceed ``MAX_DEPTH`` or ``MAX_FIELDS``.
    """
    opsets: dict[str, int] = {}
    operators: Counter[tuple[str, str]] = Counter()
    external: list[str] = []
    functions = strings = 0
    for kind, fields in _walk("model", memoryview(data), 0, _FieldBudget(MAX_FIELDS)):
        if kind == "opset":
            opsets[_decode_domain(fields.get(_OPSET_DOMAIN))] = _as_int(fields.get(_OPSET_VERSION))
        elif kind == "node":
            operators[
                _decode_domain(fields.get(_NODE_DOMAIN)), _decode_text(fields.get(_NODE_OP))
            ] += 1
        elif kind == "function":
            functions += 1
        elif kind == "tensor":
            strings += fields.get(_TENSOR_TYPE) == _STRING
            if _TENSOR_EXTERNAL_DATA in fields or fields.get(_TENSOR_LOCATION):
                external.append(_decode_text(fields.get(_TENSOR_NAME)))
    return GraphFacts(
        opsets=opsets,
        nodes=operators.total(),
        operators=operators,
        external=tuple(external),
        functions=functions,
        strings=strings,
    )


class _FieldBudget:
    """Counts down the fields that may still be decoded."""

    def __init__(self, fields: int) -> None:
        self._fields = fields

    def spend(self) -> None:
        self._fields -= 1
        if self._fields < 0:
            raise SetupError(f"ONNX model has too many fields, limit is {MAX_FIELDS}")


def _walk(
    kind: str, message: memoryview, depth: int, budget: _FieldBudget
) -> Iterator[tuple[str, dict[int, _Value]]]:
    """Yield each nested message with its kind and fields; of a repeated field, the last value."""
    if depth > MAX_DEPTH * 3:  # a nested graph is three messages down: node, attribute, graph
        raise SetupError(f"not an ONNX model: graphs nest deeper than {MAX_DEPTH}")
    fields: dict[int, _Value] = {}
    for number, value in _fields(message):
        budget.spend()
        fields[number] = value
        child = _CHILDREN[kind].get(number)
        if child is not None and isinstance(value, memoryview):
            yield from _walk(child, value, depth + 1, budget)
    yield kind, fields


def _fields(message: memoryview) -> Iterator[tuple[int, _Value]]:
    """Yield number and value of each field of a message, without decoding nested ones."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise SetupError(f"not an ONNX model: wire type {wire} at byte {at}")
        if at + size > len(message):
            raise SetupError(
                f"not an ONNX model: field {number} has {size} bytes, {len(message) - at} are left"
            )
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the variable-length integer at a position, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise SetupError(f"not an ONNX model: invalid integer at byte {at}")


def _decode_text(value: _Value | None) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, memoryview) else ""


def _decode_domain(value: _Value | None) -> str:
    """Return the domain; that of ONNX itself has two spellings."""
    domain = _decode_text(value)
    return "" if domain == "ai.onnx" else domain


def _as_int(value: _Value | None) -> int:
    return value if isinstance(value, int) else 0
