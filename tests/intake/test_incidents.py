"""Incidents are listed, and their media are shown once they are made."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from scanner.settings.policies import policy_rows
from scanner.store.schema import configurations
from scanner.stream.inputs import EndTurn
from tests.intake.build import FoldingDriver, ts
from tests.intake.conftest import RunningService, run_service
from tests.intake.evidence_rows import add_piece
from tests.intake.test_segments import problem
from tests.stream.build import POLICIES, STREAM, segment

BURNING = {0: 0.999, 1: 0.999, 2: 0.999, 3: 0.999}


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with one stream of channel c, in which something burned."""
    with run_service(tmp_path_factory.mktemp("flagged")) as service:
        for number in range(3):
            service.client.put(f"/v1/streams/s/segments/{number}?channel=c", content=ts(number))
        with service.journal.write() as connection:
            body = json.dumps({"labels": policy_rows(POLICIES)})
            row = {"generation": 0, "body": body, "created_at": 0.0}
            connection.execute(insert(configurations), row)
        FoldingDriver(service.journal, sinks=("hook",)).fold(
            "s",
            segment(0, {0: 0.01, 2: 0.01}),
            segment(1, BURNING),
            segment(2, BURNING),
            EndTurn(stream_id=STREAM, path="s"),
            channel="c",
        )
        yield service


@pytest.fixture
def incident_id(flagged: RunningService) -> str:
    (incident,) = flagged.client.get("/v1/incidents").json()["incidents"]
    return str(incident["id"])


def test_an_incident_has_its_revisions_and_deliveries(
    flagged: RunningService, incident_id: str
) -> None:
    incident = flagged.client.get(f"/v1/incidents/{incident_id}").json()

    assert (incident["label"], incident["stream_id"], incident["channel"]) == ("fire", "s", "c")
    assert (incident["detection"], incident["reason"]) == ("closed", "ended")
    assert incident["start"] < incident["opened"] < incident["end"]
    kinds = [one["kind"] for one in incident["revisions"]]
    assert (kinds[0], kinds[-1]) == ("opened", "closed")
    assert {(one["sink"], one["status"]) for one in incident["deliveries"]} == {("hook", "pending")}
    assert [one["revision"] for one in incident["deliveries"]] == list(
        range(1, incident["revision"] + 1)
    )


def test_an_incident_says_which_scores_of_which_model_opened_it_under_which_policy(
    flagged: RunningService, incident_id: str
) -> None:
    incident = flagged.client.get(f"/v1/incidents/{incident_id}").json()

    (why,) = incident["why"]
    assert (why["label"], why["revision"], why["models"]) == ("fire", 1, ["fake@1"])
    assert (why["at"], why["score"]) == (incident["opened"], 0.999)
    assert why["evidence"] == [incident["start"], incident["opened"]]
    assert {one["score"] for one in why["samples"]} == {0.999}
    assert why["policy"]["method"] == "dwell"
    assert why["level"] >= why["policy"]["open"]
    assert (why["boost"], why["signals"]) == (0.0, [])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("stream_id=s&label=fire&channel=c&detection=closed", 1),
        ("stream_id=t", 0),
        ("label=gun", 0),
        ("channel=d", 0),
        ("detection=open", 0),
        ("shadow=true", 0),
    ],
)
def test_incidents_can_be_filtered(flagged: RunningService, query: str, found: int) -> None:
    assert len(flagged.client.get(f"/v1/incidents?{query}").json()["incidents"]) == found


def test_a_page_of_incidents_continues_after_its_last(
    flagged: RunningService, incident_id: str
) -> None:
    page = flagged.client.get("/v1/incidents?limit=1").json()

    assert ([one["id"] for one in page["incidents"]], page["next"]) == ([incident_id], None)


def test_a_clip_is_shown_once_it_is_cut(flagged: RunningService, incident_id: str) -> None:
    get = flagged.client.get
    path = f"/v1/incidents/{incident_id}/clip"
    assert problem(get(path)) == "not_found"

    add_piece(flagged.journal, incident_id, "clip-1", status="due")
    assert (get(path).status_code, problem(get(path))) == (409, "not_ready")

    incoming = flagged.objects.receive()
    incoming.write(b"0123456789")
    flagged.objects.put_many([(incoming, "clips/x.mp4")])
    add_piece(flagged.journal, incident_id, "clip-1", status="cut", stored="clips/x.mp4")
    part = get(path, headers={"Range": "bytes=2-4"})

    assert (part.status_code, part.content) == (206, b"234")
    assert part.headers["content-type"] == "video/mp4"
    assert part.headers["cache-control"] == "no-store"
    assert "sandbox" in part.headers["content-security-policy"]
    flagged.objects.delete("clips/x.mp4")
    assert (get(path).status_code, problem(get(path))) == (410, "gone")


def test_a_piece_that_failed_says_why(flagged: RunningService, incident_id: str) -> None:
    add_piece(flagged.journal, incident_id, "sheet", status="failed", reason="no picture")

    answer = flagged.client.get(f"/v1/incidents/{incident_id}/clip?piece=sheet")

    assert (problem(answer), "no picture" in answer.json()["detail"]) == ("gone", True)


def test_an_unknown_incident_is_not_found(flagged: RunningService) -> None:
    for path in ("/v1/incidents/00ff", "/v1/incidents/00ff/clip"):
        assert problem(flagged.client.get(path)) == "not_found"
    assert problem(flagged.client.get("/v1/incidents/..%2f")) in ("invalid_request", "not_found")
