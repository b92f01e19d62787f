"""Decisions leave the service: after their incident, in order, without who made them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from sqlalchemy import select

from scanner.delivery.payload import decision_data
from scanner.delivery.sender import SinkSender, settings_digest
from scanner.settings.service import WebhookSettings
from scanner.store.database import Journal
from scanner.store.decision_effects import DecisionEffects
from scanner.store.effects import EffectJournal
from scanner.store.publication import publish
from scanner.store.review_queries import ReviewQueries, Sight
from scanner.store.reviews import NewDecision, ReviewJournal
from scanner.store.schema import published
from tests.delivery.loopback import SECRET, LoopbackReceiver
from tests.delivery.rows import add_revisions
from tests.store.conftest import FakeClock

ANN = NewDecision(
    verdict="violation", reason="fire", note="call Ann", person="user-ann", reviewer="0a1b"
)


@pytest.fixture
def receiver(wall_clock: FakeClock) -> Iterator[LoopbackReceiver]:
    with LoopbackReceiver(now=wall_clock) as receiver:
        yield receiver


@pytest.fixture
def sender(
    journal: Journal, receiver: LoopbackReceiver, wall_clock: FakeClock
) -> Iterator[SinkSender]:
    settings = WebhookSettings(url=receiver.url, secret=SECRET, addresses="any")
    effects = EffectJournal(journal)
    effects.register_sinks({"hook": settings_digest(settings)})
    sender = SinkSender(
        "hook", settings, effects, DecisionEffects(journal), now=wall_clock, draw=lambda: 0.5
    )
    yield sender
    sender.close()


@pytest.fixture
def reviews(journal: Journal) -> ReviewJournal:
    add_revisions(journal, ["opened"], incident_id="ab")
    return ReviewJournal(journal, sinks=("hook",))


def send_all(sender: SinkSender, clock: FakeClock, *, hours: int = 1) -> None:
    for _ in range(hours):
        while sender.send_due():
            pass
        clock.time += 3600.0


def test_a_decision_and_its_undoing_arrive_in_order_after_the_incident(
    reviews: ReviewJournal, sender: SinkSender, receiver: LoopbackReceiver, wall_clock: FakeClock
) -> None:
    reviews.decide("ab", ANN)
    reviews.undo("ab", person="user-ann", reviewer="0a1b", within=300)
    send_all(sender, wall_clock)

    assert [one["type"] for one in receiver.bodies] == [
        "incident.opened",
        "decision.made",
        "decision.undone",
    ]
    schema = json.loads(files("scanner.delivery").joinpath("webhook.schema.json").read_text())
    for body in receiver.bodies:
        jsonschema.validate(body, schema)
    made, undone = (one["data"] for one in receiver.bodies[1:])
    assert undone["undoes"] == made["id"]
    assert made["decided_by"] == {"kind": "human", "reviewer": "0a1b"}
    assert not {"user-ann", "Ann"} & set(json.dumps(made).replace('"', " ").split())


def test_a_decision_that_is_not_final_does_not_leave(
    reviews: ReviewJournal, sender: SinkSender, receiver: LoopbackReceiver, wall_clock: FakeClock
) -> None:
    escalated = NewDecision(verdict="escalate", person="a", reviewer="r")
    reviews.decide("ab", escalated)
    send_all(sender, wall_clock)

    assert [one["type"] for one in receiver.bodies] == ["incident.opened"]


def test_an_item_whose_decision_cannot_be_delivered_returns_to_the_queue(
    journal: Journal,
    reviews: ReviewJournal,
    sender: SinkSender,
    receiver: LoopbackReceiver,
    wall_clock: FakeClock,
) -> None:
    send_all(sender, wall_clock)
    receiver.answer = lambda _: 500
    reviews.decide("ab", ANN)
    send_all(sender, wall_clock, hours=90)

    item = ReviewQueries(journal).item("ab")
    assert item is not None
    assert (item["state"], item["returned"]) == ("waiting", "undelivered: hook")
    (delivery,) = item["deliveries"]
    assert (delivery["status"], delivery["attempts"]) == ("dead", 10)
    assert reviews.decide("ab", ANN).repeated is False
    assert ReviewQueries(journal).decisions(Sight())[0]["undone_by"] is None


def test_items_whose_receiver_wants_no_more_return_to_the_queue(
    journal: Journal,
    reviews: ReviewJournal,
    sender: SinkSender,
    receiver: LoopbackReceiver,
    wall_clock: FakeClock,
) -> None:
    add_revisions(journal, ["opened"], incident_id="cd")
    send_all(sender, wall_clock)
    receiver.answer = lambda _: 410
    for number, incident_id in enumerate(("ab", "cd")):  # the second is decided afterwards
        reviews.decide(incident_id, ANN)
        send_all(sender, wall_clock)

        item = ReviewQueries(journal).item(incident_id)
        assert item is not None
        assert (item["state"], item["returned"]) == ("waiting", "undelivered: hook")
        assert item["deliveries"][0]["attempts"] == 1 - number
    assert [one.error for one in DecisionEffects(journal).list_dead()] == [
        "the receiver answered 410"
    ] * 2


def fail_for_good(
    reviews: ReviewJournal, sender: SinkSender, receiver: LoopbackReceiver, clock: FakeClock
) -> None:
    """Let the decision about ``ab`` be given up, after its incident was delivered."""
    send_all(sender, clock)
    receiver.answer = lambda _: 500
    reviews.decide("ab", ANN)
    send_all(sender, clock, hours=90)
    receiver.answer = lambda _: 204


def test_a_decision_that_was_given_up_is_sent_again_and_its_item_is_decided_meanwhile(
    journal: Journal,
    reviews: ReviewJournal,
    sender: SinkSender,
    receiver: LoopbackReceiver,
    wall_clock: FakeClock,
) -> None:
    fail_for_good(reviews, sender, receiver, wall_clock)
    effects = DecisionEffects(journal)
    (dead,) = effects.list_dead()
    assert (dead.item_id, dead.kind, dead.sink, dead.attempts) == ("ab", "made", "hook", 10)

    assert effects.retry_dead(["other"]) == []
    assert effects.retry_dead(["hook"], item_id="cd") == []
    assert effects.retry_dead(["hook"]) == ["ab"]

    item = ReviewQueries(journal).item("ab")
    assert item is not None
    assert (item["state"], item["verdict"], item["returned"]) == ("decided", "violation", None)
    send_all(sender, wall_clock)
    assert receiver.bodies[-1]["type"] == "decision.made"
    assert effects.list_dead() == ()


def test_a_decision_that_another_one_followed_is_not_sent_again(
    journal: Journal,
    reviews: ReviewJournal,
    sender: SinkSender,
    receiver: LoopbackReceiver,
    wall_clock: FakeClock,
) -> None:
    fail_for_good(reviews, sender, receiver, wall_clock)
    reviews.decide("ab", NewDecision(verdict="no_violation", person="bob", reviewer="2c3d"))
    send_all(sender, wall_clock)

    assert DecisionEffects(journal).retry_dead(["hook"]) == []
    assert receiver.bodies[-1]["data"]["verdict"] == "no_violation"


def test_an_item_that_was_decided_again_meanwhile_does_not_return_for_the_earlier_decision(
    journal: Journal,
    reviews: ReviewJournal,
    sender: SinkSender,
    receiver: LoopbackReceiver,
    wall_clock: FakeClock,
) -> None:
    send_all(sender, wall_clock)
    receiver.answer = lambda body: 500 if body["data"]["verdict"] == "violation" else 204
    reviews.decide("ab", ANN)
    send_all(sender, wall_clock, hours=50)
    reviews.undo("ab", person="lea", reviewer="3d4e", within=0, leads=True)
    reviews.decide("ab", NewDecision(verdict="no_violation", person="bob", reviewer="2c3d"))
    send_all(sender, wall_clock, hours=200)

    assert receiver.bodies[-1]["data"]["verdict"] == "no_violation"
    item = ReviewQueries(journal).item("ab")
    assert item is not None
    assert (item["state"], item["verdict"], item["returned"]) == ("decided", "no_violation", None)


def test_final_decisions_are_events_once_and_in_order_without_who_made_them(
    journal: Journal, reviews: ReviewJournal
) -> None:
    def events() -> list[tuple[str, dict[str, Any]]]:
        with journal.read() as connection:
            rows = connection.execute(select(published).order_by(published.c.number)).all()
        return [(row.kind, json.loads(row.body)) for row in rows]

    reviews.decide("ab", NewDecision(verdict="escalate", person="user-ann", reviewer="0a1b"))
    publish(journal, lambda one: {"id": one.incident_id}, decision_data)
    reviews.decide("ab", replace(ANN, leads=True))
    reviews.undo("ab", person="user-ann", reviewer="0a1b", within=300)
    publish(journal, lambda _: {}, decision_data)
    publish(journal, lambda _: {}, decision_data)

    assert [kind for kind, _ in events()] == ["incident.opened", "decision.made", "decision.undone"]
    made, undone = (body for _, body in events()[1:])
    assert undone["undoes"] == made["id"]
    assert made["item"]["channel"] == "c"
    assert made["decided_by"] == {"kind": "human", "reviewer": "0a1b"}
    assert "user-ann" not in json.dumps(events())
    assert "call Ann" not in json.dumps(events())
