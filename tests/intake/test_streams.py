"""Streams are declared, ended and asked about."""

from __future__ import annotations

import base64
import json

import pytest

from scanner.errors import DamagedError
from scanner.store import signals
from scanner.stream.inputs import EndTurn
from tests.intake.build import TS, FoldingDriver, ts
from tests.intake.conftest import RunningService
from tests.intake.test_segments import problem
from tests.stream.build import STREAM, failed, segment


def test_a_stream_may_be_declared_again_the_same(service: RunningService) -> None:
    declared = {"channel": "c", "first_sequence": 3, "expected_duration": 60}
    statuses = [
        service.client.put("/v1/streams/declared", json=body).status_code
        for body in (declared, declared, {**declared, "first_sequence": 4})
    ]

    assert statuses == [201, 200, 409]
    stream = service.client.get("/v1/streams/declared").json()
    assert (stream["channel"], stream["first_sequence"], stream["state"]) == ("c", 3, "live")
    assert stream["declared"] == {"expected_duration": 60.0}


def test_a_stream_may_be_declared_without_a_body(service: RunningService) -> None:
    assert service.client.put("/v1/streams/bare").status_code == 201


def test_an_ended_stream_accepts_segments_up_to_its_last(service: RunningService) -> None:
    put = service.client.put
    put("/v1/streams/over/segments/0", content=TS)
    end = service.client.post("/v1/streams/over/end", json={"last_sequence": 1, "reason": "done"})
    again = service.client.post("/v1/streams/over/end", json={"last_sequence": 1})
    other = service.client.post("/v1/streams/over/end", json={"last_sequence": 2})

    assert (end.status_code, again.status_code, problem(other)) == (202, 200, "conflict")
    assert put("/v1/streams/over/segments/1", content=ts(1)).status_code == 202
    assert problem(put("/v1/streams/over/segments/2", content=ts(2))) == "stream_ended"
    stream = service.client.get("/v1/streams/over").json()
    assert (stream["state"], stream["end_reason"]) == ("ended", "done")


def test_an_end_before_a_segment_that_was_accepted_conflicts(service: RunningService) -> None:
    service.client.put("/v1/streams/short/segments/5", content=TS)

    answer = service.client.post("/v1/streams/short/end", json={"last_sequence": 4})

    assert problem(answer) == "conflict"
    assert "a segment after this last_sequence was accepted" in answer.json()["detail"]


def test_a_stream_of_which_nothing_came_cannot_end(service: RunningService) -> None:
    answer = service.client.post("/v1/streams/unheard-of/end")

    assert (answer.status_code, problem(answer)) == (404, "not_found")


def test_a_stream_shows_risk_coverage_and_verdicts(service: RunningService) -> None:
    for number in range(3):
        service.client.put(f"/v1/streams/s/segments/{number}?channel=show", content=ts(number))
    driver = FoldingDriver(service.journal)
    driver.fold("s", segment(0, {0: 0.1, 2: 0.1}), failed(1, DamagedError("cut")))

    stream = service.client.get("/v1/streams/s").json()

    assert stream["segments"] == {"scored": 1, "undecodable": 1, "pending": 1}
    assert (stream["turns"], stream["coverage"], stream["risk"]) == (2, 0.75, {"fire": 0.5})
    undecodable = service.client.get("/v1/streams/s/segments/1").json()
    assert undecodable["detail"]["kind"] == "damaged"


def test_risk_over_time_is_paged_by_turn(service: RunningService) -> None:
    first = service.client.get("/v1/streams/s/risk?limit=1").json()
    second = service.client.get(f"/v1/streams/s/risk?after_turn={first['next_turn']}").json()

    assert [sample["at"] for sample in first["samples"]] == [0.0, 2.0]
    assert first["samples"][1]["levels"].keys() == {"fire"}
    assert second == {"stream_id": "s", "channel": "show", "samples": [], "next_turn": None}


def test_a_stream_is_finished_once_its_end_is_folded(service: RunningService) -> None:
    service.client.post("/v1/streams/s/end")
    FoldingDriver(service.journal).fold("s", EndTurn(stream_id=STREAM, path="s"))

    assert service.client.get("/v1/streams/s").json()["state"] == "finished"


def test_lists_go_from_page_to_page_and_can_be_filtered(service: RunningService) -> None:
    for name in ("p1", "p2", "p3"):
        service.client.put(f"/v1/streams/{name}", json={"channel": "pages"})
    found: list[str] = []
    query: str | None = "channel=pages&limit=2"
    while query is not None:
        page = service.client.get(f"/v1/streams?{query}").json()
        found += [stream["stream_id"] for stream in page["streams"]]
        query = page["next"] and f"channel=pages&limit=2&cursor={page['next']}"

    assert sorted(found) == ["p1", "p2", "p3"]
    finished = service.client.get("/v1/streams?state=finished").json()["streams"]
    assert [stream["stream_id"] for stream in finished] == ["s"]


def test_a_cursor_that_no_page_gave_is_invalid(service: RunningService) -> None:
    assert problem(service.client.get("/v1/streams?cursor=%00")) == "invalid_request"
    assert problem(service.client.get("/v1/streams?cursor=e30")) == "invalid_request"


def test_a_channel_is_live_while_one_of_its_streams_is(service: RunningService) -> None:
    service.client.put("/v1/streams/c1", json={"channel": "tv"})
    live = service.client.get("/v1/channels/tv").json()
    service.client.post("/v1/streams/c1/end")
    over = service.client.get("/v1/channels/tv").json()

    assert (live["state"], over["state"]) == ("live", "ended")
    assert [stream["stream_id"] for stream in over["streams"]] == ["c1"]
    assert problem(service.client.get("/v1/channels/radio")) == "not_found"


def test_a_signal_is_taken_for_a_stream_that_is_there(service: RunningService) -> None:
    service.client.put("/v1/streams/heard/segments/0", content=TS)
    report = {"name": "reports", "ratio": 20, "seconds": 60, "labels": ["fight"]}

    answer = service.client.post("/v1/streams/heard/signals", json=report)

    assert answer.status_code == 202
    assert answer.json() == {"stream_id": "heard", "name": "reports", "state": "accepted"}
    unknown = service.client.post("/v1/streams/unheard/signals", json=report)
    assert problem(unknown) == "not_found"


def test_a_signal_that_means_nothing_is_refused(service: RunningService) -> None:
    service.client.put("/v1/streams/odd/segments/0", content=TS)
    changes: tuple[dict[str, object], ...] = (
        {"ratio": 0},
        {"seconds": -1},
        {"seconds": 0.0004},
        {"labels": ["no_such_label"]},
        {"labels": []},
        {"name": "a b"},
        {"other": 1},
    )
    for changed in changes:
        body = {"name": "chat", "ratio": 2, **changed}
        answer = service.client.post("/v1/streams/odd/signals", json=body)
        assert problem(answer) == "invalid_request", changed


def test_signals_of_an_ended_stream_or_too_many_at_once_are_refused(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "MOST_WAITING", 3)
    service.client.put("/v1/streams/flooded/segments/0", content=TS)

    def send(number: int) -> str:
        body = {"name": f"n{number}", "ratio": 2}
        answer = service.client.post("/v1/streams/flooded/signals", json=body)
        return "" if answer.status_code == 202 else problem(answer)

    assert {send(number) for number in range(3)} == {""}
    assert send(3) == "busy"
    service.client.post("/v1/streams/flooded/end", json={"last_sequence": 0})
    assert send(0) == "stream_ended"


@pytest.mark.parametrize(
    "query",
    [
        "after_turn=240880121291709644800",
        "limit=0",
    ],
)
def test_a_page_of_risk_that_cannot_be_is_invalid(service: RunningService, query: str) -> None:
    answer = service.client.get(f"/v1/streams/s/risk?{query}")
    assert (answer.status_code, problem(answer)) == (422, "invalid_request")


@pytest.mark.parametrize("row", [["\ud800", 1], [1, "\ud800"]])
def test_a_cursor_of_impossible_values_is_invalid(
    service: RunningService, row: list[object]
) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(row).encode()).decode()
    answer = service.client.get("/v1/streams", params={"cursor": cursor})
    assert (answer.status_code, problem(answer)) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("streams/s/end", {"last_sequence": False}),
        ("streams/s/end", {"last_sequence": "1"}),
        ("streams/s/segments", {"sequence": 1, "url": "http://a.test/s.ts", "started_at": 0}),
        ("streams/s/segments", {"sequence": True, "url": "http://a.test/s.ts"}),
        ("streams/s/segments", {"sequence": 1, "url": "http://a.test/s.ts", "discontinuity": "1"}),
    ],
)
def test_a_body_with_another_type_than_documented_is_invalid(
    service: RunningService, path: str, body: dict[str, object]
) -> None:
    answer = service.client.post(f"/v1/{path}", json=body)
    assert (answer.status_code, problem(answer)) == (422, "invalid_request")


def test_a_channel_is_live_while_a_stream_is_that_began_before_its_latest_ones(
    service: RunningService,
) -> None:
    put, post = service.client.put, service.client.post
    put("/v1/streams/day-long/segments/0?channel=busy", content=TS).raise_for_status()
    for number in range(20):
        put(f"/v1/streams/short-{number}", json={"channel": "busy"}).raise_for_status()
        post(f"/v1/streams/short-{number}/end", json={}).raise_for_status()

    channel = service.client.get("/v1/channels/busy").json()

    assert (channel["state"], {one["state"] for one in channel["streams"]}) == ("live", {"ended"})
