"""From an incident in the journal to a clip, a webhook with a receipt and a published event."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import av
import pytest
from sqlalchemy import select

from scanner.delivery.server import DeliveryProcess
from scanner.risk.policy import Policies
from scanner.settings.sections import Settings
from scanner.settings.service import ServiceSettings, WebhookSettings
from scanner.store.database import Journal
from scanner.store.objects import ObjectStore
from scanner.store.schema import effects, evidence, heartbeats, published
from tests.delivery.build import FakeDriver
from tests.delivery.loopback import SECRET, LoopbackReceiver


def settings_for(url: str) -> Settings:
    hook = WebhookSettings(url=url, secret=SECRET, addresses="any")
    return Settings(service=ServiceSettings(webhooks={"hook": hook}))


def wait_until_settled(journal: Journal) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with journal.read() as connection:
            pieces = connection.execute(select(evidence.c.status)).scalars().all()
            sent = connection.execute(select(effects.c.status)).scalars().all()
        if pieces and "due" not in pieces and "pending" not in sent:
            return
        time.sleep(0.02)
    pytest.fail("evidence and effects are not settled within a minute")


def test_an_incident_becomes_a_clip_a_webhook_with_a_receipt_and_numbered_events(
    driver: FakeDriver,
    journal: Journal,
    objects: ObjectStore,
    policies: Policies,
    data: Path,
    card_segments: list[Path],
) -> None:
    driver.run("s", card_segments)
    with LoopbackReceiver() as receiver:
        delivery = DeliveryProcess(settings_for(receiver.url), policies, data)
        thread = threading.Thread(target=delivery.run)
        thread.start()
        try:
            wait_until_settled(journal)
        finally:
            delivery.stop()
            thread.join()

    assert [body["type"] for body in receiver.bodies] == ["incident.opened", "incident.closed"]
    with journal.read() as connection:
        pieces = {row.piece: row for row in connection.execute(select(evidence))}
        receipts = connection.execute(select(effects.c.receipt)).scalars().all()
        numbers = connection.execute(select(published.c.number, published.c.kind)).all()
        assert connection.execute(select(heartbeats.c.process)).scalars().all() == ["delivery"]
    wanted = ("clip-1", "poster-1", "sheet", "sheet-blurred")
    assert {name: row.status for name, row in pieces.items()} == dict.fromkeys(wanted, "cut")
    assert [json.loads(receipt)["status"] for receipt in receipts] == [204, 204]
    assert [number for number, _ in numbers] == list(range(1, len(numbers) + 1))
    kinds = sorted(kind for _, kind in numbers if kind.startswith("incident."))
    assert kinds == [
        "incident.closed",
        "incident.evidence",
        "incident.evidence",
        "incident.opened",
    ]
    with av.open(str(objects.path(pieces["clip-1"].object))) as container:
        assert container.duration / av.time_base > 6
