"""Sources over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.settings.service import IngestSettings, ServiceSettings
from tests.intake.conftest import RunningService, run_service


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("listed")


@pytest.fixture(scope="module")
def following(tmp_path_factory: pytest.TempPathFactory, listed: Path) -> Iterator[RunningService]:
    data = tmp_path_factory.mktemp("following")
    settings = ServiceSettings(data=data, ingest=IngestSettings(folders=[listed]))
    with run_service(data, settings) as running:
        yield running


def test_a_source_is_added_listed_and_removed(following: RunningService) -> None:
    new = {"url": "https://me:secret@host.example/a/index.m3u8?token=1", "channel": "tv"}
    added = following.client.post("/v1/sources", json=new)
    assert (added.status_code, added.json()["state"]) == (201, "waiting")
    assert added.json()["url"] == "https://host.example/a/index.m3u8"
    source_id = added.json()["source_id"]
    assert following.client.post("/v1/sources", json=new).json()["source_id"] == source_id
    listing = following.client.get("/v1/sources").json()["sources"]
    assert [one["source_id"] for one in listing] == [source_id]
    assert following.client.delete(f"/v1/sources/{source_id}").status_code == 204
    assert following.client.delete(f"/v1/sources/{source_id}").status_code == 404


@pytest.mark.parametrize(
    "url", ["file:///etc", "ftp://host/a", "http://", "rtmp://host/a", "http://[2001:db8::1/a"]
)
def test_other_schemes_and_what_is_no_url_are_refused(following: RunningService, url: str) -> None:
    answer = following.client.post("/v1/sources", json={"url": url, "channel": "tv"})
    assert answer.status_code == 422


def test_the_listed_folders_and_those_below_are_followed_and_no_others(
    following: RunningService, listed: Path
) -> None:
    def status(url: str) -> int:
        answer = following.client.post("/v1/sources", json={"url": url, "channel": "tv"})
        return answer.status_code

    assert [status(url) for url in (f"{listed}/cam", str(listed))] == [201, 201]
    assert [status(url) for url in ("/etc", f"{listed}/../x", "relative")] == [403] * 3
