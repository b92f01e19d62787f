"""What belongs to a hidden category is in no answer: neither a score, nor a count, nor an event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from scanner.store.publication import append_events
from scanner.store.schema import published, streams
from tests.browser.scene import (
    STORY,
    add_evidence,
    add_stream,
    incident_of,
    write_configuration,
)
from tests.console.people import SignedIn, sign_in
from tests.intake.build import PNG
from tests.intake.conftest import RunningService, run_service


@pytest.fixture(scope="module")
def burning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with a stream in which something burns, and a picture of it."""
    with run_service(tmp_path_factory.mktemp("burning")) as service:
        write_configuration(service)
        add_stream(service, "camp", channel="outdoor", story=STORY[:4], ends=False)
        service.client.post("/v1/images?id=still", content=PNG).raise_for_status()
        summary = {"peaks": {"fire": 0.9, "smoke": 0.2, "gun": 0.1}, "risk": {"fire": 0.8}}
        with service.journal.write() as connection:
            connection.execute(update(streams).values(summary=json.dumps(summary)))
        yield service


@pytest.fixture(scope="module")
def blind(burning: RunningService) -> SignedIn:
    return sign_in(burning, hidden_categories={"hazard"})


@pytest.mark.parametrize(
    "path",
    ["/v1/streams", "/v1/streams/camp", "/v1/streams/camp/risk", "/v1/channels/outdoor"],
)
def test_streams_have_no_scores_of_hidden_labels(
    burning: RunningService, blind: SignedIn, path: str
) -> None:
    assert "fire" in sign_in(burning).get(path).text
    answer = blind.get(path)

    assert answer.status_code == 200
    assert "fire" not in answer.text
    assert "smoke" not in answer.text


def test_open_incidents_of_hidden_categories_are_not_counted(
    burning: RunningService, blind: SignedIn
) -> None:
    everybody = sign_in(burning).get("/v1/streams/camp").json()
    restricted = blind.get("/v1/streams/camp").json()

    assert (everybody["open_incidents"], restricted["open_incidents"]) == (1, 0)
    assert restricted["peaks"] == {"gun": 0.1}


def test_a_picture_has_no_scores_of_hidden_labels(burning: RunningService, blind: SignedIn) -> None:
    answer = blind.get("/v1/images/still")

    assert answer.status_code in (200, 202)
    assert "fire" not in answer.text


def event_kinds(person: SignedIn, service: RunningService) -> list[str]:
    """Return the types of all events, up to the last one, which is for everybody."""
    headers = {"Cookie": f"__Host-streamwarden={person.token}"}
    found = []
    with service.client.stream("GET", "/v1/events?after=0", headers=headers) as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                found.append(line.removeprefix("event: "))
                if found[-1] == "channel.ended":
                    return found
    return found


def test_events_of_evidence_say_the_category_and_are_not_told_where_it_is_hidden(
    burning: RunningService, blind: SignedIn, tmp_path: Path
) -> None:
    add_evidence(burning, incident_of(burning, "camp"), tmp_path / "camp")
    with burning.journal.write() as connection:
        now = burning.journal.now()
        append_events(connection, [(0, "incident.evidence", {"id": "old"})], now=now)
        append_events(connection, [(0, "channel.ended", {"channel": "outdoor"})], now=now)
    with burning.journal.read() as connection:
        bodies = connection.execute(select(published.c.body).limit(1)).scalars().all()

    assert json.loads(bodies[0])["category"] == "hazard"
    assert "incident.evidence" in event_kinds(sign_in(burning), burning)
    assert event_kinds(blind, burning) == ["channel.ended"]


def test_the_chart_of_an_item_has_no_line_of_a_hidden_label(burning: RunningService) -> None:
    item_id = incident_of(burning, "camp")
    with burning.journal.write() as connection:
        connection.exec_driver_sql("UPDATE reviews SET category = 'graphic'")
    assert 'id="risk"' in sign_in(burning).get(f"/review/{item_id}").text
    page = sign_in(burning, hidden_categories={"hazard"}).get(f"/review/{item_id}")

    assert page.status_code == 200
    assert 'id="risk"' not in page.text
