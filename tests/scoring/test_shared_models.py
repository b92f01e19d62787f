"""A network of real size has the scores that plain onnxruntime computes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from scanner.scoring.golden import generate_pictures
from scanner.scoring.registry import load_scorers
from scanner.scoring.scorer import Scorer
from scanner.testing.scorers import check_scorer, sample
from scanner.types import FrameSpec

SPEC = FrameSpec(width=224, height=224)
LABELS = ("fight", "gun", "fire", "smoke")
"""The labels of four of its 1001 classes."""

MANIFEST = """
name = "mobilenet"
version = "1"
file = "model.onnx"
sha256 = "{sha256}"
opset = 17
licence = "Apache-2.0"
origin = "google-coral/test_data"
training_data = "ImageNet"
input = {{ name = "images", width = 224, height = 224 }}

[[outputs]]
name = "four"
kind = "label"
activation = "sigmoid"
labels = ["fight", "gun", "fire", "smoke"]

[[outputs]]
name = "logits"
kind = "embedding"

[labels]
fight.training_prior = 0.5
gun.training_prior = 0.5
fire.training_prior = 0.5
smoke.training_prior = 0.5
"""


def mobilenet(original: Path, folder: Path) -> Path:
    """Save the network with preprocessing of uint8 pictures, and four of its classes as labels."""
    model = onnx.load(original)
    body = model.graph
    body.initializer.extend(
        [
            numpy_helper.from_array(np.array(127.5, np.float32), "half"),
            numpy_helper.from_array(np.array(1.0, np.float32), "one"),
            numpy_helper.from_array(np.arange(1, 5), "classes"),
        ]
    )
    before = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "half"], ["halves"]),
        helper.make_node("Sub", ["halves", "one"], ["centred"]),
        helper.make_node("Transpose", ["centred"], [body.input[0].name], perm=[0, 3, 1, 2]),
    ]
    nodes = [
        *before,
        *body.node,
        helper.make_node("Gather", ["logits", "classes"], ["four"], axis=1),
    ]
    del body.input[:], body.node[:]
    body.node.extend(nodes)
    body.input.append(
        helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 224, 224, 3])
    )
    body.output.insert(0, helper.make_tensor_value_info("four", TensorProto.FLOAT, ["n", 4]))
    data = model.SerializeToString()
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(data)
    (folder / "model.toml").write_text(
        MANIFEST.format(sha256=hashlib.sha256(data).hexdigest()), "utf-8"
    )
    return folder.parent


@pytest.fixture
def scorer(shared: Path, tmp_path: Path) -> Scorer:
    return load_scorers(
        mobilenet(shared / "models" / "mobilenet_v2_imagenet.onnx", tmp_path / "mobilenet")
    )[1]


@pytest.mark.shared_data
def test_its_scores_are_those_of_plain_onnxruntime(shared: Path, scorer: Scorer) -> None:
    plain = onnxruntime.InferenceSession(
        shared / "models" / "mobilenet_v2_imagenet.onnx", providers=["CPUExecutionProvider"]
    )
    drawn = generate_pictures(SPEC, seed=0, count=4)

    scores = scorer.score([sample(at, picture) for at, picture in enumerate(drawn)])

    floats = np.stack(drawn).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(
        127.5
    ) - np.float32(1.0)
    expected = 1.0 / (1.0 + np.exp(-plain.run(["logits"], {"input": floats})[0][:, 1:5]))
    assert [list(result.values.values()) for result in scores] == pytest.approx(expected, abs=1e-5)


@pytest.mark.shared_data
def test_it_keeps_the_contract_of_a_scorer(scorer: Scorer) -> None:
    check_scorer(
        scorer,
        [
            sample(at, picture)
            for at, picture in enumerate(generate_pictures(SPEC, seed=1, count=3))
        ],
    )
