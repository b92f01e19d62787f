"""Hooks of media servers, as these send them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from scanner.intake.hooks import channel_of
from scanner.settings.service import IngestSettings, ServiceSettings
from tests.intake.build import ts
from tests.intake.conftest import RunningService, run_service
from tests.intake.test_push import rows
from tests.sources.loopback import Answer, run_server

SECRET = "a secret of OvenMediaEngine"


@dataclass(frozen=True, kw_only=True)
class Hooked:
    service: RunningService
    folder: Path
    outside: Path
    origin: str

    def post(self, path: str, **named: Any) -> httpx.Response:
        return self.service.client.post(f"/hooks/{path}", **named)


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    data = tmp_path_factory.mktemp("hooked")
    folder, outside = tmp_path_factory.mktemp("media"), tmp_path_factory.mktemp("outside")
    with run_server() as server:
        server.pages["/live/tv-9.ts"] = Answer(ts(9))
        origin = server.origin
        ingest = IngestSettings(folders=[folder], origins=[origin], ome_secret=SECRET)
        settings = ServiceSettings(data=data, ingest=ingest, fetch_addresses="any")
        with run_service(data, settings) as service:
            yield Hooked(service=service, folder=folder, outside=outside, origin=origin)


def on_hls(hooked: Hooked, file: Path | str, **named: Any) -> httpx.Response:
    """Send what SRS sends for a segment."""
    told = {
        "action": "on_hls",
        "client_id": "9308h583",
        "vhost": "__defaultVhost__",
        "app": "live",
        "stream": "tv",
        "param": "",
        "duration": 9.36,
        "cwd": "/usr/local/srs",
        "file": str(file),
        "url": "live/tv-7.ts",
        "m3u8": "./objs/nginx/html/live/tv.m3u8",
        "m3u8_url": "live/tv.m3u8",
        "seq_no": 7,
        "server_id": "vid-0xk989d",
        "stream_url": "/live/tv",
        "stream_id": "vid-124q9y3",
    }
    return hooked.post("srs", json={**told, **named})


def test_a_segment_of_srs_is_read_pushed_and_named(hooked: Hooked) -> None:
    (hooked.folder / "tv-7.ts").write_bytes(ts(7))
    answer = on_hls(hooked, hooked.folder / "tv-7.ts")
    assert (answer.status_code, answer.text) == (200, "0")
    segment, listing = rows(hooked.service, "tv")[-2:]
    assert hooked.service.objects.path(segment.object).read_bytes() == ts(7)
    (found,) = json.loads(listing.facts)["listings"]
    assert (found["first"], found["entries"]) == (
        7,
        [["hook/segment-7.ts", [234, 25], False, False, None]],
    )


def test_a_segment_of_srs_may_be_named_relative_to_its_folder(hooked: Hooked) -> None:
    (hooked.folder / "tv-8.ts").write_bytes(ts(8))
    assert on_hls(hooked, "./tv-8.ts", cwd=str(hooked.folder), seq_no=8).status_code == 200


def test_the_end_of_a_stream_of_srs_ends_its_publication(hooked: Hooked) -> None:
    told = {"action": "on_unpublish", "app": "live", "stream": "gone", "client_id": "1"}
    assert hooked.post("srs", json=told).text == "0"
    (row,) = rows(hooked.service, "gone")
    assert json.loads(row.facts)["listings"][0]["ended"] is True


def test_files_below_no_listed_folder_are_refused(hooked: Hooked) -> None:
    secret = hooked.outside / "secret.ts"
    secret.write_bytes(ts(1))
    (hooked.folder / "link.ts").symlink_to(secret)
    for name in (secret, f"{hooked.folder}/../{hooked.outside.name}/secret.ts", hooked.folder):
        assert on_hls(hooked, name).status_code == 403
    assert on_hls(hooked, hooked.folder / "link.ts").status_code == 404
    assert on_hls(hooked, hooked.folder / "missing.ts").status_code == 404


def test_urls_of_listed_origins_are_fetched_and_no_others(hooked: Hooked) -> None:
    fetched = on_hls(hooked, "", url=f"{hooked.origin}/live/tv-9.ts", stream="far", seq_no=9)
    assert fetched.status_code == 200
    assert rows(hooked.service, "far")[0].bytes == len(ts(9))
    for url in ("http://other.example/live/tv-9.ts", "file:///etc/passwd", "live/tv-9.ts"):
        assert on_hls(hooked, "", url=url).status_code == 403


def test_a_recording_of_nginx_is_read_and_pushed(hooked: Hooked) -> None:
    recorded = hooked.folder / "cam-1.flv"
    recorded.write_bytes(b"FLV\x01\x05\0\0\0\x09\0\0\0\0" + bytes(64))
    common = {"app": "live", "name": "cam", "addr": "127.0.0.1", "clientid": "1"}
    for call in (
        {"call": "publish", "type": "live"},
        {"call": "record_done", "recorder": "", "path": str(recorded)},
        {"call": "publish_done"},
    ):
        assert hooked.post("nginx-rtmp", data={**common, **call}).status_code == 200
    segment, end = rows(hooked.service, "cam")
    assert (segment.kind, segment.path[:13]) == ("segment", "hook/segment-")
    assert json.loads(end.facts)["listings"][0]["series"] == ["hook/segment-#.flv"]


def test_an_admission_of_ovenmediaengine_is_allowed_by_its_signature(hooked: Hooked) -> None:
    body = json.dumps({"request": {"direction": "incoming", "status": "opening"}}).encode()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha1).digest()
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    allowed = hooked.post("ome", content=body, headers={"X-OME-Signature": signature})
    assert (allowed.status_code, allowed.json()) == (200, {"allowed": True})
    for wrong in ("", "x", signature[:-2] + "AA"):
        refused = hooked.post("ome", content=body, headers={"X-OME-Signature": wrong})
        assert refused.status_code == 401


def test_a_hook_that_is_not_what_its_server_sends_is_refused(hooked: Hooked) -> None:
    assert hooked.post("srs", content=b"no json").status_code == 422
    assert hooked.post("srs", content=b"[]").status_code == 422
    assert hooked.post("srs", content=b" " * 100_000).status_code == 413


def test_channels_of_media_servers_are_names() -> None:
    assert channel_of("live", "tv") == "tv"
    assert channel_of("app", "a/b c") == "app:a_b_c"
    assert channel_of("live", "../..") == "_.."
