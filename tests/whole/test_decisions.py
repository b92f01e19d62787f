"""A decision leaves a running service as an event and as a signed webhook, whose receipt is shown;
one that a receiver does not take brings its item back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pysqlite3 import dbapi2 as sqlite

from scanner.intake.sessions import COOKIE
from scanner.store.database import open_journal
from scanner.store.people import Role
from scanner.store.sessions import Sessions
from scanner.store.users import Users
from tests.delivery.loopback import SECRET, LoopbackReceiver
from tests.whole.service import Sender, is_settled, running_service

NAME = "Ann Example"


@contextmanager
def service_with_a_moderator(
    folder: Path, media: Path, receiver: LoopbackReceiver
) -> Iterator[tuple[Any, httpx.Client]]:
    """Run a service that has flagged a stream; yield it and the browser of a moderator."""
    hook = {"URL": receiver.url, "SECRET": SECRET, "ADDRESSES": "any"}
    extra = {f"STREAMWARDEN_SERVICE__WEBHOOKS__HOOK__{key}": text for key, text in hook.items()}
    with running_service(folder / "data", extra=extra) as service:
        service.wait_for(service.is_ready, 90, "ready")
        Sender(service).send("card", sorted((media / "test-card").glob("*.ts")))
        journal = open_journal(service.data)
        ann = Users(journal).add("ann", role=Role.MODERATOR, display=NAME)
        token = Sessions(journal).start(ann.user_id)
        journal.close()
        service.wait_for(lambda: is_settled(service, ["card"]), 120, "flagged")
        headers = {"Cookie": f"{COOKIE}={token}", "Accept": "text/html"}
        with httpx.Client(base_url=service.address, headers=headers, timeout=30) as browser:
            yield service, browser


def decide(browser: httpx.Client, verdict: str) -> str:
    """Decide the most urgent item on its page; return its id."""
    page = browser.get("/queue").text
    item = page.split('data-item="')[1].split('"')[0]
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    form = {"csrf": csrf, "verdict": verdict, "note": f"{NAME} is sure"}
    assert browser.post(f"/review/{item}/decide", data=form).status_code == 303
    return item


def let_the_next_attempt_be_due(data: Path) -> None:
    """Do as if the pause after a failed attempt was over: all attempts take three days."""
    connection = sqlite.connect(data / "journal.sqlite3", timeout=30)
    with connection:
        connection.execute("UPDATE decision_effects SET next_at = 0 WHERE status = 'pending'")
        connection.execute("UPDATE sinks SET next_at = 0")
    connection.close()


@pytest.mark.fault
def test_a_decision_leaves_signed_with_a_receipt_and_one_that_fails_brings_its_item_back(
    tmp_path: Path, demo_media: Path
) -> None:
    with (
        LoopbackReceiver() as receiver,
        service_with_a_moderator(tmp_path, demo_media, receiver) as (service, browser),
    ):
        item = decide(browser, "violation")
        service.wait_for(lambda: "answered 204" in browser.get(f"/review/{item}").text, 60, "sent")
        made = receiver.bodies[-1]
        assert (made["type"], made["data"]["item"]["id"]) == ("decision.made", item)

        csrf = browser.get(f"/review/{item}").text.split('data-csrf="')[1].split('"')[0]
        browser.post(f"/review/{item}/undo", data={"csrf": csrf})
        service.wait_for(
            lambda: receiver.bodies[-1]["type"] == "decision.undone", 60, "the undoing sent"
        )
        receiver.answer = lambda _: 500
        assert decide(browser, "no_violation") == item
        assert item not in browser.get("/queue/rows").text
        _wait_until_given_up(service, browser, item)
        assert "could not be delivered (hook)" in browser.get(f"/review/{item}").text

        events = _events(browser)
        kinds = [kind for kind, _ in events if kind.startswith("decision")]
        assert kinds == ["decision.made", "decision.undone", "decision.made"]
        for left in (json.dumps(receiver.bodies), json.dumps(events)):
            assert NAME not in left
            assert "127.0.0.1" not in left


def _wait_until_given_up(service: Any, browser: httpx.Client, item: str) -> None:
    def is_back() -> bool:
        let_the_next_attempt_be_due(service.data)
        return item in browser.get("/queue/rows").text

    service.wait_for(is_back, 120, "back in the queue")


def _events(browser: httpx.Client) -> list[tuple[str, Any]]:
    """Return what readers of events get from the beginning, up to the third decision."""
    found: list[tuple[str, Any]] = []
    kind = ""
    with browser.stream("GET", "/v1/events?after=0") as answer:
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            kind = value if name == "event" else kind
            if name == "data":
                found.append((kind, json.loads(value)))
            if sum(one.startswith("decision") for one, _ in found) == 3:
                break
    return found
