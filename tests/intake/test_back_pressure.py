"""A service whose backlog is old or whose disk is full says so, and recovers by itself."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from scanner.settings.service import QuotaSettings, RetentionSettings, ServiceSettings
from scanner.store.objects import IncomingObject, ObjectStore
from tests.intake.build import TS, FoldingDriver, ts
from tests.intake.conftest import RunningService, run_service, wait_for
from tests.intake.test_segments import problem, stored
from tests.stream.build import segment


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that refuses after half a second of backlog, and takes one request at once."""
    folder = tmp_path_factory.mktemp("small")
    quota = QuotaSettings(backlog_seconds=0.5, requests_in_flight=1)
    with run_service(folder, ServiceSettings(data=folder, quota=quota)) as running:
        yield running


def test_an_old_backlog_is_answered_429_until_it_is_scored(small: RunningService) -> None:
    small.client.put("/v1/streams/s/segments/0", content=TS)
    answers: list[httpx.Response] = []

    def is_refused() -> bool:
        answers.append(small.client.post("/v1/images", content=b""))
        return answers[-1].status_code == 429

    wait_for(is_refused)
    assert problem(answers[-1]) == "backlog"
    assert int(answers[-1].headers["retry-after"]) >= 1
    FoldingDriver(small.journal).fold("s", segment(0, {0: 0.1}))
    wait_for(lambda: not is_refused())


def test_more_requests_at_once_than_allowed_are_answered_429(small: RunningService) -> None:
    refused: list[httpx.Response] = []

    def body() -> Iterator[bytes]:
        yield TS
        wait_for(lambda: "requests_in_flight 1.0" in small.client.get("/metrics").text)
        refused.append(small.client.put("/v1/streams/two/segments/1", content=ts(1)))

    with httpx.Client(base_url=small.client.base_url, timeout=60) as other:
        first = other.put("/v1/streams/two/segments/0", content=body())

    assert (first.status_code, problem(refused[0])) == (202, "busy")


def test_a_disk_below_the_watermark_is_answered_507_until_there_is_room(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("disk")
    settings = ServiceSettings(
        data=folder, retention=RetentionSettings(refuse_watermark=0.1, reserve_watermark=0.05)
    )
    monkeypatch.setattr(ObjectStore, "total_bytes", lambda _: 1000)
    monkeypatch.setattr(ObjectStore, "free_bytes", lambda _: 99)
    with run_service(folder, settings) as service:
        answer = service.client.put("/v1/streams/d/segments/0", content=TS)
        assert (answer.status_code, problem(answer)) == (507, "disk_full")
        assert "disk" in service.client.get("/readyz").json()["detail"]

        monkeypatch.setattr(ObjectStore, "free_bytes", lambda _: 101)
        put = service.client.put
        wait_for(lambda: put("/v1/streams/d/segments/0", content=TS).status_code == 202)


def test_a_disk_that_is_full_while_a_body_arrives_is_answered_507_and_leaves_nothing(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stored(service.objects)

    def fail(self: IncomingObject, chunk: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IncomingObject, "write", fail)
    answer = service.client.put("/v1/streams/full/segments/0", content=TS)

    assert (answer.status_code, problem(answer)) == (507, "disk_full")
    assert stored(service.objects) == before
