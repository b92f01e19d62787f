"""A network of MobileNetV2's size and shape with random weights, as a model folder: it costs what a real one costs and means nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

__all__ = ["NAME", "write_model"]

NAME = "benchmark-mobilenet"
OPSET = 17
SIDE = 224
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, repeats and stride of the first of them: table 2 of the MobileNetV2 paper (arXiv:1801.04381)."""
LABELS = ("fight", "gun", "fire", "smoke")
MEDIA = ("camera", "rendered", "screen")
UNLIKELY = -4.0
"""Bias of the labels' logits, so that nothing is flagged all the time."""

MANIFEST = """
name = "{name}"
version = "1"
file = "model.onnx"
sha256 = "{sha256}"
opset = {opset}
licence = "CC0-1.0"
origin = "random weights"
training_data = "none"

[input]
name = "images"
width = {side}
height = {side}

[[outputs]]
name = "logits"
kind = "label"
activation = "sigmoid"
labels = ["{labels}"]

[[outputs]]
name = "medium"
kind = "medium"
activation = "softmax"
labels = ["{media}"]

{facts}
"""


def write_model(models_dir: Path) -> Path:
    """Write the model's folder into ``models_dir``; gives the ONNX file."""
    folder = models_dir / NAME
    folder.mkdir(parents=True, exist_ok=True)
    data = _Graph().model().SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    manifest = MANIFEST.format(
        name=NAME,
        sha256=hashlib.sha256(data).hexdigest(),
        opset=OPSET,
        side=SIDE,
        labels='", "'.join(LABELS),
        media='", "'.join(MEDIA),
        facts="\n".join(f"[labels.{label}]\ntraining_prior = 0.5" for label in LABELS),
    )
    (folder / "model.toml").write_text(manifest, encoding="utf-8")
    return folder / "model.onnx"


class _Graph:
    """Nodes and weights so far; ``out`` is the newest value's name."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(1)
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self.out = "images"

    def model(self) -> ModelProto:
        """Uint8 N x 224 x 224 x 3 in, logits of the labels and of the media out."""
        self._normalised()
        self._convolution(3, 32, side=3, stride=2)
        channels = 32
        for expansion, width, stride, residual in _blocks():
            self._block(channels, width, expansion=expansion, stride=stride, residual=residual)
            channels = width
        self._convolution(channels, 1280)
        self._add("GlobalAveragePool", self.out)
        self._add("Flatten", self.out)
        features = self.out
        outputs = [("logits", len(LABELS), UNLIKELY), ("medium", len(MEDIA), 0.0)]
        for name, count, bias in outputs:
            self._add("Gemm", features, self._drawn((1280, count), 0.03), self._constant(np.full(count, bias, np.float32)), out=name)
        graph = helper.make_graph(
            self.nodes,
            NAME,
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", count]) for name, count, _ in outputs],
            self.weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)

    def _normalised(self) -> None:
        self._add("Cast", self.out, to=TensorProto.FLOAT)
        self._add("Transpose", self.out, perm=[0, 3, 1, 2])
        self._add("Mul", self.out, self._constant(np.float32(2 / 255)))
        self._add("Sub", self.out, self._constant(np.float32(1)))

    def _block(self, channels: int, width: int, *, expansion: int, stride: int, residual: bool) -> None:
        """Expand, filter each channel, project."""
        before, wide = self.out, channels * expansion
        if expansion > 1:
            self._convolution(channels, wide)
        self._convolution(wide, wide, side=3, stride=stride, group=wide)
        self._convolution(wide, width, clipped=False)
        if residual:
            self._add("Add", before, self.out)

    def _convolution(self, channels: int, width: int, *, side: int = 1, stride: int = 1, group: int = 1, clipped: bool = True) -> None:
        fan_in = channels // group * side * side
        kernel = self._drawn((width, channels // group, side, side), (2 / fan_in) ** 0.5)
        bias, pad = self._constant(np.zeros(width, np.float32)), side // 2
        self._add("Conv", self.out, kernel, bias, kernel_shape=[side] * 2, strides=[stride] * 2, pads=[pad] * 4, group=group)
        if clipped:
            self._add("Clip", self.out, self._constant(np.float32(0)), self._constant(np.float32(6)))

    def _add(self, operator: str, *inputs: str, out: str | None = None, **attributes: Any) -> None:
        self.out = out or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [self.out], **attributes))

    def _drawn(self, shape: tuple[int, ...], deviation: float) -> str:
        return self._constant(self.random.normal(0.0, deviation, shape).astype(np.float32))

    def _constant(self, values: NDArray[np.float32] | np.float32) -> str:
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name


def _blocks() -> Iterator[tuple[int, int, int, bool]]:
    """Expansion, channels, stride, and whether the input is added, of each block."""
    for expansion, width, repeats, stride in BLOCKS:
        for number in range(repeats):
            yield expansion, width, stride if number == 0 else 1, number > 0
