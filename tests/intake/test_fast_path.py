"""The fast path takes a delivery only where the framework would do the same with it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI, Query

from scanner.intake.fast_path import delivery_of
from scanner.intake.parameters import SegmentMetadata, Sequence, StreamName
from tests.intake.build import TS
from tests.intake.conftest import RunningService
from tests.intake.test_segments import problem

framework = FastAPI()


@framework.put("/v1/streams/{stream_id}/segments/{sequence}")
async def parse(
    stream_id: StreamName, sequence: Sequence, metadata: Annotated[SegmentMetadata, Query()]
) -> list[Any]:
    """Answer what FastAPI makes of a delivery."""
    return [stream_id, sequence, metadata.model_dump(mode="json")]


def answer_of_framework(address: str) -> httpx.Response:
    """Put nothing to an address of the framework alone."""

    async def put() -> httpx.Response:
        transport = httpx.ASGITransport(app=framework)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.put(address)

    return asyncio.run(put())


def taken(path: str, query: str) -> list[Any] | None:
    """Return what the fast path makes of a delivery; None if it passes the request on."""
    scope = {"method": "PUT", "path": path, "query_string": query.encode()}
    found = delivery_of(scope)
    return None if found is None else [found[0], found[1], found[2].model_dump(mode="json")]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "duration=4",
        "duration=4.004&channel=c&discontinuity=true",
        "discontinuity=1&init=a.b",
        "started_at=2026-11-29T10:00:00.25Z",
        "started_at=2026-11-29T10%3A00%3A00%2B01%3A00",
        "%63hannel=%61",
        "duration=%34",
    ],
)
def test_plain_metadata_mean_what_they_mean_to_the_framework(query: str) -> None:
    path = "/v1/streams/a/segments/7"
    answer = answer_of_framework(f"{path}?{query}")
    assert answer.status_code == 200
    assert taken(path, query) == answer.json()


@pytest.mark.parametrize(
    "query",
    [
        "duration=4&duration=5",
        "channel=",
        "duration",
        "unknown=1",
        "duration=-1",
        "discontinuity=perhaps",
        "channel=%FF",
        "channel=a+b",
        "started_at=yesterday",
        "channel=" + "c" * 500,
    ],
)
def test_other_metadata_are_passed_on(query: str) -> None:
    assert taken("/v1/streams/a/segments/7", query) is None


@pytest.mark.parametrize(
    ("stream", "sequence", "is_taken"),
    [
        ("a", "0", True),
        ("a.b~@:+=-_", "000123", True),
        ("a", "999999999999999", True),
        ("a", "9007199254740991", False),
        ("a", "9007199254740992", False),
        ("a", "-1", False),
        ("a", "1.0", False),
        ("a", "٣", False),
        (".a", "1", False),
        ("a" * 201, "1", False),
        ("a\n", "1", False),
        ("a", "1\n", False),
    ],
)
def test_an_address_that_is_taken_means_what_it_means_to_the_framework(
    stream: str, sequence: str, is_taken: bool
) -> None:
    found = taken(f"/v1/streams/{stream}/segments/{sequence}", "")
    assert (found is not None) is is_taken
    if is_taken:
        path = f"/v1/streams/{quote(stream)}/segments/{quote(sequence)}"
        assert found == answer_of_framework(path).json()


def test_both_ways_give_the_same_answers(service: RunningService) -> None:
    url = "/v1/streams/ways/segments"
    assert service.client.put(f"{url}/0?duration=4", content=TS).status_code == 202
    assert service.client.post(f"{url}/0?duration=4", content=TS).json()["state"] == "same"
    passed_on = service.client.put(f"{url}/0?duration=5&duration=4", content=TS)
    assert passed_on.json()["state"] == "same"
    refused = [service.client.put(f"{url}/0?{q}", content=TS) for q in ("", "channel=&init=x")]
    assert [problem(one) for one in refused] == ["conflict", "invalid_request"]


def test_requests_of_the_fast_path_are_counted_by_their_route(service: RunningService) -> None:
    service.client.put("/v1/streams/counted/segments/0", content=TS)
    metrics = service.client.get("/metrics").text
    route = 'route="/v1/streams/{stream_id}/segments/{sequence}"'
    assert f'streamwarden_web_requests_total{{method="PUT",{route},status="202"}}' in metrics
