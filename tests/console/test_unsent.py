"""A lead sees what a quota held, or what was given up, and has it sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from scanner.settings.service import ServiceSettings, WebhookSettings
from scanner.store.audit import AuditLog
from scanner.store.effects import EffectJournal
from scanner.store.people import Role
from scanner.store.review_schema import reviews
from scanner.store.schema import effects
from tests.console.people import SignedIn, sign_in
from tests.delivery.loopback import SECRET
from tests.delivery.rows import add_revisions
from tests.intake.conftest import RunningService, run_service
from tests.intake.test_segments import problem

WHY = "quota: 1 automatic actions in the last hour"


@pytest.fixture
def holding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with an incident whose two revisions are held for ``hook``."""
    folder = tmp_path_factory.mktemp("holding")
    hook = WebhookSettings(url="https://enforcement.example/hook", secret=SECRET)
    with run_service(folder, ServiceSettings(data=folder, webhooks={"hook": hook})) as service:
        EffectJournal(service.journal).register_sinks({"hook": "1"})
        add_revisions(service.journal, ["opened", "extended"], incident_id="ab")
        with service.journal.write() as connection:
            connection.execute(update(effects).values(status="held", error=WHY))
            connection.execute(update(reviews).values(returned="quota: hook"))
        yield service


def statuses(service: RunningService) -> list[tuple[str, float | None]]:
    with service.journal.read() as connection:
        columns = effects.c
        rows = connection.execute(select(columns.status, columns.admitted_at))
        return [(row.status, row.admitted_at) for row in rows]


def sent_entries(service: RunningService) -> list[Any]:
    return AuditLog(service.journal).entries(action="delivery_retried")


def send(person: SignedIn, item_id: str, **body: Any) -> Any:
    headers = {"X-CSRF-Token": person.csrf}
    return person.send("POST", f"/v1/reviews/{item_id}/send", headers=headers, json=body)


def test_a_lead_sends_what_is_held_by_a_button_and_it_is_recorded(holding: RunningService) -> None:
    lea = sign_in(holding, Role.LEAD)
    for path in ("/lead", "/review/ab"):
        page = lea.get(path).text
        assert WHY in page
        assert 'action="/review/ab/send"' in page
    answer = lea.post("/review/ab/send", **{"sink": "hook", "from": "lead"})

    assert answer.headers["location"] == "/lead?sent=2"
    assert "2 messages will be sent now" in lea.get("/lead?sent=2").text
    assert statuses(holding) == [("pending", 0.0)] * 2
    (entry,) = sent_entries(holding)
    assert (entry.actor, entry.subject) == (lea.user.user_id, "ab")
    assert entry.details == {"sinks": ["hook"], "messages": 2}
    assert 'action="/review/ab/send"' not in lea.get("/review/ab").text


def test_programs_list_and_send_it_once(holding: RunningService) -> None:
    lea = sign_in(holding, Role.LEAD)
    (listed,) = lea.get("/v1/reviews/unsent").json()["items"]
    answers = [send(lea, "ab").json(), send(lea, "ab", sink="hook").json()]

    assert (listed["item_id"], listed["sink"], listed["messages"]) == ("ab", "hook", 2)
    assert (listed["status"], listed["error"]) == ("held", WHY)
    assert answers == [{"messages": 2}, {"messages": 0}]
    assert len(sent_entries(holding)) == 1
    assert lea.get("/v1/reviews/unsent").json() == {"items": []}
    assert problem(send(lea, "ab", sink="other")) == "invalid_request"


def test_a_lead_sends_nothing_of_an_item_that_is_hidden_from_them(holding: RunningService) -> None:
    for limits in ({"hidden_categories": {"hazard"}}, {"channels": {"elsewhere"}}):
        blind = sign_in(holding, Role.LEAD, **limits)

        assert blind.get("/v1/reviews/unsent").json() == {"items": []}
        assert problem(send(blind, "ab")) == "not_found"
        assert WHY not in blind.get("/lead").text
    assert statuses(holding) == [("held", None)] * 2


def test_a_moderator_is_told_that_a_lead_can_have_it_sent(holding: RunningService) -> None:
    ann = sign_in(holding)
    page = ann.get("/review/ab").text

    assert "A lead can have it sent" in page
    assert 'action="/review/ab/send"' not in page
    assert ann.post("/review/ab/send").status_code == 403
