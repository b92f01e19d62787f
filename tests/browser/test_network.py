"""The review console over a network that is slow, breaks off, or loses answers."""

from __future__ import annotations

from typing import Any

import pytest

from scanner.store.sessions import Sessions
from tests.browser.conftest import Pages, cookie_of
from tests.browser.scene import incident_of
from tests.browser.test_review import decisions_of, wait_claimed
from tests.console.people import sign_in
from tests.delivery.rows import add_revisions
from tests.intake.conftest import RunningService

pytestmark = pytest.mark.browser


LOSE_ANSWERS = """(path) => {
  const send = window.fetch;
  window.receiveAnswers = () => { window.fetch = send; };
  window.fetch = async (url, options) => {
    const answer = await send(url, options);
    if (url.endsWith(path)) throw new TypeError("the answer is lost");
    return answer;
  };
}"""
"""Lets the service act, and loses what it answers to requests of a path."""
RECEIVE_ANSWERS = "() => window.receiveAnswers()"


def open_item(open_page: Pages, service: RunningService, item_id: str, **more: Any) -> Any:
    add_revisions(service.journal, ["opened"], incident_id=item_id, stream_id=f"s-{item_id}")
    page = open_page(f"/review/{item_id}?search=s-{item_id}", **more)
    wait_claimed(page)
    return page


def test_a_decision_under_way_is_shown_and_sent_once(
    reviewed: RunningService, open_page: Pages
) -> None:
    page = open_item(open_page, reviewed, "d1")
    waiting: list[Any] = []

    def hold(route: Any) -> None:
        waiting.append(route)

    page.route("**/decide", hold)
    page.keyboard.press("n")
    page.wait_for_selector(".progress >> text=Sending")
    page.keyboard.press("v")
    page.keyboard.press("n")
    page.wait_for_selector("button[value=no_violation][aria-busy=true]")
    assert len(waiting) == 1
    waiting[0].continue_()
    page.wait_for_url("**/queue?*")

    assert decisions_of(reviewed, "d1") == ["no_violation"]


def test_a_decision_whose_answer_was_lost_is_sent_again_and_recorded_once(
    reviewed: RunningService, open_page: Pages
) -> None:
    page = open_item(open_page, reviewed, "d2")
    page.evaluate(LOSE_ANSWERS, "/decide")
    page.keyboard.press("n")
    page.wait_for_selector(".progress.alarm >> text=No answer from the service")
    page.evaluate(RECEIVE_ANSWERS)
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue?*")

    assert decisions_of(reviewed, "d2") == ["no_violation"]


def test_an_undoing_whose_answer_was_lost_ends_one_decision(
    reviewed: RunningService, open_page: Pages
) -> None:
    page = open_item(open_page, reviewed, "d3")
    page.keyboard.press("n")
    page.wait_for_url("**/queue?*")
    page.evaluate(LOSE_ANSWERS, "/undo")
    page.keyboard.press("u")
    page.wait_for_selector(".progress.alarm")
    page.evaluate(RECEIVE_ANSWERS)
    page.keyboard.press("Enter")
    page.wait_for_url("**/review/d3")

    assert page.locator("#decision").is_visible()
    assert page.locator("[role=alert]:visible").count() == 0


def test_without_a_connection_a_decision_waits_and_the_page_follows_again(
    reviewed: RunningService, open_page: Pages
) -> None:
    page = open_item(open_page, reviewed, "d4")
    place = page.locator("button[value=violation]").bounding_box()
    page.context.set_offline(True)
    page.keyboard.press("v")
    page.wait_for_selector(".progress.alarm >> text=Try again")
    page.wait_for_selector("#stale >> text=No answer")
    assert page.locator("button[value=violation]").bounding_box() == place
    page.context.set_offline(False)
    page.wait_for_selector("#stale", state="hidden")
    assert decisions_of(reviewed, "d4") == []
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue?*")

    assert decisions_of(reviewed, "d4") == ["violation"]


def test_a_decision_after_the_session_ended_says_so_and_records_nothing(
    reviewed: RunningService, open_page: Pages
) -> None:
    ann = sign_in(reviewed)
    page = open_item(open_page, reviewed, "d5", person=ann)
    page.locator("#note").fill("seen before")
    page.keyboard.press("Escape")
    sessions = Sessions(reviewed.journal)
    sessions.end_all(ann.user.user_id)
    page.keyboard.press("n")
    page.wait_for_selector(".progress.alarm >> text=You are signed out")
    page.keyboard.press("Enter")
    page.wait_for_url("**/login?next=*")
    assert decisions_of(reviewed, "d5") == []
    page.context.add_cookies([{**cookie_of(ann), "value": sessions.start(ann.user.user_id)}])
    page.goto("/review/d5")

    assert page.locator("#note").input_value() == "seen before"


def test_a_page_of_another_session_is_loaded_again_before_a_decision(
    reviewed: RunningService, open_page: Pages
) -> None:
    page = open_item(open_page, reviewed, "d6")
    page.evaluate("document.querySelectorAll('[name=csrf]').forEach(one => { one.value = 'x'; })")
    page.keyboard.press("n")
    page.wait_for_selector(".progress.alarm >> text=out of date")
    page.keyboard.press("Enter")
    wait_claimed(page)
    page.wait_for_selector(".progress.alarm", state="detached")
    page.keyboard.press("n")
    page.wait_for_url("**/queue?*")

    assert decisions_of(reviewed, "d6") == ["no_violation"]


def test_media_stays_blurred_and_says_so_if_the_look_cannot_be_recorded(
    reviewed: RunningService, open_page: Pages
) -> None:
    page = open_page(f"/review/{incident_of(reviewed, 'kitchen')}")
    page.route("**/shown", lambda route: route.abort())
    page.keyboard.down("b")
    page.wait_for_selector(".progress.alarm >> text=stays blurred")
    assert page.locator(".item-grid.clear").count() == 0
    page.keyboard.up("b")
    page.unroute("**/shown")
    page.keyboard.down("b")
    page.wait_for_selector(".item-grid.clear")


def test_a_clip_that_breaks_off_is_loaded_again_by_a_button(
    reviewed: RunningService, open_page: Pages
) -> None:
    page = open_page("/queue")
    page.route("**/media/clip-1", lambda route: route.abort())
    page.goto(f"/review/{incident_of(reviewed, 'camp-fire')}")
    page.wait_for_selector("#lost >> text=The clip did not come")
    page.unroute("**/media/clip-1")
    page.locator("#lost button").press("Enter")
    page.wait_for_function("() => document.querySelector('video').readyState >= 1")

    assert page.locator("#lost").count() == 0


def test_an_item_that_cannot_be_claimed_says_so_and_is_claimed_later(
    reviewed: RunningService, open_page: Pages
) -> None:
    add_revisions(reviewed.journal, ["opened"], incident_id="d7", stream_id="s-d7")
    page = open_page("/queue")
    page.route("**/claim", lambda route: route.abort())
    page.goto("/review/d7")
    page.wait_for_selector("#claim >> text=Not claimed yet")
    page.unroute("**/claim")
    page.wait_for_selector("#claim .good")
