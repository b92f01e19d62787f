"""A decision that was answered is there, and what the audit log says of it, whatever happens to the
web process."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from scanner.store.audit import AuditLog
from scanner.store.database import open_journal
from scanner.store.review_queries import ReviewQueries, Sight
from tests.delivery.rows import add_revisions
from tests.intake.processes import WebProcess

pytestmark = pytest.mark.fault
ROUNDS, ITEMS = 4, 8


def decide(url: str, item_id: str, acknowledged: dict[str, str]) -> None:
    """Decide an item, and note the decision if it was answered."""
    path = f"{url}/v1/incidents/{item_id}/decisions"
    try:
        answer = httpx.post(path, json={"verdict": "no_violation"}, timeout=60)
    except httpx.TransportError:
        return
    if answer.status_code == 201:
        acknowledged[item_id] = answer.json()["decision_id"]


def test_a_killed_web_process_loses_no_decision_and_makes_none_twice(tmp_path: Path) -> None:
    with WebProcess(tmp_path, module="scanner.console.server") as web:
        _kill_and_check(web)


def _kill_and_check(web: WebProcess) -> None:
    journal = open_journal(web.data)
    items = [f"{number:04x}" for number in range(ROUNDS * ITEMS)]
    for item_id in items:
        add_revisions(journal, ["opened"], incident_id=item_id, stream_id=f"s-{item_id}")
    acknowledged: dict[str, str] = {}
    for first in range(0, len(items), ITEMS):
        web.wait_until_ready()
        for item_id in items[first : first + ITEMS - 1]:
            decide(web.url, item_id, acknowledged)
        last = items[first + ITEMS - 1]
        request = threading.Thread(target=decide, args=(web.url, last, acknowledged))
        request.start()
        web.kill()
        web.start()
        request.join()
    web.wait_until_ready()
    again: dict[str, Any] = {}
    for item_id in items:
        decide(web.url, item_id, again)
    web.drain()
    rows = ReviewQueries(journal).decisions(Sight(), limit=500)
    entries = AuditLog(journal).entries(action="decide", limit=500)
    journal.close()

    assert len(acknowledged) >= ROUNDS * (ITEMS - 1)
    assert acknowledged.items() <= again.items()
    assert sorted(one["item_id"] for one in rows) == items
    recorded = {(one.subject, one.details["decision"]) for one in entries}
    assert recorded == {(one["item_id"], one["decision_id"]) for one in rows}
    assert len(entries) == len(rows)
