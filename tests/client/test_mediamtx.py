"""The command that MediaMTX runs pushes the piece that it recorded."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from scanner.client.mediamtx import submit_recorded
from scanner.client.service import ServiceClient
from scanner.errors import SetupError


def test_a_recorded_piece_is_pushed_to_the_channel_of_its_path(tmp_path: Path) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={})

    piece = tmp_path / "2026-11-29_19-20-21-123456.mp4"
    piece.write_bytes(b"a piece")
    environment = {"MTX_PATH": "live/tv", "MTX_SEGMENT_PATH": str(piece)}
    with ServiceClient("http://service", transport=httpx.MockTransport(answer)) as sender:
        assert submit_recorded(environment, sender, channel=None) == "live_tv"
        assert submit_recorded(environment, sender, channel="tv") == "tv"
    assert [(one.method, one.url.path.rpartition("-")[0]) for one in requests] == [
        ("PUT", "/ingest/live_tv/mediamtx/segment"),
        ("PUT", "/ingest/tv/mediamtx/segment"),
    ]
    assert requests[0].content == b"a piece"


def test_without_mediamtx_the_command_says_what_it_is_for() -> None:
    with (
        ServiceClient("http://service") as sender,
        pytest.raises(SetupError, match="runOnRecordSegmentComplete"),
    ):
        submit_recorded({}, sender, channel=None)
