"""Webhooks to receivers that answer, refuse, redirect, stall and die."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from email.utils import format_datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sqlalchemy import select

from scanner.delivery.payload import MOST_BYTES, webhook_body, webhook_id
from scanner.delivery.sender import SinkSender, settings_digest
from scanner.settings.service import WebhookSettings
from scanner.store.database import Journal
from scanner.store.effects import DueEffect, EffectJournal
from scanner.store.schema import effects as effect_rows
from tests.delivery.loopback import SECRET, LoopbackReceiver
from tests.delivery.rows import add_revisions, incident, statuses
from tests.store.conftest import FakeClock

OpenSender = Callable[..., SinkSender]


@pytest.fixture
def effects(journal: Journal) -> EffectJournal:
    return EffectJournal(journal)


@pytest.fixture
def open_sender(
    effects: EffectJournal, journal: Journal, wall_clock: FakeClock
) -> Iterator[OpenSender]:
    """Return a function that opens the sender of a receiver; time only moves as the test says, but
    for the time stamp that the receiver checks."""
    with ExitStack() as stack:

        def open_it(url: str, *, timeout: float = 5.0, addresses: str = "any") -> SinkSender:
            settings = WebhookSettings(
                url=url, secret=SECRET, timeout_seconds=timeout, addresses=addresses
            )
            effects.register_sinks({"hook": settings_digest(settings)})
            sender = SinkSender("hook", settings, effects, now=wall_clock, draw=lambda: 0.5)
            stack.callback(sender.close)
            return sender

        yield open_it


def send_all(sender: SinkSender, clock: FakeClock, *, steps: int = 1) -> None:
    """Send until nothing is due, ``steps`` times an hour further."""
    for _ in range(steps):
        while sender.send_due():
            clock.time += 0.0
        clock.time += 3600.0


@pytest.fixture
def receiver(wall_clock: FakeClock) -> Iterator[LoopbackReceiver]:
    with LoopbackReceiver(now=wall_clock) as receiver:
        yield receiver


@pytest.mark.parametrize("fails", [False, True])
def test_a_clock_that_is_set_back_delays_no_webhook(
    journal: Journal,
    receiver: LoopbackReceiver,
    open_sender: OpenSender,
    wall_clock: FakeClock,
    fails: bool,
) -> None:
    """``fails``: a try failed before the clock was set, and the receiver was left alone."""
    add_revisions(journal, ["opened"])
    sender = open_sender(receiver.url)
    if fails:
        first = iter([500])
        receiver.behave = lambda: next(first, 204)
        assert sender.send_due()
    wall_clock.time -= 3600
    assert sender.send_due()
    assert statuses(journal) == [(1, "delivered")]


def test_a_webhook_is_signed_and_its_receipt_is_kept(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender
) -> None:
    add_revisions(journal, ["opened"])
    assert open_sender(receiver.url).send_due()
    assert dict(receiver.ids) == {"5f1e-1": 1}
    with journal.read() as connection:
        row = connection.execute(select(effect_rows)).one()
    receipt = json.loads(row.receipt)
    assert (row.status, row.attempts, receipt["status"]) == ("delivered", 1, 204)
    assert receipt["at"] == "1970-01-12T13:46:40.000000Z"
    assert receipt["seconds"] >= 0


def test_opened_and_closed_arrive_in_order(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender, wall_clock: FakeClock
) -> None:
    for name in "abc":
        add_revisions(
            journal, ["opened", "extended", "extended", "closed"], incident_id=name, stream_id=name
        )
    send_all(open_sender(receiver.url), wall_clock)
    for name in "abc":
        sent = [body["type"] for body in receiver.bodies if body["data"]["id"] == name]
        assert sent == ["incident.opened", "incident.closed"]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_every_other_answer_is_a_failure_that_is_tried_again(
    journal: Journal,
    receiver: LoopbackReceiver,
    open_sender: OpenSender,
    wall_clock: FakeClock,
    status: int,
) -> None:
    answers = iter([status, 204])
    receiver.answer = lambda _: next(answers)
    add_revisions(journal, ["opened"])
    sender = open_sender(receiver.url)
    assert sender.send_due()
    assert not sender.send_due()
    assert statuses(journal) == [(1, "pending")]
    wall_clock.time += 6
    assert sender.send_due()
    assert statuses(journal) == [(1, "delivered")]
    assert receiver.requests == 2


def test_a_redirect_is_not_followed(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender, wall_clock: FakeClock
) -> None:
    receiver.answer = lambda _: 302
    add_revisions(journal, ["opened"])
    open_sender(receiver.url).send_due()
    assert receiver.requests == 1


def test_after_ten_failures_an_effect_is_dead_and_listed_with_its_reason(
    journal: Journal,
    receiver: LoopbackReceiver,
    open_sender: OpenSender,
    effects: EffectJournal,
    wall_clock: FakeClock,
) -> None:
    receiver.answer = lambda _: 500
    add_revisions(journal, ["opened"])
    began = wall_clock.time
    sender = open_sender(receiver.url)
    while statuses(journal) == [(1, "pending")]:
        if not sender.send_due():
            wall_clock.time += 600
    assert receiver.requests == 10
    assert 75 * 3600 < wall_clock.time - began < 77 * 3600
    (dead,) = effects.list_dead()
    assert (dead.attempts, dead.error) == (10, "the receiver answers 500")


def test_gone_disables_a_receiver_until_its_settings_change(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender, wall_clock: FakeClock
) -> None:
    answers = iter([410, 204])
    receiver.answer = lambda _: next(answers)
    add_revisions(journal, ["opened"])
    sender = open_sender(receiver.url)
    sender.send_due()
    wall_clock.time += 1e6
    assert not sender.send_due()
    assert not open_sender(receiver.url).send_due()
    assert statuses(journal) == [(1, "pending")]
    assert open_sender(receiver.url + "?new").send_due()
    assert statuses(journal) == [(1, "delivered")]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_receiver_may_ask_to_be_left_alone(
    journal: Journal,
    receiver: LoopbackReceiver,
    open_sender: OpenSender,
    wall_clock: FakeClock,
    form: str,
) -> None:
    answers = iter([503, 204])
    receiver.answer = lambda _: next(answers)
    date = format_datetime(datetime.fromtimestamp(wall_clock.time + 900, UTC), usegmt=True)
    receiver.retry_after = 900 if form == "seconds" else date
    add_revisions(journal, ["opened"])
    sender = open_sender(receiver.url)
    sender.send_due()
    wall_clock.time += 899
    assert not sender.send_due()
    wall_clock.time += 2
    assert sender.send_due()


def test_while_a_receiver_fails_one_webhook_at_a_time_is_tried(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender, wall_clock: FakeClock
) -> None:
    receiver.answer = lambda _: 500
    for number in range(20):
        add_revisions(journal, ["opened"], incident_id=f"i{number}", stream_id=f"s{number}")
    sender = open_sender(receiver.url)
    sender.send_due()
    assert receiver.requests == 8
    sender.send_due()
    assert receiver.requests == 9


def test_a_connection_that_is_closed_without_an_answer_is_a_failure(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender
) -> None:
    receiver.answer = lambda _: None
    add_revisions(journal, ["opened"])
    open_sender(receiver.url).send_due()
    assert statuses(journal) == [(1, "pending")]


def test_a_cookie_of_a_receiver_stops_no_later_webhook(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender
) -> None:
    """Clients that keep cookies fail to send one with letters that HTTP does not have, and so every
    message after it."""
    receiver.cookie = "caf\u00e9=1"
    add_revisions(journal, ["opened", "closed"])
    sender = open_sender(receiver.url)
    sender.send_due()
    sender.send_due()
    assert statuses(journal) == [(1, "delivered"), (2, "delivered")]


def test_a_receiver_that_refuses_connections_is_a_failure(
    journal: Journal, open_sender: OpenSender
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    add_revisions(journal, ["opened"])
    open_sender(f"http://127.0.0.1:{port}/").send_due()
    assert statuses(journal) == [(1, "pending")]


def test_a_port_that_there_is_not_is_a_failure(journal: Journal, open_sender: OpenSender) -> None:
    add_revisions(journal, ["opened"])
    assert open_sender("http://127.0.0.1:99999/").send_due()
    assert statuses(journal) == [(1, "pending")]


def test_an_answer_that_trickles_is_given_up_after_the_whole_time_of_an_attempt(
    journal: Journal, open_sender: OpenSender
) -> None:
    """Each byte arrives before any pause is too long, so only a limit of the whole time ends it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                while not stop.wait(0.05):
                    try:
                        connection.send(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        add_revisions(journal, ["opened"])
        open_sender(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=0.5).send_due()
        stop.set()
        thread.join()
    assert statuses(journal) == [(1, "pending")]


def test_a_receiver_on_a_private_address_gets_no_connection(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender
) -> None:
    add_revisions(journal, ["opened"])
    sender = open_sender(receiver.url.replace("127.0.0.1", "localhost"), addresses="public")
    sender.send_due()
    assert receiver.requests == 0
    with journal.read() as connection:
        error = connection.execute(select(effect_rows.c.error)).scalar_one()
    assert "not public" in error


# The payload


def due(**changes: Any) -> DueEffect:
    facts = {
        "incident_id": "5f1e",
        "revision": 3,
        "sink": "hook",
        "shard": 0,
        "kind": "closed",
        "attempts": 0,
        "channel": "c",
        "incident": incident(revision=3, end=9.5).to_json(),
        "revised_at": 1e6,
    }
    return DueEffect(**{**facts, **changes})


def schema() -> dict[str, Any]:
    text = files("scanner.delivery").joinpath("webhook.schema.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@pytest.mark.parametrize(
    "effect", [due(), due(kind="opened", incident=incident(start=0.125).to_json(), channel=None)]
)
def test_a_payload_is_as_its_schema_says(effect: DueEffect) -> None:
    body = json.loads(webhook_body(effect, public_url="https://watch.example/"))
    jsonschema.Draft202012Validator(schema()).validate(body)
    assert body["data"]["links"]["page"] == "https://watch.example/incidents/5f1e"


def test_the_payload_in_the_documentation_is_as_the_schema_says() -> None:
    text = (Path(__file__).parents[2] / "docs" / "service.md").read_text("utf-8")
    (example,) = re.findall(r"```jsonc\n(.*?)```", text, re.DOTALL)
    jsonschema.Draft202012Validator(schema()).validate(json.loads(example))


def test_a_payload_has_no_field_that_its_schema_does_not_name() -> None:
    data = json.loads(webhook_body(due()))["data"]
    assert data.keys() == schema()["$defs"]["incident"]["properties"].keys()


def test_a_revision_always_has_the_same_id_and_body() -> None:
    again = due(attempts=7)
    assert webhook_id(due()) == webhook_id(again) == "5f1e-3"
    assert webhook_body(due()) == webhook_body(again)


def test_the_largest_payload_is_smaller_than_the_limit() -> None:
    many = incident().to_json() | {
        "stream_id": "s" * 500,
        "labels": ["l" * 100] * 1000,
        "start": [10**30 - 1, 10**30],
    }
    body = webhook_body(due(incident=many, channel="c" * 500), public_url="https://" + "h" * 200)
    assert len(body.encode()) < MOST_BYTES
