"""Requests to the service are sent again where that may help, and only there."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from typing import get_type_hints

import httpx
import pytest
from pydantic import BaseModel

from scanner.client.asynchronous import AsyncServiceClient
from scanner.client.documents import (
    IncidentDetailDocument,
    IncidentDocument,
    PictureDocument,
    RiskDocument,
    SegmentDocument,
    StreamDocument,
)
from scanner.client.requests import GIVE_UP_SECONDS, ServiceProblemError
from scanner.client.service import ServiceClient
from scanner.errors import InputError, TransientError
from scanner.intake.answers import ImageStatus, RiskOverTime, SegmentStatus, StreamStatus
from scanner.intake.incident_answers import IncidentDetail, IncidentFacts

Answers = Callable[[httpx.Request], httpx.Response]


class FakeTime:
    """A clock that moves only by waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def sender(answers: Answers, time: FakeTime, *, key: str | None = None) -> ServiceClient:
    return ServiceClient(
        "http://service",
        key=key,
        clock=time.clock,
        wait=time.wait,
        transport=httpx.MockTransport(answers),
    )


def in_turn(*answers: httpx.Response | Exception) -> Answers:
    """Answer one request after the other."""
    left: Iterator[httpx.Response | Exception] = iter(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        following = next(left)
        if isinstance(following, Exception):
            raise following
        return following

    return answer


def problem(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"title": "No", "detail": "because"}, headers=headers)


def test_a_new_segment_is_accepted_and_a_known_one_is_known() -> None:
    answers = in_turn(httpx.Response(202), httpx.Response(200))
    with sender(answers, FakeTime()) as client:
        assert client.put_segment("s", 0, b"x") == "accepted"
        assert client.put_segment("s", 0, b"x") == "known"


def test_a_service_that_asks_for_patience_gets_it() -> None:
    time = FakeTime()
    answers = in_turn(problem(429, **{"Retry-After": "7"}), problem(507), httpx.Response(202))
    with sender(answers, time) as client:
        assert client.put_segment("s", 0, b"x") == "accepted"
    assert time.waits[0] == 7.0
    assert len(time.waits) == 2


def test_a_lost_connection_is_tried_again() -> None:
    answers = in_turn(httpx.ConnectError("refused"), httpx.Response(202))
    with sender(answers, FakeTime()) as client:
        assert client.end_stream("s", 3) == "accepted"


def test_a_refusal_is_not_tried_again_and_says_why() -> None:
    time = FakeTime()
    with (
        sender(in_turn(problem(409)), time) as client,
        pytest.raises(InputError, match="No: because"),
    ):
        client.put_segment("s", 0, b"x")
    assert time.waits == []


def test_a_service_that_stays_away_is_given_up() -> None:
    time = FakeTime()

    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with sender(refuse, time) as client, pytest.raises(TransientError, match="given up"):
        client.put_segment("s", 0, b"x")
    assert time.now >= GIVE_UP_SECONDS


def test_without_patience_a_request_is_sent_once() -> None:
    time = FakeTime()
    with (
        sender(in_turn(problem(503)), time) as client,
        pytest.raises(TransientError, match="No: because"),
    ):
        client.get("/readyz", patience=0)
    assert time.waits == []


def test_an_error_has_the_name_that_the_documentation_has() -> None:
    document = {"title": "Ended", "detail": "d", "type": "urn:streamwarden:problem:stream_ended"}
    with (
        sender(in_turn(httpx.Response(409, json=document)), FakeTime()) as client,
        pytest.raises(ServiceProblemError) as caught,
    ):
        client.put_segment("s", 0, b"x")
    assert (caught.value.problem, caught.value.status) == ("stream_ended", 409)


def test_pages_are_read_one_after_the_other() -> None:
    pages = in_turn(
        httpx.Response(200, json={"incidents": [{"id": "a"}, {"id": "b"}], "next": "cursor"}),
        httpx.Response(200, json={"incidents": [{"id": "c"}], "next": None}),
    )
    with sender(pages, FakeTime()) as client:
        assert [one["id"] for one in client.list_incidents(detection="open")] == ["a", "b", "c"]


def event_stream(*numbers: int) -> httpx.Response:
    text = "".join(
        f'id: {number}\nevent: incident.opened\ndata: {{"id": "i{number}"}}\n\n'
        for number in numbers
    )
    headers = {"Content-Type": "text/event-stream"}
    return httpx.Response(200, text=f": ping\n\n{text}", headers=headers)


def test_events_continue_after_a_lost_connection() -> None:
    asked: list[str | None] = []
    answers = in_turn(
        event_stream(5, 6), httpx.ConnectError("refused"), problem(503), event_stream(7)
    )

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("after"))
        return answers(request)

    time = FakeTime()
    with sender(answer, time) as client:
        events = [*islice(client.events(), 3)]

    assert [(one.number, one.kind, one.data) for one in events] == [
        (number, "incident.opened", {"id": f"i{number}"}) for number in (5, 6, 7)
    ]
    assert asked == [None, "6", "6", "6"]
    assert len(time.waits) == 3


def test_a_reader_that_is_cut_off_before_its_first_event_continues_where_it_began() -> None:
    asked: list[str | None] = []
    begin = httpx.Response(200, text="id: 4\n\n", headers={"Content-Type": "text/event-stream"})
    answers = in_turn(begin, problem(429), event_stream(5))

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("after"))
        return answers(request)

    with sender(answer, FakeTime()) as client:
        assert next(client.events()).number == 5
    assert asked == [None, "4", "4"]


def test_comments_between_events_are_no_events() -> None:
    text = "id: 1\nevent: a\ndata: {}\n\n: ping\n\nid: 2\nevent: b\ndata: {}\n\n"
    headers = {"Content-Type": "text/event-stream"}
    with sender(in_turn(httpx.Response(200, text=text, headers=headers)), FakeTime()) as client:
        assert [one.kind for one in islice(client.events(), 2)] == ["a", "b"]


def test_a_reader_without_rights_is_told() -> None:
    with (
        sender(in_turn(problem(403)), FakeTime()) as client,
        pytest.raises(InputError, match="No: because"),
    ):
        next(client.events())


def test_the_asynchronous_client_does_the_same() -> None:
    pages = in_turn(
        problem(429, **{"Retry-After": "7"}),
        httpx.Response(202),
        httpx.ConnectError("refused"),
        httpx.Response(200, json={"streams": [{"stream_id": "s"}], "next": None}),
        event_stream(1, 2),
    )
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    async def work() -> list[object]:
        async with AsyncServiceClient(
            "http://service", wait=wait, transport=httpx.MockTransport(pages)
        ) as client:
            sent = await client.put_segment("s", 0, b"x", duration=4)
            streams = [one["stream_id"] async for one in client.list_streams()]
            async for event in client.events(after=0):
                if event.number == 2:
                    break
            return [sent, streams, event.number]

    assert asyncio.run(work()) == ["accepted", ["s"], 2]
    assert waits[0] == 7.0
    assert len(waits) == 2


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(of: type) -> dict[str, list[str]]:
        return {
            name: [*inspect.signature(method).parameters]
            for name, method in vars(of).items()
            if inspect.isfunction(method) and not name.startswith("_")
        }

    assert methods(ServiceClient) == methods(AsyncServiceClient)


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        (SegmentDocument, SegmentStatus),
        (StreamDocument, StreamStatus),
        (RiskDocument, RiskOverTime),
        (PictureDocument, ImageStatus),
        (IncidentDocument, IncidentFacts),
        (IncidentDetailDocument, IncidentDetail),
    ],
)
def test_documents_have_the_keys_that_the_service_answers(
    document: type, answer: type[BaseModel]
) -> None:
    assert set(get_type_hints(document)) == set(answer.model_fields)


def test_metadata_is_in_the_query_and_the_key_in_a_header() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202)

    with sender(answer, FakeTime(), key="secret") as client:
        client.put_segment(
            "s",
            4,
            b"x",
            channel="c",
            init_id="i",
            discontinuity=True,
            duration=Fraction(1001, 500),
        )
    (request,) = seen
    assert dict(request.url.params) == {
        "channel": "c",
        "init": "i",
        "discontinuity": "true",
        "duration": "2.002000",
    }
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.url.path == "/v1/streams/s/segments/4"
