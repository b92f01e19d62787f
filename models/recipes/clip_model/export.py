"""Export of the clip model: ONNX graph, compared with torch, manifest and golden scores."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from frame_model.calibration import LabelCalibration
from frame_model.export import OPSET, open_session
from numpy.typing import NDArray

from scanner.scoring.golden import check_model, record_golden, write_golden
from scanner.scoring.manifest import read_manifest
from scanner.scoring.onnx import load_onnx

from .bursts import BURST, SIDE
from .calibration import FittedPolicy
from .folding import fold_constants
from .model import ClipModel

__all__ = ["FILE", "ClipModelFacts", "compare", "measure_cost", "write_model"]

FILE = "clip.onnx"
INPUT, OUTPUT = "frames", "label_logits"
MAX_DIFFERENCE = 1e-3
"""The largest accepted difference of a logit between torch and the graph."""
REPEATS = 20
ORIGIN = (
    "Optical-flow statistics and a linear head, by models/recipes/train_clip.py; no foreign weights"
)
TRAINING_DATA = (
    "Surveillance fights (MIT), ordinary video (CC BY 4.0), rendered games and drawn "
    "screens; see README.md"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipModelFacts:
    """The contents of the manifest."""

    name: str
    version: str
    calibrated: LabelCalibration
    advice: FittedPolicy
    shadow: bool
    gate: float
    """The gate's threshold of the frame model's fight score."""
    quality: Mapping[str, str]
    """Name of a figure -> value and interval as text."""


def write_model(folder: Path, facts: ClipModelFacts, model: ClipModel) -> float:
    """Write graph, manifest and golden scores.

    Returns:
        The largest difference of a golden score when they are compared again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(model, folder / FILE)
    (folder / "model.toml").write_text(
        manifest_text(facts, hashlib.sha256((folder / FILE).read_bytes()).hexdigest()), "utf-8"
    )
    write_golden(folder, record_golden(load_onnx(folder, read_manifest(folder))))
    return check_model(folder)


def write_graph(model: ClipModel, path: Path) -> None:
    """Export with a dynamic batch and all weights in the file."""
    burst = torch.zeros(2, BURST.frames, SIDE, SIDE, 3, dtype=torch.uint8)
    buffer = io.BytesIO()
    axes = {name: {0: "batch"} for name in (INPUT, OUTPUT)}
    torch.onnx.export(
        model.eval(),
        (burst,),
        buffer,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    graph = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(graph, full_check=True)
    for node in graph.graph.node:
        node.ClearField("doc_string")
    onnx.save(fold_constants(graph), path)


def compare(model: ClipModel, path: Path, bursts: NDArray[np.uint8]) -> float:
    """Return the largest difference of a logit between torch and the graph.

    Raises:
        ValueError: it is more than ``MAX_DIFFERENCE``.
    """
    session, worst = open_session(path), 0.0
    for burst in bursts:
        with torch.inference_mode():
            wanted = model(torch.from_numpy(burst[None])).numpy()
        worst = max(
            worst, float(np.abs(wanted - session.run([OUTPUT], {INPUT: burst[None]})[0]).max())
        )
    if not worst <= MAX_DIFFERENCE:
        raise ValueError(
            f"{path}: logits differ from torch's by {worst}, limit is {MAX_DIFFERENCE}"
        )
    return worst


def measure_cost(path: Path) -> float:
    """Return the median CPU time of one burst on one thread, in milliseconds."""
    session, times = open_session(path), []
    burst = np.random.default_rng(0).integers(
        0, 256, size=(1, BURST.frames, SIDE, SIDE, 3), dtype=np.uint8
    )
    for _ in range(REPEATS):
        start = time.process_time()
        session.run(None, {INPUT: burst})
        times.append(1000 * (time.process_time() - start))
    return float(np.median(times))


def manifest_text(facts: ClipModelFacts, digest: str) -> str:
    """Return the text of ``model.toml``."""
    quality = "".join(f'"{name}" = "{value}"\n' for name, value in facts.quality.items())
    return f"""\
name = "{facts.name}"
version = "{facts.version}"
file = "{FILE}"
sha256 = "{digest}"
opset = {OPSET}
licence = "Apache-2.0"
origin = "{ORIGIN}"
training_data = "{TRAINING_DATA}"

[input]
name = "{INPUT}"
width = {SIDE}
height = {SIDE}
fit = "squash"
burst = {{ frames = {BURST.frames}, rate = {BURST.rate} }}

[gate]
label = "fight"
above = {facts.gate}
when = ["camera", "mixed"]

[[outputs]]
name = "{OUTPUT}"
kind = "label"
labels = ["fight"]
activation = "sigmoid"

{_label_text(facts)}
[quality]
{quality}"""


def _label_text(facts: ClipModelFacts) -> str:
    return f"""\
[labels.fight]
training_prior = {facts.calibrated.prior:.5f}
calibration = {{ a = {facts.calibrated.a:.5f}, b = {facts.calibrated.b:.5f} }}

[labels.fight.policy]
level = {facts.advice.level:.1f}
still = {facts.advice.still:.3f}
when = ["camera", "mixed"]
shadow = {str(facts.shadow).lower()}
"""
