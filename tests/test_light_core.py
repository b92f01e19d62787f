"""Importing the light core loads no media library, inference runtime, cluster or HTTP client."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("av", "cv2", "numpy", "onnx", "onnxruntime", "pyarrow", "ray", "httpx", "jinja2", "torch")

NOUNS = [
    "scanner.types",
    "scanner.rational",
    "scanner.taxonomy",
    "scanner.risk.fold",
    "scanner.stream.advance",
    "scanner.stream.inputs",
    "scanner.stream.order",
    "scanner.stream.state",
    "scanner.records.recording",
    "scanner.report.lines",
    "scanner.media.sniff",
    "workers.dispatch",
]
SETTINGS = [
    "scanner.settings.policies",
    "scanner.settings.sections",
    "scanner.sources.limits",
    "scanner.evidence.plan",
    "scanner.report.collect",
]


def loaded(modules: list[str]) -> set[str]:
    """Return the names of all modules that a fresh process has after importing these."""
    code = f"import sys; import {', '.join(modules)}; print(*sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(run.stdout.split())


def test_nouns_events_and_the_fold_load_the_standard_library_only() -> None:
    assert loaded(NOUNS) & {*HEAVY, "pydantic"} == set()


def test_settings_plans_and_reports_load_pydantic_and_nothing_heavy() -> None:
    modules = loaded([*NOUNS, *SETTINGS])

    assert modules & set(HEAVY) == set()
    assert "pydantic" in modules


def test_the_web_process_loads_no_media_library_runtime_or_cluster() -> None:
    modules = loaded(["scanner.console.server"])

    assert modules & set(HEAVY) == set()
    assert {"fastapi", "sqlalchemy"} <= modules


def test_a_scan_of_files_loads_no_http_client_and_no_template_engine() -> None:
    modules = loaded(["scanner.cli.scan", "scanner.cli.show"])

    assert modules & {"httpx", "jinja2", "ray", "torch"} == set()


@pytest.mark.parametrize(
    "package", ["media", "sandbox", "scoring", "sources", "model_import", "pipeline", "evidence"]
)
def test_importing_a_package_loads_none_of_its_modules(package: str) -> None:
    own = f"scanner.{package}"

    assert {name for name in loaded([own]) if name.startswith(own)} == {own}
