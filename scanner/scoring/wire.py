"""What an ONNX file is made of, read from its bytes before any runtime touches them.

A walk over protobuf's wire format along the few fields that lead to operators and tensors (field
numbers from ONNX's ``onnx.proto``). Weights are skipped by their length, so a file of any size
costs a few milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from scanner.errors import SetupError

__all__ = ["GraphFacts", "read_graph"]

MAX_DEPTH: Final = 32
"""Of graphs within graphs."""
MAX_FIELDS: Final = 4_000_000
"""Of all messages that are walked through: weights are one field a tensor, so the largest models
have some hundred thousand."""

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
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_LOCATION, _TENSOR_TYPE = 8, 13, 14, 2
_TEXT = 8
"""The type of tensors of texts."""

_Value = int | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFacts:
    """What must be known of a graph before it is trusted with a session."""

    opsets: Mapping[str, int]
    """Version of each domain of operators that the file imports; ONNX's own is the empty string."""
    nodes: int
    """Graphs within graphs and functions included."""
    operators: Mapping[tuple[str, str], int]
    """How often each (domain, operator) stands in it."""
    external: tuple[str, ...]
    """Names of tensors whose data lies in another file."""
    functions: int = 0
    """Operators that the file defines for itself; each call of one may call others."""
    texts: int = 0
    """Tensors of texts."""


def read_graph(data: bytes) -> GraphFacts:
    """The facts of an ONNX model.

    Raises:
        SetupError: the bytes are not a protobuf message, or nest without end.
    """
    opsets: dict[str, int] = {}
    operators: Counter[tuple[str, str]] = Counter()
    external: list[str] = []
    functions = texts = 0
    for kind, fields in _walk("model", memoryview(data), 0, _Left(MAX_FIELDS)):
        if kind == "opset":
            opsets[_domain(fields.get(_OPSET_DOMAIN))] = _number(fields.get(_OPSET_VERSION))
        elif kind == "node":
            operators[_domain(fields.get(_NODE_DOMAIN)), _text(fields.get(_NODE_OP))] += 1
        elif kind == "function":
            functions += 1
        elif kind == "tensor":
            texts += fields.get(_TENSOR_TYPE) == _TEXT
            if _TENSOR_EXTERNAL_DATA in fields or fields.get(_TENSOR_LOCATION):
                external.append(_text(fields.get(_TENSOR_NAME)))
    return GraphFacts(
        opsets=opsets,
        nodes=operators.total(),
        operators=operators,
        external=tuple(external),
        functions=functions,
        texts=texts,
    )


class _Left:
    """How many fields may still come."""

    def __init__(self, fields: int) -> None:
        self._fields = fields

    def take(self) -> None:
        self._fields -= 1
        if self._fields < 0:
            raise SetupError(f"not an ONNX model for us: over {MAX_FIELDS} fields")


def _walk(
    kind: str, message: memoryview, depth: int, left: _Left
) -> Iterator[tuple[str, dict[int, _Value]]]:
    """Each message on the way, with its fields; of a repeated field the last one."""
    if depth > MAX_DEPTH * 3:
        raise SetupError(f"not an ONNX model: graphs nest deeper than {MAX_DEPTH}")
    fields: dict[int, _Value] = {}
    for number, value in _fields(message):
        left.take()
        fields[number] = value
        child = _CHILDREN[kind].get(number)
        if child is not None and isinstance(value, memoryview):
            yield from _walk(child, value, depth + 1, left)
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
            raise SetupError(
                f"not an ONNX model: field {number} has {size} bytes where {len(message) - at} are left"
            )
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
