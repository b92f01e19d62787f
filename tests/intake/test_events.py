"""Events are followed from any number on, each once and in order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice

import httpx
import pytest

from scanner.store.keys import ApiKeys
from tests.intake.conftest import RunningService, run_service, wait_for
from tests.intake.evidence_rows import publish_event
from tests.intake.test_segments import problem

Event = dict[str, object]


@pytest.fixture
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that published the events 3 and 4: earlier ones are deleted."""
    with run_service(tmp_path_factory.mktemp("eventful")) as service:
        publish_event(service.journal, 3, "incident.opened", {"id": "a", "channel": "x"})
        publish_event(service.journal, 4, "incident.closed", {"id": "a", "channel": "y"})
        yield service


class EventReader:
    """A reader of events, whose request is answered."""

    def __init__(
        self, service: RunningService, query: str = "", headers: dict[str, str] | None = None
    ) -> None:
        client = service.client
        request = client.build_request("GET", f"/v1/events{query}", headers=headers)
        self._answer = client.send(request, stream=True)
        assert self._answer.headers["content-type"].startswith("text/event-stream")
        self._lines = self._answer.iter_lines()

    def __iter__(self) -> Iterator[Event]:
        event: Event = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if not line:
                if "data" in event:
                    yield event
                event = {}
            elif name in ("id", "event", "data"):
                event[name] = json.loads(value) if name == "data" else value

    def take(self, count: int) -> list[Event]:
        """Return the next events, and disconnect."""
        found = list(islice(self, count))
        self._answer.close()
        return found


def test_events_after_a_number_come_first_and_then_new_ones(eventful: RunningService) -> None:
    reader = EventReader(eventful, headers={"Last-Event-ID": "3"})
    publish_event(eventful.journal, 5, "alarm.begun", {"kind": "blind"})

    first, second = reader.take(2)

    assert first == {"id": "4", "event": "incident.closed", "data": {"id": "a", "channel": "y"}}
    assert (second["id"], second["event"]) == ("5", "alarm.begun")


@pytest.mark.parametrize("query", ["", "?after=99"])
def test_without_a_number_or_with_one_of_the_future_only_new_events_come(
    eventful: RunningService, query: str
) -> None:
    reader = EventReader(eventful, query)
    publish_event(eventful.journal, 5, "new", {})

    assert reader.take(1) == [{"id": "5", "event": "new", "data": {}}]


def test_the_answer_begins_with_the_number_after_which_it_follows(eventful: RunningService) -> None:
    with eventful.client.stream("GET", "/v1/events") as answer:
        assert next(answer.iter_text()) == "id: 4\n\n"


def test_events_that_are_no_longer_kept_are_told_as_a_gap(eventful: RunningService) -> None:
    events = EventReader(eventful, "?after=0").take(3)

    assert [one["event"] for one in events] == ["gap", "incident.opened", "incident.closed"]
    assert events[0]["data"] == {"missing_before": 3}


def test_a_key_of_one_channel_gets_events_of_that_channel_only(
    eventful: RunningService,
) -> None:
    secret = ApiKeys(eventful.journal).add("y", verbs=["read"], channels=["y"])
    headers = {"Authorization": f"Bearer {secret}"}
    wait_for(lambda: eventful.client.get("/v1/streams", headers=headers).is_success)

    events = EventReader(eventful, "?after=0", headers).take(2)

    assert [one["event"] for one in events] == ["gap", "incident.closed"]


def test_events_end_with_the_key(eventful: RunningService) -> None:
    made = ApiKeys(eventful.journal)
    headers = {"Authorization": f"Bearer {made.add('leaked', verbs=['read'], channels=None)}"}
    wait_for(lambda: eventful.client.get("/v1/streams", headers=headers).is_success)
    reader = EventReader(eventful, headers=headers)
    made.revoke("leaked")
    wait_for(lambda: eventful.client.get("/v1/streams", headers=headers).is_client_error)
    publish_event(eventful.journal, 5, "alarm.begun", {"kind": "blind"})

    assert reader.take(1) == []


def test_what_is_no_number_is_invalid(eventful: RunningService) -> None:
    headers = {"Last-Event-ID": "x"}

    assert problem(eventful.client.get("/v1/events", headers=headers)) == "invalid_request"


def test_a_reader_does_not_keep_the_server_from_ending(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    stack = ExitStack()
    service = stack.enter_context(run_service(tmp_path_factory.mktemp("ending")))
    publish_event(service.journal, 1, "first", {})
    with httpx.Client(base_url=service.client.base_url, timeout=30) as client:
        reader = EventReader(replace(service, client=client), "?after=0")
        ending = threading.Thread(target=stack.close)
        ending.start()
        assert len(list(reader)) == 1
    ending.join(20)

    assert not ending.is_alive()
