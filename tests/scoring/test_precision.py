"""The selection of a model's file: fp32 on a CPU, fp16 on a GPU if it exists, or as configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from scanner.errors import SetupError
from scanner.scoring.manifest import read_manifest
from scanner.scoring.onnx import load_onnx, select_file
from scanner.scoring.options import Precision, Provider
from scanner.scoring.registry import load_scorers
from tests.scoring.build_onnx import tiny, with_half, with_int8


@pytest.mark.parametrize(
    ("provider", "precision", "file"),
    [
        ("cpu", "auto", "model.onnx"),
        ("cuda", "auto", "half.onnx"),
        ("tensorrt", "auto", "half.onnx"),
        ("cuda", "fp32", "model.onnx"),
        ("cpu", "fp16", "half.onnx"),
    ],
)
def test_fp16_is_used_on_gpus_unless_configured_otherwise(
    tmp_path: Path, provider: Provider, precision: Precision, file: str
) -> None:
    manifest = read_manifest(with_half(tiny(tmp_path / "tiny")))

    assert select_file(manifest, provider=provider, precision=precision).file == file


def test_a_model_without_fp16_runs_in_fp32_on_a_gpu(tmp_path: Path) -> None:
    manifest = read_manifest(tiny(tmp_path / "tiny"))

    assert select_file(manifest, provider="cuda", precision="auto") == manifest.fp32


def test_a_missing_fp16_file_is_an_error_if_fp16_is_configured(tmp_path: Path) -> None:
    tiny(tmp_path / "tiny")

    with pytest.raises(
        SetupError,
        match=r"model tiny: has no fp16 file, models.precision is fp16: set it to auto",
    ):
        load_scorers(tmp_path, precision="fp16")


@pytest.mark.parametrize(
    ("precision", "file"), [("auto", "model.onnx"), ("int8", "small.onnx"), ("fp32", "model.onnx")]
)
def test_int8_is_used_on_cpus_where_it_is_configured(
    tmp_path: Path, precision: Precision, file: str
) -> None:
    manifest = read_manifest(with_int8(tiny(tmp_path / "tiny")))

    assert select_file(manifest, provider="cpu", precision=precision).file == file


def test_a_model_without_int8_runs_in_fp32_beside_one_with_it(tmp_path: Path) -> None:
    manifest = read_manifest(tiny(tmp_path / "tiny"))

    assert select_file(manifest, provider="cpu", precision="int8") == manifest.fp32


def test_int8_on_a_gpu_is_an_error(tmp_path: Path) -> None:
    manifest = read_manifest(with_int8(tiny(tmp_path / "tiny")))

    with pytest.raises(SetupError, match=r"int8, which is for CPUs, models.provider is cuda"):
        select_file(manifest, provider="cuda", precision="int8")


def test_the_fp16_file_has_its_own_checksum(tmp_path: Path) -> None:
    folder = with_half(tiny(tmp_path / "tiny"))
    (folder / "half.onnx").write_bytes(b"something else")
    manifest = read_manifest(folder)

    load_onnx(folder, manifest)
    with pytest.raises(SetupError, match=r"sha256 of half.onnx is"):
        load_onnx(folder, manifest, precision="fp16")
