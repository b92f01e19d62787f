"""Export of the frame model: ONNX graphs, manifest and golden scores."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from scanner.scoring.golden import check_model, record_golden, write_golden
from scanner.scoring.manifest import read_manifest
from scanner.scoring.onnx import load_onnx

from .calibration import LabelCalibration
from .corpus import LABELS, MEDIA
from .pictures import SIDE

__all__ = [
    "OUTPUTS",
    "FrameModelFacts",
    "cost_ratio",
    "open_session",
    "write_golden_scores",
    "write_graph",
    "write_manifest",
]

OPSET = 17
OUTPUTS = ("label_logits", "medium_logits", "embedding")
REPEATS = 30
ORIGIN = (
    "MobileNetV2 1.0/224 trained on ImageNet (google-coral/test_data, Apache-2.0), "
    "last blocks tuned and heads trained by models/recipes/train.py"
)
TRAINING_DATA = (
    "Surveillance fights and fires (MIT), weapons, fire and ordinary video (CC BY 4.0, MIT, "
    "Apache-2.0, BSD), rendered games, drawn pictures; see README.md"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameModelFacts:
    """The contents of the manifest."""

    name: str
    version: str
    calibrated: Mapping[str, LabelCalibration]
    temperature: float
    """The temperature of the medium's softmax."""
    offsets: NDArray[np.float64]
    """The offsets added to the medium's logits."""
    quality: Mapping[str, str] = field(default_factory=dict)
    """Name of a figure -> value and interval as text."""


def write_graph(model: nn.Module, path: Path, outputs: Sequence[str] = OUTPUTS) -> None:
    """Export with a dynamic batch and all weights in the file."""
    model = model.eval().to(memory_format=torch.contiguous_format)
    picture = torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)
    buffer = io.BytesIO()
    axes = {name: {0: "batch"} for name in ("image", *outputs)}
    torch.onnx.export(
        model,
        (picture,),
        buffer,
        input_names=["image"],
        output_names=list(outputs),
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    graph = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(graph, full_check=True)
    for node in graph.graph.node:
        node.ClearField("doc_string")
    onnx.save(graph, path)


def cost_ratio(path: Path, plain: Path) -> float:
    """Return the CPU time of the graph for one picture on one thread, relative to the plain
    backbone: the median of paired runs."""
    ours, theirs = open_session(path), open_session(plain)
    picture = np.random.default_rng(0).integers(0, 256, size=(1, SIDE, SIDE, 3), dtype=np.uint8)
    floats = (picture.transpose(0, 3, 1, 2) / 127.5 - 1).astype(np.float32)
    name = theirs.get_inputs()[0].name
    ratios = []
    for _ in range(REPEATS):
        ratios.append(
            _cpu(lambda: ours.run(None, {"image": picture}))
            / _cpu(lambda: theirs.run(None, {name: floats}))
        )
    return float(np.median(ratios))


def _cpu(run: Callable[[], object]) -> float:
    start = time.process_time()
    for _ in range(4):
        run()
    return time.process_time() - start


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Open a session with one thread on the CPU, as the scanner does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def write_manifest(folder: Path, file: str, half: str, facts: FrameModelFacts) -> None:
    """Write ``model.toml`` for the graph and its fp16 version."""
    digest, half_digest = (
        hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (file, half)
    )
    text = f"""\
name = "{facts.name}"
version = "{facts.version}"
file = "{file}"
sha256 = "{digest}"
fp16 = {{ file = "{half}", sha256 = "{half_digest}" }}
opset = {OPSET}
licence = "Apache-2.0"
origin = "{ORIGIN}"
training_data = "{TRAINING_DATA}"

[input]
name = "image"
width = {SIDE}
height = {SIDE}
fit = "squash"

{_outputs(facts.temperature)}"""
    for label in LABELS:
        text += _label(label, facts.calibrated[label])
    text += "\n[quality]\n" + "".join(
        f'"{name}" = "{value}"\n' for name, value in facts.quality.items()
    )
    (folder / "model.toml").write_text(text, "utf-8")


def _outputs(temperature: float) -> str:
    labels = ", ".join(f'"{label}"' for label in LABELS)
    media = ", ".join(f'"{medium}"' for medium in MEDIA)
    return f"""\
[[outputs]]
name = "{OUTPUTS[0]}"
kind = "label"
labels = [{labels}]
activation = "sigmoid"

[[outputs]]
name = "{OUTPUTS[1]}"
kind = "medium"
labels = [{media}]
activation = "softmax"
temperature = {temperature:.4f}

[[outputs]]
name = "{OUTPUTS[2]}"
kind = "embedding"
"""


def _label(label: str, calibrated: LabelCalibration) -> str:
    """Return the facts of a label; ``set_levels.py`` replaces the policy, which delivers nothing
    until then."""
    return f"""
[labels.{label}]
training_prior = {calibrated.prior:.5f}
calibration = {{ a = {calibrated.a:.5f}, b = {calibrated.b:.5f} }}

[labels.{label}.policy]
level = 99.0
still = 0.999
when = ["camera", "mixed"]
shadow = true
still_shadow = true
"""


def write_golden_scores(folder: Path) -> float:
    """Record golden scores with the scanner's scorer, compare them once, and return the largest
    difference."""
    scorer = load_onnx(folder, read_manifest(folder))
    write_golden(folder, record_golden(scorer))
    return check_model(folder)
