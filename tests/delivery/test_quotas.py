"""Automatic actions have quotas: what is beyond them is held for people, who may send it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from scanner.cli.app import run
from scanner.delivery.alarms import Measured, alarms_due
from scanner.delivery.sender import SinkSender, settings_digest
from scanner.settings.service import RetentionSettings, WebhookSettings
from scanner.store.conditions import AlarmJournal
from scanner.store.database import Journal
from scanner.store.decision_effects import DecisionEffects
from scanner.store.effects import EffectJournal
from scanner.store.review_schema import reviews
from scanner.store.reviews import NewDecision, ReviewJournal
from scanner.store.schema import counters, incidents
from tests.delivery.loopback import SECRET, LoopbackReceiver
from tests.delivery.rows import add_revisions
from tests.store.conftest import FakeClock

OpenSender = Callable[..., SinkSender]
ANN = NewDecision(verdict="violation", reason="fire", note="", person="user-ann", reviewer="0a1b")
BOT = replace(ANN, person="key-bot", reviewer="b0b0", by="machine")


@pytest.fixture
def receiver(wall_clock: FakeClock) -> Iterator[LoopbackReceiver]:
    with LoopbackReceiver(now=wall_clock) as receiver:
        yield receiver


@pytest.fixture
def open_sender(
    journal: Journal, receiver: LoopbackReceiver, wall_clock: FakeClock
) -> Iterator[OpenSender]:
    with ExitStack() as stack:

        def open_it(**quota: int) -> SinkSender:
            settings = WebhookSettings(
                url=receiver.url,
                secret=SECRET,
                addresses="any",
                **quota,  # type: ignore[arg-type]
            )
            effects = EffectJournal(journal)
            effects.register_sinks({"hook": settings_digest(settings)})
            sender = SinkSender("hook", settings, effects, DecisionEffects(journal), now=wall_clock)
            stack.callback(sender.close)
            return sender

        yield open_it


def open_incidents(journal: Journal, *names: str, channel: str | None = None) -> None:
    for name in names:
        add_revisions(journal, ["opened"], incident_id=name, stream_id=f"s-{name}")
        with journal.write() as connection:
            for table, key in ((incidents, "incident_id"), (reviews, "item_id")):
                connection.execute(
                    update(table).where(table.c[key] == name).values(channel=channel)
                )


def send_all(sender: SinkSender) -> None:
    while sender.send_due():
        pass


def sent(receiver: LoopbackReceiver) -> list[str]:
    """Return what was received, as type and id, sorted: messages of one batch are sent at once."""
    return sorted(
        f"{body['type'].partition('.')[2]} {body['data'].get('item', body['data'])['id']}"
        for body in receiver.bodies
    )


def item(journal: Journal, name: str) -> Any:
    with journal.read() as connection:
        return connection.execute(select(reviews).where(reviews.c.item_id == name)).one()


def held(journal: Journal) -> list[tuple[str, int, str | None]]:
    found = EffectJournal(journal).list_dead()
    return sorted((one.incident_id, one.revision, one.error) for one in found)


def test_incidents_beyond_the_quota_are_held_and_wait_for_people_with_the_reason(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender
) -> None:
    open_incidents(journal, "a1", "b2", "c3")

    send_all(open_sender(actions_per_hour=2))

    assert sent(receiver) == ["opened a1", "opened b2"]
    assert held(journal) == [("c3", 1, "quota: 2 automatic actions in the last hour")]
    assert (item(journal, "c3").state, item(journal, "c3").returned) == ("waiting", "quota: hook")
    assert item(journal, "a1").returned is None
    with journal.read() as connection:
        total = connection.execute(
            select(counters.c.value).where(counters.c.name == "effects", counters.c.label == "held")
        ).scalar_one()
    assert total == 1


def test_the_hour_slides_and_retries_count_once(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender, wall_clock: FakeClock
) -> None:
    sender = open_sender(actions_per_hour=1)
    receiver.behave = lambda: 503
    open_incidents(journal, "a1")
    send_all(sender)
    wall_clock.time += 600
    receiver.behave = lambda: 204
    send_all(sender)
    open_incidents(journal, "b2")
    send_all(sender)
    wall_clock.time += 3001
    open_incidents(journal, "c3")
    send_all(sender)

    assert sent(receiver) == ["opened a1", "opened c3"]
    assert [name for name, _, _ in held(journal)] == ["b2"]


def test_one_channel_does_not_use_up_the_quota_of_another(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender
) -> None:
    open_incidents(journal, "a1", "b2", channel="loud")
    open_incidents(journal, "c3", channel="calm")
    open_incidents(journal, "d4")

    send_all(open_sender(channel_actions_per_hour=1))

    assert sent(receiver) == ["opened a1", "opened c3", "opened d4"]
    assert held(journal) == [("b2", 1, "quota: 1 automatic actions on loud in the last hour")]


def test_no_revision_of_a_held_incident_is_sent_and_those_of_a_sent_one_are(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender
) -> None:
    sender = open_sender(actions_per_hour=1)
    open_incidents(journal, "a1", "b2")
    send_all(sender)
    for name in ("a1", "b2"):
        add_revisions(journal, ["closed"], incident_id=name, stream_id=f"s-{name}", first=2, turn=1)
    send_all(sender)

    assert sent(receiver) == ["closed a1", "opened a1"]
    assert [(name, revision) for name, revision, _ in held(journal)] == [("b2", 1), ("b2", 2)]


def test_a_person_sends_what_is_held_beyond_every_quota(
    journal: Journal,
    receiver: LoopbackReceiver,
    open_sender: OpenSender,
    data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sender = open_sender(actions_per_hour=0)
    open_incidents(journal, "a1")
    send_all(sender)
    assert sent(receiver) == []

    assert run(["deliveries", "list", "--json", "--data", str(data)]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["incident"], row["status"], row["attempts"]) == ("a1", "held", 0)
    assert EffectJournal(journal).retry_dead(incident_id="a1") == 1
    send_all(sender)
    assert item(journal, "a1").returned is None

    assert sent(receiver) == ["opened a1"]
    open_incidents(journal, "b2")
    send_all(open_sender(actions_per_hour=1))
    assert sent(receiver) == ["opened a1", "opened b2"]


def test_decisions_of_people_are_never_limited(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender
) -> None:
    sender = open_sender(actions_per_hour=0)
    open_incidents(journal, "a1")
    send_all(sender)

    ReviewJournal(journal, sinks=("hook",)).decide("a1", ANN)
    send_all(sender)

    assert sent(receiver) == ["made a1"]
    assert (item(journal, "a1").state, item(journal, "a1").returned) == ("decided", None)


def test_a_violation_that_a_program_decided_is_held_and_its_item_waits_again(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender, data: Path
) -> None:
    sender = open_sender(actions_per_hour=2)
    open_incidents(journal, "a1", "b2")
    send_all(sender)
    decide = ReviewJournal(journal, sinks=("hook",)).decide
    decide("a1", BOT)
    decide("b2", replace(BOT, verdict="no_violation", reason=None))
    send_all(sender)

    assert sent(receiver) == ["made b2", "opened a1", "opened b2"]
    assert (item(journal, "a1").state, item(journal, "a1").returned) == ("waiting", "quota: hook")
    (dead,) = DecisionEffects(journal).list_dead()
    assert (dead.item_id, dead.status) == ("a1", "held")
    DecisionEffects(journal).retry_dead(("hook",))
    send_all(sender)
    assert sent(receiver) == ["made a1", "made b2", "opened a1", "opened b2"]
    assert (item(journal, "a1").state, item(journal, "a1").returned) == ("decided", None)


def test_a_receiver_without_a_quota_gets_everything(
    journal: Journal, receiver: LoopbackReceiver, open_sender: OpenSender
) -> None:
    names = [f"a{number}" for number in range(20)]
    open_incidents(journal, *names)
    send_all(open_sender())

    assert len(sent(receiver)) == 20


def test_held_actions_are_an_alarm_for_an_hour(
    journal: Journal, open_sender: OpenSender, wall_clock: FakeClock
) -> None:
    open_incidents(journal, "a1", "b2")
    send_all(open_sender(actions_per_hour=0))
    alarms = AlarmJournal(journal)

    held_now = alarms.held_since(wall_clock.time - 3600)
    measured = Measured(
        now=0, free_share=1, oldest_waiting=None, failing=(), clock_is_steady=True, held=held_now
    )

    assert alarms_due(measured, frozenset(), RetentionSettings()) == {
        ("actions.held", "hook"): {"held": 2}
    }
    assert alarms.held_since(wall_clock.time + 1) == {}
