"""What an ONNX file is made of, read from its bytes before any runtime touches them.

A walk over protobuf's wire format along the few fields that lead to operators and tensors (field numbers from ONNX's
``onnx.proto``). Weights are skipped by their length, so a file of any size costs a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from scanner.errors import SetupError

__all__ = ["GraphFacts", "read_graph"]

MAX_DEPTH: Final = 32
"""Of graphs within graphs."""

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
"""Which fields of which message hold which message."""

_NODE_OP, _NODE_DOMAIN = 4, 7
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_LOCATION = 8, 13, 14

_Value = int | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFacts:
    """What must be known of a graph before it is trusted with a session."""

    opsets: Mapping[str, int]
    """Version of each domain of operators that the file imports; ONNX's own is the empty string."""
    nodes: int
    """Graphs within graphs and functions included."""
    operators: frozenset[tuple[str, str]]
    """(domain, operator) of all nodes."""
    external: tuple[str, ...]
    """Names of tensors whose data lies in another file."""


def read_graph(data: bytes) -> GraphFacts:
    """The facts of an ONNX model.

    Raises:
        SetupError: the bytes are not a protobuf message, or nest without end.
    """
    opsets: dict[str, int] = {}
    operators: list[tuple[str, str]] = []
    external: list[str] = []
    for kind, fields in _walk("model", memoryview(data), 0):
        if kind == "opset":
            opsets[_domain(fields.get(_OPSET_DOMAIN))] = _number(fields.get(_OPSET_VERSION))
        elif kind == "node":
            operators.append((_domain(fields.get(_NODE_DOMAIN)), _text(fields.get(_NODE_OP))))
        elif kind == "tensor" and (_TENSOR_EXTERNAL_DATA in fields or fields.get(_TENSOR_LOCATION)):
            external.append(_text(fields.get(_TENSOR_NAME)))
    return GraphFacts(opsets=opsets, nodes=len(operators), operators=frozenset(operators), external=tuple(external))


def _walk(kind: str, message: memoryview, depth: int) -> Iterator[tuple[str, dict[int, _Value]]]:
    """Each message on the way, with its fields; of a repeated field the last one."""
    if depth > MAX_DEPTH * 3:
        raise SetupError(f"not an ONNX model: graphs nest deeper than {MAX_DEPTH}")
    fields: dict[int, _Value] = {}
    for number, value in _fields(message):
        fields[number] = value
        child = _CHILDREN[kind].get(number)
        if child is not None and isinstance(value, memoryview):
            yield from _walk(child, value, depth + 1)
    yield kind, fields


def _fields(message: memoryview) -> Iterator[tuple[int, _Value]]:
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
            raise SetupError(f"not an ONNX model: field {number} has {size} bytes where {len(message) - at} are left")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that starts at a byte, and the byte after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise SetupError(f"not an ONNX model: broken number at byte {at}")


def _text(value: _Value | None) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, memoryview) else ""


def _domain(value: _Value | None) -> str:
    """ONNX's own domain has two spellings."""
    domain = _text(value)
    return "" if domain == "ai.onnx" else domain


def _number(value: _Value | None) -> int:
    return value if isinstance(value, int) else 0
