from __future__ import annotations

import re
from pathlib import Path

import pytest

from scanner.doctor import (
    IDENTITY,
    check_codecs,
    check_data_folder,
    check_model_files,
    check_one_of,
    check_owner,
    check_package,
    check_provider,
    check_python,
    check_restrictions,
    check_shared_memory,
    check_sqlite,
    run_checks,
)
from scanner.scoring.graph_facts import read_graph
from scanner.scoring.onnx import open_session

ONNX_TWINS = ("onnxruntime", "onnxruntime-gpu")


@pytest.mark.parametrize(
    ("found", "ok"),
    [((3, 10, 14), False), ((3, 11, 0), True), ((3, 13, 9), True), ((3, 14, 0), False)],
)
def test_python_from_3_11_to_3_13_is_supported(found: tuple[int, int, int], ok: bool) -> None:
    assert check_python(found).ok is ok


def test_a_missing_package_is_reported_with_the_command_that_installs_it() -> None:
    finding = check_package("av", None)

    assert (finding.ok, finding.found) == (False, "not installed")
    assert re.fullmatch(r"pip install 'av(<|>=)[0-9.,<>=]+'|pip install 'av'", finding.remedy)


def test_one_of_two_distributions_with_the_same_files_is_accepted() -> None:
    assert check_one_of(ONNX_TWINS, {"onnxruntime": None, "onnxruntime-gpu": "1.31.1"}).ok


def test_two_distributions_with_the_same_files_fail_the_check() -> None:
    finding = check_one_of(ONNX_TWINS, {"onnxruntime": "1.27.0", "onnxruntime-gpu": "1.31.1"})

    assert not finding.ok
    assert finding.remedy.startswith(
        "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'onnxruntime"
    )


def test_neither_of_two_distributions_fails_the_check() -> None:
    assert not check_one_of(ONNX_TWINS, dict.fromkeys(ONNX_TWINS)).ok


@pytest.mark.parametrize(
    ("owners", "ok"),
    [((), True), (("streamwarden", "streamwarden"), True), (("streamwarden", "scanner"), False)],
)
def test_our_import_names_belong_to_us_alone(owners: tuple[str, ...], ok: bool) -> None:
    assert check_owner("scanner", owners).ok is ok


def test_the_cpu_provider_is_checked_with_a_real_session() -> None:
    assert check_provider("cpu", "cpu").found == "works"


@pytest.mark.no_gpu
def test_a_provider_that_does_not_work_fails_only_if_it_is_wanted() -> None:
    assert check_provider("cuda", "cpu").ok
    assert not check_provider("cuda", "cuda").ok
    assert "set models.provider to cpu" in check_provider("cuda", "cuda").remedy


def test_the_probe_is_a_model_of_one_operator() -> None:
    session = open_session(IDENTITY, provider="cpu")

    assert read_graph(IDENTITY).operators == {("", "Identity"): 1}
    assert session.get_inputs()[0].shape == [1]


def test_a_missing_codec_is_named() -> None:
    finding = check_codecs({"h264": True, "hevc": False})

    assert (finding.ok, finding.found) == (False, "no hevc")


def test_a_missing_restriction_is_named_with_the_reason() -> None:
    finding = check_restrictions({"limits": "", "landlock": "Function not implemented"})

    assert (finding.ok, finding.found) == (False, "no landlock (Function not implemented)")


def test_too_little_shared_memory_is_reported_with_the_remedy(tmp_path: Path) -> None:
    assert check_shared_memory(tmp_path, least=1).ok
    assert "--shm-size" in check_shared_memory(tmp_path, least=1 << 62).remedy
    assert not check_shared_memory(tmp_path / "absent").ok


def test_an_sqlite_that_can_corrupt_the_journal_is_reported() -> None:
    assert check_sqlite((3, 51, 3)).ok
    assert "pysqlite3" in check_sqlite((3, 40, 1)).remedy
    assert not check_sqlite(None).ok


def test_a_data_folder_needs_room_and_need_not_exist(tmp_path: Path) -> None:
    assert check_data_folder(tmp_path / "not" / "there", 0.0).ok
    full = check_data_folder(tmp_path, 1.0)
    assert not full.ok
    assert "free space" in full.remedy


def test_a_folder_without_models_is_a_failed_check_and_no_error(tmp_path: Path) -> None:
    (empty,) = check_model_files(tmp_path, "cpu")
    (absent,) = check_model_files(tmp_path / "absent", "cpu")

    assert not empty.ok
    assert not absent.ok
    assert "no such folder" in absent.remedy


def test_a_remedy_is_given_exactly_for_failed_checks(tmp_path: Path) -> None:
    findings = run_checks(
        models_dir=tmp_path,
        codecs=lambda: {"h264": True},
        restrictions=lambda: {"seccomp": "denied"},
    )

    assert {
        finding.name: finding.ok
        for finding in findings
        if finding.name in {"codecs", "sandbox", "models"}
    } == {
        "codecs": True,
        "sandbox": False,
        "models": False,
    }
    assert all(finding.ok == (not finding.remedy) for finding in findings)
