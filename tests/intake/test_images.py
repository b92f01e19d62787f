"""A picture is scored by itself, and its scores may be waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Table, delete

from scanner.store.schema import segments, turn_records
from scanner.stream.inputs import EndTurn
from scanner.types import StreamId
from tests.intake.build import PNG, TS, FoldingDriver
from tests.intake.conftest import RunningService, wait_for
from tests.intake.test_segments import problem
from tests.stream.build import segment


def score(service: RunningService, image_id: str, *, fire: float) -> None:
    """Score a picture as a driver does, once it is there."""
    wait_for(lambda: service.client.get(f"/v1/images/{image_id}").status_code == 202)
    name = StreamId(image_id)
    picture = segment(0, {0: fire}, seconds=0, still=True, stream=name, whole_file=True)
    FoldingDriver(service.journal).fold(image_id, picture, EndTurn(stream_id=name, path=image_id))


def in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_picture_that_is_scored_in_time_answers_its_scores(service: RunningService) -> None:
    driver = in_background(lambda: score(service, "flagged", fire=0.999))

    answer = service.client.post("/v1/images?wait=30&id=flagged&channel=c", content=PNG)
    driver.join()

    body = answer.json()
    assert (answer.status_code, body["state"], body["verdict"]) == (200, "finished", "scored")
    assert (body["scores"], body["flagged"]) == ({"fire": 0.999}, ["fire"])
    assert (body["channel"], body["models"]) == ("c", ["fake@1"])


def test_a_picture_without_a_verdict_in_time_has_a_location(service: RunningService) -> None:
    answer = service.client.post("/v1/images?wait=0.1", content=PNG)

    assert answer.status_code == 202
    later = service.client.get(answer.headers["location"])
    assert (later.status_code, later.json()["state"]) == (202, "pending")


def test_a_named_picture_may_be_sent_again(service: RunningService) -> None:
    first = service.client.post("/v1/images?id=named", content=PNG)
    again = service.client.post("/v1/images?id=named", content=PNG)
    other = service.client.post("/v1/images?id=named", content=PNG + b"x")

    assert (first.status_code, again.status_code, problem(other)) == (202, 202, "conflict")


def test_a_picture_and_a_live_stream_never_share_a_name(service: RunningService) -> None:
    """Otherwise the picture became a segment of the stream, and ended it."""
    for name in ("declared", "declared-with-segments"):
        assert service.client.put(f"/v1/streams/{name}", json={}).status_code == 201
    service.client.put("/v1/streams/declared-with-segments/segments/3", content=TS)
    service.client.post("/v1/images?id=picture", content=PNG)

    refused = [
        service.client.post("/v1/images?id=declared", content=PNG),
        service.client.post("/v1/images?id=declared-with-segments", content=PNG),
        service.client.put("/v1/streams/picture/segments/0", content=TS),
        service.client.post("/v1/streams/picture/end", json={}),
    ]

    assert [problem(one) for one in refused] == ["conflict"] * 4
    states = [
        service.client.get(f"/v1/streams/{name}").json()
        for name in ("declared", "declared-with-segments")
    ]
    assert [(one["kind"], one["state"]) for one in states] == [("live", "live")] * 2
    assert service.client.get("/v1/streams/declared/segments/0").status_code == 404


def test_what_is_no_picture_is_refused(service: RunningService) -> None:
    assert problem(service.client.post("/v1/images", content=TS)) == "unsupported_media"
    assert problem(service.client.post("/v1/images?wait=61", content=PNG)) == "invalid_request"


def test_a_stream_is_no_picture(service: RunningService) -> None:
    service.client.put("/v1/streams/moving/segments/0", content=TS)

    assert problem(service.client.get("/v1/images/moving")) == "not_found"
    assert problem(service.client.post("/v1/images?id=moving", content=PNG)) == "conflict"


def test_the_name_of_a_picture_is_no_segment_that_is_known_already(
    service: RunningService,
) -> None:
    service.client.post("/v1/images?id=still", content=PNG)

    named = {"sequence": 0, "url": "https://media.example/0.ts"}
    assert problem(service.client.post("/v1/streams/still/segments", json=named)) == "conflict"


@pytest.mark.parametrize("tables", [(turn_records,), (turn_records, segments)])
def test_a_picture_whose_records_were_deleted_is_neither_harmless_nor_scored_again(
    service: RunningService, tables: tuple[Table, ...]
) -> None:
    name = f"old-{len(tables)}"
    service.client.post(f"/v1/images?id={name}", content=PNG)
    score(service, name, fire=0.999)
    with service.journal.write() as connection:
        for table in tables:
            connection.execute(delete(table).where(table.c.stream_id == name))

    assert problem(service.client.get(f"/v1/images/{name}")) == "gone"
    again = problem(service.client.post(f"/v1/images?id={name}", content=PNG))
    assert again == ("gone" if len(tables) == 1 else "stream_ended")
    kept = service.client.get(f"/v1/streams/{name}/segments/0").status_code
    assert kept == (200 if len(tables) == 1 else 404)
