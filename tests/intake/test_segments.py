"""A segment that was acknowledged is there, and is there once."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from scanner.store.objects import ObjectStore
from tests.intake.build import MP4_INIT, PNG, TS, FoldingDriver, ts
from tests.intake.conftest import RunningService
from tests.stream.build import segment


def stored(objects: ObjectStore) -> set[Path]:
    """Return all files of an object store, temporary ones too."""
    return {path for path in objects.path("").rglob("*") if path.is_file()}


def problem(answer: httpx.Response) -> str:
    """Return the name of an error, after checking its form."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert {"title", "detail", "retryable"} <= body.keys()
    return str(body["type"]).removeprefix("urn:streamwarden:problem:")


def test_a_segment_is_acknowledged_once_it_is_durable(service: RunningService) -> None:
    answer = service.client.put("/v1/streams/a/segments/0?duration=4.004&channel=c", content=TS)

    assert answer.status_code == 202
    assert answer.json() == {
        "stream_id": "a",
        "sequence": 0,
        "state": "accepted",
        "bytes": len(TS),
        "sha256": sha256(TS).hexdigest(),
    }
    state = service.client.get("/v1/streams/a/segments/0").json()
    assert (state["state"], state["verdict"], state["channel"]) == ("pending", None, "c")


def test_the_same_segment_again_changes_nothing_and_leaves_no_object(
    service: RunningService,
) -> None:
    first = service.client.put("/v1/streams/again/segments/0", content=TS)
    before = stored(service.objects)
    again = service.client.put("/v1/streams/again/segments/0", content=TS)

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["state"] == "same"
    assert stored(service.objects) == before


def test_other_bytes_or_other_metadata_conflict_and_leave_no_object(
    service: RunningService,
) -> None:
    service.client.put("/v1/streams/other/segments/0", content=TS)
    before = stored(service.objects)

    bytes_ = service.client.put("/v1/streams/other/segments/0", content=ts(1))
    metadata = service.client.put("/v1/streams/other/segments/0?discontinuity=true", content=TS)

    assert (problem(bytes_), problem(metadata)) == ("conflict", "conflict")
    assert "other bytes" in bytes_.json()["detail"]
    assert "other metadata" in metadata.json()["detail"]
    assert stored(service.objects) == before


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"", "unsupported_media"), (b"hello world", "unsupported_media"), (PNG, "unsupported_media")],
)
def test_what_is_no_segment_is_refused_by_its_first_bytes(
    service: RunningService, content: bytes, name: str
) -> None:
    before = stored(service.objects)

    answer = service.client.put("/v1/streams/no/segments/0", content=content)

    assert (answer.status_code, problem(answer)) == (422, name)
    assert stored(service.objects) == before


def test_a_body_over_the_limit_is_refused_whether_or_not_it_declares_its_size(
    service: RunningService,
) -> None:
    large = TS * 100
    declared = service.client.put("/v1/streams/large/segments/0", content=large)
    chunked = service.client.put("/v1/streams/large/segments/0", content=iter([large]))

    assert (problem(declared), problem(chunked)) == ("too_large", "too_large")


def test_a_large_chunked_body_arrives_whole(service: RunningService) -> None:
    parts = [ts(number) for number in range(30)]

    answer = service.client.put("/v1/streams/chunked/segments/0", content=iter(parts))

    assert answer.status_code == 202
    assert answer.json()["sha256"] == sha256(b"".join(parts)).hexdigest()
    digests = {sha256(path.read_bytes()).hexdigest() for path in stored(service.objects)}
    assert answer.json()["sha256"] in digests


@pytest.mark.parametrize(
    "path",
    [
        "/v1/streams/.hidden/segments/0",
        "/v1/streams/a%20b/segments/0",
        "/v1/streams/a/segments/-1",
        "/v1/streams/a/segments/x",
        f"/v1/streams/a/segments/{2**53}",
        "/v1/streams/a/segments/0?durations=4",
        "/v1/streams/a/segments/0?duration=0",
        "/v1/streams/a/segments/0?duration=nan",
        "/v1/streams/a/segments/0?duration=1e400",
        "/v1/streams/a/segments/0?started_at=yesterday",
        "/v1/streams/a/segments/0?started_at=2026-01-01T00:00:00",
    ],
)
def test_an_invalid_or_misspelt_parameter_is_named(service: RunningService, path: str) -> None:
    answer = service.client.put(path, content=TS)

    assert (answer.status_code, problem(answer)) == (422, "invalid_request")
    assert answer.json()["errors"][0]["where"].split(".")[0] in ("path", "query")


def test_a_segment_that_names_an_init_segment_is_accepted_after_it(
    service: RunningService,
) -> None:
    early = service.client.put("/v1/streams/fmp4/segments/0?init=i", content=MP4_INIT)
    init = service.client.put("/v1/streams/fmp4/init/i", content=MP4_INIT)
    late = service.client.put("/v1/streams/fmp4/segments/0?init=i", content=MP4_INIT)

    assert (early.status_code, problem(early)) == (409, "init_unknown")
    assert early.json()["retryable"]
    assert (init.status_code, late.status_code) == (201, 202)


def test_an_init_segment_never_changes(service: RunningService) -> None:
    path = "/v1/streams/immutable/init/i"
    statuses = [
        service.client.put(path, content=content).status_code
        for content in (MP4_INIT, MP4_INIT, MP4_INIT + b"free")
    ]

    assert statuses == [201, 200, 409]


def test_transport_packets_are_no_init_segment(service: RunningService) -> None:
    answer = service.client.put("/v1/streams/immutable/init/ts", content=TS)

    assert problem(answer) == "unsupported_media"


def test_a_segment_of_another_channel_is_refused(service: RunningService) -> None:
    service.client.put("/v1/streams/mine/segments/0?channel=one", content=TS)
    answer = service.client.put("/v1/streams/mine/segments/1?channel=two", content=TS)

    assert (answer.status_code, problem(answer)) == (409, "wrong_channel")


def test_a_segment_has_its_verdict_once_the_driver_has_committed_it(
    service: RunningService,
) -> None:
    service.client.put("/v1/streams/s/segments/0", content=TS)
    FoldingDriver(service.journal).fold("s", segment(0, {0: 0.1, 2: 0.1}))

    state = service.client.get("/v1/streams/s/segments/0").json()

    assert (state["state"], state["span"]) == ("scored", {"start": 0.0, "end": 4.0})


def test_a_segment_that_never_came_is_not_found(service: RunningService) -> None:
    answer = service.client.get("/v1/streams/nobody/segments/7")

    assert (answer.status_code, problem(answer)) == (404, "not_found")
