"""Requests to the service are sent again where that may help, and only there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import httpx
import pytest

from scanner.client.sender import GIVE_UP_SECONDS, SegmentSender
from scanner.errors import InputError, TransientError

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


def sender(answers: Answers, time: FakeTime, *, key: str | None = None) -> SegmentSender:
    return SegmentSender(
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
