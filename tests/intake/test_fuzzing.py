"""Requests that are made from the OpenAPI document, valid or not, get documented answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.store.database import open_journal
from tests.intake.build import send_heartbeats
from tests.intake.conftest import RunningService
from tests.intake.processes import WebProcess

pytestmark = pytest.mark.fault

EXCLUDED = "positive_data_acceptance,unsupported_method"
"""The document cannot describe which bytes are media, which cursor a page gave, which URL answers.
POST is the same as PUT at ``/ingest``. Events never end: they have a test of their own.
"""
CONFIG = """
[[operations]]
include-name = "POST /v1/images"
parameters = { wait = 0 }

[[operations]]
include-name = "POST /v1/streams/{stream_id}/segments"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", 502]
"""
"""No picture gets a verdict here, so that none has to wait for it. A URL that does not answer is
502."""
PROGRAM = "from schemathesis.cli import schemathesis; schemathesis()"


def test_the_api_survives_requests_made_from_its_document(tmp_path: Path) -> None:
    with WebProcess(tmp_path) as web:
        web.wait_until_ready()
        _send_heartbeats(web.data)
        (tmp_path / "schemathesis.toml").write_text(CONFIG)
        words = [
            "--checks=all",
            f"--exclude-checks={EXCLUDED}",
            "--max-examples=5",
            "--max-time=60",
        ]
        words += [
            "--exclude-path-regex=/v1/events",
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


@settings(max_examples=60, deadline=None)
@given(
    query=st.dictionaries(
        st.sampled_from(["after", "limit", "x"]) | st.text(max_size=5),
        st.integers().map(str) | st.text(max_size=20),
        max_size=3,
    ),
    last=st.none() | st.integers().map(str) | st.text(st.characters(codec="ascii"), max_size=20),
)
def test_events_survive_any_query_and_any_last_event_id(
    service: RunningService, query: dict[str, str], last: str | None
) -> None:
    headers = {} if last is None else {"Last-Event-ID": _header_value(last)}
    with service.client.stream("GET", "/v1/events", params=query, headers=headers) as answer:
        kind = answer.headers["content-type"]
        if answer.status_code == 200:
            assert kind.startswith("text/event-stream")
        else:
            assert (answer.status_code, kind) == (422, "application/problem+json")


def _header_value(text: str) -> str:
    """Return what of a text may be in a header."""
    return "".join(one for one in text if one.isprintable()).strip()


def _send_heartbeats(data: Path) -> None:
    """Let the other processes look well for an hour."""
    journal = open_journal(data)
    send_heartbeats(journal, "driver", "delivery", age=-3600.0)
    journal.close()
