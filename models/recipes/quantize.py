"""Make the int8 file of ``streamwarden-frame`` from its fp32 file and pictures of its training mix.

    python models/recipes/quantize.py --model models/streamwarden-frame \\
        --data ../shared/data --data ../shared/data2 --data ../shared/data3

Weights get a scale for each channel, activations one for each tensor, from their range over the
pictures (static quantisation; pairs of QuantizeLinear and DequantizeLinear in the graph). The first
two blocks, sums and the heads stay in fp32. Footage that shapes no weights gives no scale either.
The file and its checksum are written to the model's folder; run it again after each training.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from frame_model.corpus import CorpusRow, corpus_root, read_corpus
from frame_model.pictures import open_frames, scale_to_input
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from scanner.scoring.golden import check_model
from scanner.scoring.manifest import FILENAME, read_manifest
from scanner.scoring.onnx import open_session
from scanner.types import Fit

FILE, LOGITS = "frame.int8.onnx", "label_logits"
EXACT = ("/lower/lower.0/", "/lower/lower.1/")
"""Parts whose convolutions stay in fp32, as in the fp16 file."""
CLASSIFIER = "/heads/clues/classifier/"
"""The one large product of the heads; the others are small, and stay in fp32."""
BIAS = "heads.labels.bias"
EACH = 24
"""Pictures of each kind of footage; at most one of a file."""


def main() -> None:
    """Parse the command line, write the file and its line in the manifest, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, action="append")
    parser.add_argument("--model", type=Path, required=True, help="the model's folder")
    options = parser.parse_args()
    manifest = read_manifest(options.model)
    source, target = options.model / manifest.file, options.model / FILE
    rows = read_corpus(options.data)
    pictures, others = choose_pictures(rows, corpus_root(options.data))
    quantize(source, target, pictures)
    correct_bias(source, target, pictures)
    write_checksum(options.model / FILENAME, target)
    worst = check_model(options.model)
    print(f"golden scores differ by {worst:.2g}; logits by {describe(source, target, others)}")


def choose_pictures(
    rows: Sequence[CorpusRow], root: Path
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return ``EACH`` pictures of each kind of footage that trains, and a quarter as many others to
    compare on; N x 224 x 224 x 3."""
    kinds = defaultdict(list)
    for row in rows:
        if row.trains:
            kinds[row.task, row.label].append(row)
    rng = np.random.default_rng(0)
    taken: list[NDArray[np.uint8]] = []
    others: list[NDArray[np.uint8]] = []
    for _, own in sorted(kinds.items()):
        order = rng.permutation(len(own))
        taken.extend(_inputs(root, [own[index] for index in order[:EACH]]))
        others.extend(_inputs(root, [own[index] for index in order[EACH : EACH + EACH // 4]]))
    return np.stack(taken), np.stack(others)


def _inputs(root: Path, rows: Sequence[CorpusRow]) -> Iterator[NDArray[np.uint8]]:
    for row in rows:
        *_, frame = open_frames(root / row.path, most=2)
        yield scale_to_input(frame, Fit.SQUASH)


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, pictures: NDArray[np.uint8]) -> None:
        self._feeds = iter([{name: picture[None]} for picture in pictures])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._feeds, None)


def quantize(source: Path, target: Path, pictures: NDArray[np.uint8]) -> None:
    """Write the int8 version of a graph, with activations scaled by their range over pictures."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"  # constants folded, batch normalisations fused
        quant_pre_process(str(source), str(plain), skip_symbolic_shape=True)
        graph = onnx.load(plain).graph
        quantize_static(
            str(plain),
            str(target),
            _Pictures(graph.input[0].name, pictures),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            op_types_to_quantize=["Conv", "Clip", "Gemm"],
            nodes_to_exclude=[node.name for node in graph.node if _stays_exact(node)],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def correct_bias(source: Path, target: Path, pictures: NDArray[np.uint8]) -> None:
    """Add to the labels' biases what their logits lost on average over pictures: rounding moves
    the mean of an embedding, which a head with large weights multiplies."""
    lost = differences_of(source, target, pictures).mean(axis=0)
    model = onnx.load(target)
    bias = next(one for one in model.graph.initializer if one.name == BIAS)
    moved = numpy_helper.to_array(bias) + lost.astype(np.float32)
    bias.CopyFrom(numpy_helper.from_array(moved, BIAS))
    onnx.save(model, target)


def _stays_exact(node: onnx.NodeProto) -> bool:
    if node.op_type == "Gemm":
        return CLASSIFIER not in node.name
    return any(part in node.name for part in EXACT)


def write_checksum(manifest: Path, file: Path) -> None:
    """Write the line of the int8 file into the manifest, after that of the fp16 file."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    line = f'int8 = {{ file = "{file.name}", sha256 = "{digest}" }}\n'
    text = re.sub(r"^int8 = .*\n", "", manifest.read_text("utf-8"), flags=re.MULTILINE)
    manifest.write_text(
        re.sub(r"^(fp16 = .*\n)", rf"\g<1>{line}", text, count=1, flags=re.MULTILINE), "utf-8"
    )


def describe(source: Path, target: Path, pictures: NDArray[np.uint8]) -> str:
    """Return the mean and largest difference of a label's logit on pictures."""
    differences = np.abs(differences_of(source, target, pictures))
    return f"{differences.mean():.3f} on average, {differences.max():.2f} at most"


def differences_of(source: Path, target: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the labels' logits of the source without those of the target, for each picture."""
    full, small = (open_session(file.read_bytes(), provider="cpu") for file in (source, target))
    return np.concatenate(
        [
            full.run([LOGITS], {"image": picture[None]})[0]
            - small.run([LOGITS], {"image": picture[None]})[0]
            for picture in pictures
        ]
    )


if __name__ == "__main__":
    main()
