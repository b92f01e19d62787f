"""Requests that are made from the OpenAPI document, valid or not, get documented answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.intake.processes import WebProcess

pytestmark = pytest.mark.fault

EXCLUDED = "positive_data_acceptance,unsupported_method"
"""The document cannot describe which bytes are media, which cursor a page gave, which URL answers.
POST is the same as PUT at ``/ingest``. ``/readyz`` answers 503 without a driver, pictures wait for
one, and events never end.
"""
PROGRAM = "from schemathesis.cli import schemathesis; schemathesis()"


def test_the_api_survives_requests_made_from_its_document(tmp_path: Path) -> None:
    with WebProcess(tmp_path) as web:
        web.wait_until_ready()
        words = [
            "--checks=all",
            f"--exclude-checks={EXCLUDED}",
            "--max-examples=5",
            "--max-time=60",
        ]
        words += [
            "--exclude-path-regex=/v1/events|/readyz|/v1/images$|/hooks/",
            "--request-timeout=60",
            "--max-response-time=60",
        ]
        words += ["--suppress-health-check=all", "--no-color", "--seed=1"]
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, "run", f"{web.url}/openapi.json", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stdout[-8000:]
    assert "Traceback" not in web.log
