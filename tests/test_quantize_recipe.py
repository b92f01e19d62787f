"""The recipe of the int8 file: what it leaves in fp32, and what it writes into the manifest."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(autouse=True, scope="module")
def recipes() -> None:
    """The recipes are scripts, not an installed package."""
    sys.path.insert(0, str(REPOSITORY / "models" / "recipes"))


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
