"""The demonstration as a new moderator meets it: a link, a queue, one key; and its pictures for the
documentation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from scanner.console.links import add_demo_moderator
from scanner.imaging import encode_jpeg
from scanner.intake.sessions import COOKIE
from scanner.scoring.test_card import draw_card
from scanner.store.database import Journal, open_journal
from scanner.store.people import Role
from scanner.store.review_queries import ReviewQueries, Sight
from scanner.store.sessions import Sessions
from scanner.store.users import Users
from tests.whole.service import Sender, is_settled, running_service

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """A service that has flagged the test card of two streams and a picture."""

    address: str
    journal: Journal
    link: str


@contextmanager
def demonstration(folder: Path, media: Path) -> Iterator[Demonstration]:
    streams = dict.fromkeys(("test-card", "second-card"), media / "test-card")
    streams["arena"] = media / "arena"
    with running_service(folder / "data") as service:
        service.wait_for(service.is_ready, 90, "ready")
        sender = Sender(service)
        for name, of in streams.items():
            sender.send(name, sorted(of.glob("*.ts")))
        picture = encode_jpeg(draw_card(640, 360), 90)
        httpx.post(
            f"{service.address}/v1/images?id=picture&wait=60", content=picture, timeout=90
        ).raise_for_status()
        service.wait_for(lambda: is_settled(service, streams), 120, "flagged")
        journal = open_journal(service.data)
        link = add_demo_moderator(journal, service.address)
        yield Demonstration(address=service.address, journal=journal, link=link)
        journal.close()


def test_a_link_leads_to_three_decisions_by_four_keys_and_to_pictures_for_the_documentation(
    chromium: Any, demo_media: Path, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("STREAMWARDEN_PICTURES", tmp_path))
    with demonstration(tmp_path, demo_media) as demo:
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(demo.link)
        page.wait_for_url("**/queue")
        page.wait_for_selector(".item .open:focus")
        page.screenshot(path=folder / "console-queue.png")
        page.keyboard.press("Enter")
        why = [decide_and_go_on(page, folder) for _ in range(3)]
        page.wait_for_url("**/queue")
        page.screenshot(path=folder / "console-empty.png")
        made = ReviewQueries(demo.journal).decisions(Sight())
        lead = page_of_a_lead(chromium, demo)
        lead.screenshot(path=folder / "console-lead.png", full_page=True)

    assert [one["verdict"] for one in made] == ["no_violation"] * 3
    assert all("Model: test-card" in text for text in why)


def decide_and_go_on(page: Any, folder: Path) -> str:
    """Decide the item that is shown by one key, after taking its picture; return why it was
    flagged."""
    page.wait_for_url("**/review/*")
    page.wait_for_selector("#claim .good")
    is_clip = page.locator("#clip").count() > 0
    if is_clip:
        page.wait_for_function("() => document.querySelector('video').readyState >= 1")
    name = "console.png" if is_clip else "console-picture.png"
    page.screenshot(path=folder / name, full_page=True)
    assert "blur" in page.evaluate("getComputedStyle(document.querySelector('.media')).filter")
    why, before = str(page.locator("#why-title + p").inner_text()), page.url
    page.keyboard.press("n")
    page.wait_for_url(lambda url: url != before)
    return why


def page_of_a_lead(chromium: Any, demo: Demonstration) -> Any:
    """Return the page of a lead with what was decided so far."""
    lead = Users(demo.journal).add("lead", role=Role.LEAD, display="Lena")
    token = Sessions(demo.journal).start(lead.user_id)
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    cookie = {"name": COOKIE, "value": token, "domain": "127.0.0.1", "path": "/", "secure": True}
    context.add_cookies([cookie])
    page = context.new_page()
    page.goto(f"{demo.address}/lead")
    return page
