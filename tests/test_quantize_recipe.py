"""The recipe of the int8 file: what it leaves in fp32, and what it writes into the manifest."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(autouse=True, scope="module")
def recipes() -> None:
    """The recipes are scripts, not an installed package."""
    sys.path.insert(0, str(REPOSITORY / "models" / "recipes"))


def head(path: Path, bias: float) -> Path:
    """A graph of one label, whose logit is the mean of the picture and a bias."""
    helper = onnx.helper
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["floats"], to=onnx.TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["mean"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Add", ["mean", "heads.labels.bias"], ["flat"]),
            helper.make_node("Unsqueeze", ["flat", "last"], ["label_logits"]),
        ],
        "head",
        [helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["n", 2, 2, 3])],
        [helper.make_tensor_value_info("label_logits", onnx.TensorProto.FLOAT, ["n", 1])],
        [
            onnx.numpy_helper.from_array(np.array([bias], np.float32), "heads.labels.bias"),
            onnx.numpy_helper.from_array(np.array([1], np.int64), "last"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def test_what_logits_lose_on_average_is_put_back_into_the_biases(tmp_path: Path) -> None:
    from quantize import correct_bias, describe

    full, small = head(tmp_path / "full.onnx", 0.5), head(tmp_path / "small.onnx", -0.75)
    pictures = np.arange(36, dtype=np.uint8).reshape(3, 2, 2, 3)

    assert describe(full, small, pictures) == "1.250 on average, 1.25 at most"
    correct_bias(full, small, pictures)

    assert describe(full, small, pictures) == "0.000 on average, 0.00 at most"


@pytest.mark.parametrize(
    ("kind", "name", "stays"),
    [
        ("Conv", "/lower/lower.0/conv/Conv", True),
        ("Conv", "/lower/lower.10/conv/Conv", False),
        ("Conv", "/upper/upper.18/conv/Conv", False),
        ("Gemm", "/heads/labels/Gemm", True),
        ("Gemm", "/heads/clues/classifier/Gemm", False),
    ],
)
def test_the_first_blocks_and_the_small_heads_stay_in_fp32(
    kind: str, name: str, stays: bool
) -> None:
    from quantize import _stays_exact

    assert _stays_exact(onnx.helper.make_node(kind, [], [], name=name)) is stays


def test_the_checksum_is_written_once_after_the_other_files(tmp_path: Path) -> None:
    from quantize import write_checksum

    file, manifest = tmp_path / "frame.int8.onnx", tmp_path / "model.toml"
    manifest.write_text('fp16 = { file = "a" }\nopset = 17\n', "utf-8")

    for content in (b"one", b"two"):
        file.write_bytes(content)
        write_checksum(manifest, file)

    digest = hashlib.sha256(b"two").hexdigest()
    assert manifest.read_text("utf-8") == (
        'fp16 = { file = "a" }\n'
        f'int8 = {{ file = "frame.int8.onnx", sha256 = "{digest}" }}\n'
        "opset = 17\n"
    )
