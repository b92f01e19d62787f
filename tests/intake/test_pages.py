"""Pages about incidents: escaped, without a script, with a blurred poster at most."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import insert

from scanner.store.schema import evidence
from tests.delivery.rows import add_revisions
from tests.intake.conftest import RunningService

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def filled(service: RunningService) -> RunningService:
    """Return a service with an incident of a stream whose name is an attack, and its evidence."""
    add_revisions(service.journal, ["opened", "closed"], incident_id="ab", stream_id=HOSTILE)
    add_revisions(service.journal, ["opened"], incident_id="cd", sinks=())
    row: dict[str, Any] = {"incident_id": "ab", "shard": 0, "due": "{}", "tries": 1}
    row |= {"next_at": 0.0, "seconds": 0.0, "updated_at": 0.0}
    with service.journal.write() as connection:
        for piece, status in (("clip-1", "cut"), ("poster-1", "cut"), ("sheet", "failed")):
            reason = "no picture" if status == "failed" else None
            connection.execute(
                insert(evidence), {**row, "piece": piece, "status": status, "reason": reason}
            )
    return service


def page(service: RunningService, path: str) -> str:
    response = service.client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert response.headers["cache-control"] == "no-store"
    return response.text


def test_the_page_of_an_incident_has_its_evidence_and_deliveries(filled: RunningService) -> None:
    text = page(filled, "/incidents/ab")
    assert re.findall(r"<img src=\"([^\"]+)\"", text) == ["/v1/incidents/ab/clip?piece=poster-1"]
    assert '<a href="/v1/incidents/ab/clip?piece=clip-1">' in text
    assert "no picture" in text
    assert "the level fell" in text
    assert text.count('class="pending"') == 2


def test_a_hostile_name_is_text(filled: RunningService) -> None:
    for path in ("/incidents", "/incidents/ab"):
        text = page(filled, path)
        assert "<script" not in text
        assert "&lt;script&gt;" in text


def test_the_list_links_every_incident_and_goes_on(filled: RunningService) -> None:
    first = page(filled, "/incidents?limit=1")
    (link,) = re.findall(r"/incidents\?cursor=[^\"]+", first)
    both = first + page(filled, link)
    assert {"/incidents/ab", "/incidents/cd"} <= set(re.findall(r"/incidents/[a-f]+", both))


def test_an_unknown_incident_has_no_page(filled: RunningService) -> None:
    assert filled.client.get("/incidents/00").status_code == 404
