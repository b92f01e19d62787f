"""The review console in a browser: keys, claims, blur, the chart, and what hostile names do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from scanner.store.audit import AuditLog
from scanner.store.people import Role
from scanner.store.review_queries import ReviewQueries, Sight
from scanner.store.reviews import NewDecision, ReviewJournal
from tests.browser.conftest import HOSTILE, OpenPage, axe_script
from tests.browser.scene import (
    STORY,
    add_evidence,
    add_segments_to,
    add_stream,
    incident_of,
)
from tests.console.people import SignedIn, sign_in
from tests.delivery.rows import add_revisions
from tests.intake.conftest import RunningService, run_service

pytestmark = pytest.mark.browser

WIDTHS = (400, 1280, 1920)
FILTER = "getComputedStyle(document.querySelector('.media')).filter"


def item_of(page: Any) -> str:
    """Return the id of the item that a page shows."""
    found = re.search(r"/review/([0-9a-f]+)", page.url)
    assert found is not None, page.url
    return found[1]


def wait_claimed(page: Any) -> None:
    page.wait_for_selector("#claim p")


def decisions_of(service: RunningService, item_id: str) -> list[str]:
    item = ReviewQueries(service.journal).item(item_id)
    assert item is not None
    made = [one for one in item["decisions"] if one["kind"] == "made"]
    return [one["verdict"] for one in made if one["undone_by"] is None]


def test_two_keys_lead_from_the_queue_to_a_decision_and_the_next_item(
    reviewed: RunningService, open_page: OpenPage
) -> None:
    for name in ("a1", "a2"):
        add_revisions(reviewed.journal, ["opened"], incident_id=name, stream_id="two-keys")
    page = open_page("/queue?search=two-keys")
    page.keyboard.press("Enter")
    page.wait_for_url("**/review/*")
    first = item_of(page)
    wait_claimed(page)
    page.keyboard.press("n")
    page.wait_for_url(lambda url: "/review/" in url and first not in url)
    assert "no_violation" in decisions_of(reviewed, first)
    page.keyboard.press("u")
    page.wait_for_url(f"**/review/{first}*")

    assert "no_violation" not in decisions_of(reviewed, first)


def test_a_violation_has_the_reason_whose_number_was_pressed(
    reviewed: RunningService, open_page: OpenPage
) -> None:
    item_id = "a3"
    add_revisions(reviewed.journal, ["opened"], incident_id=item_id, stream_id="s-a3")
    page = open_page(f"/review/{item_id}?search=s-a3")
    page.keyboard.press("2")
    page.keyboard.press("t")
    page.keyboard.type("smoke, n and v are text here")
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    page.wait_for_url("**/queue?*")
    item = ReviewQueries(reviewed.journal).item(item_id)
    assert item is not None
    latest = item["decisions"][-1]
    page.keyboard.press("u")
    page.wait_for_url(f"**/review/{item_id}*")

    assert (latest["verdict"], latest["reason"]) == ("violation", "smoke")
    assert latest["note"] == "smoke, n and v are text here"


def test_of_two_browsers_one_gets_an_item(reviewed: RunningService, open_page: OpenPage) -> None:
    item_id = "2b"
    add_revisions(reviewed.journal, ["opened"], incident_id=item_id, stream_id="s-2b")
    ann = open_page(f"/review/{item_id}?search=s-2b")
    ann.wait_for_selector("#claim .good")
    bob = open_page(f"/review/{item_id}")
    bob.wait_for_selector("[data-taken]")

    bob.wait_for_selector("button[value=no_violation]:disabled")
    assert ann.locator("button[value=no_violation]").is_enabled()
    ann.keyboard.press("s")
    ann.wait_for_url("**/queue?*")
    bob.wait_for_selector("#claim .good")
    assert bob.locator("button[value=no_violation]").is_enabled()


def test_media_is_blurred_grey_and_mute_until_it_is_asked_for_and_that_is_recorded(
    reviewed: RunningService, open_page: OpenPage
) -> None:
    ann, item_id = sign_in(reviewed), incident_of(reviewed, "kitchen")
    page = open_page(f"/review/{item_id}", person=ann)
    assert "blur" in page.evaluate(FILTER)
    assert "grayscale" in page.evaluate(FILTER)
    assert page.evaluate("document.querySelector('video').muted")
    assert page.locator("image.sheet-image").first.get_attribute("href").endswith("blurred")
    page.keyboard.down("b")
    page.wait_for_selector(".item-grid.clear")
    assert "blur" not in page.evaluate(FILTER)
    assert page.locator("image.sheet-image").first.get_attribute("href").endswith("sheet")
    page.keyboard.up("b")
    page.wait_for_selector(".item-grid:not(.clear)")

    actions = {one.action for one in AuditLog(reviewed.journal).entries(actor=ann.user.user_id)}
    assert {"view", "unblur"} <= actions


def test_how_media_is_shown_is_kept_for_the_next_items_of_the_category(
    reviewed: RunningService, open_page: OpenPage
) -> None:
    ann = sign_in(reviewed)
    page = open_page(f"/review/{incident_of(reviewed, 'kitchen')}", person=ann)
    for key, name in (("B", "blur"), ("h", "greyscale"), ("m", "mute")):
        with page.expect_response("**/view") as answered:
            page.keyboard.press(key)
        assert answered.value.status == 204, name
    page.wait_for_selector("text=Kept for hazard")
    page.goto(f"/review/{incident_of(reviewed, 'arena')}")
    page.wait_for_selector(".item-grid.clear")

    assert page.evaluate(FILTER) == "none"
    assert not page.evaluate("document.querySelector('video').muted")
    assert page.locator("#blur").get_attribute("aria-pressed") == "false"
    bob = open_page(f"/review/{incident_of(reviewed, 'arena')}")
    assert "blur" in bob.evaluate(FILTER)


def test_the_pointer_over_a_picture_shows_it(reviewed: RunningService, open_page: OpenPage) -> None:
    page = open_page(f"/review/{incident_of(reviewed, 'kitchen')}")
    page.locator(".frame").first.hover()
    page.wait_for_selector(".item-grid.clear")
    page.locator("h1").hover()
    page.wait_for_selector(".item-grid:not(.clear)")


def test_a_click_on_the_risk_or_a_frame_moves_the_clip(
    reviewed: RunningService, open_page: OpenPage
) -> None:
    page = open_page(f"/review/{incident_of(reviewed, 'camp-fire')}")
    page.wait_for_function("() => document.querySelector('video').readyState >= 1")
    plot = page.locator(".risk svg.plot").first.bounding_box()
    page.mouse.click(plot["x"] + plot["width"] * 10 / 32, plot["y"] + 20)
    page.wait_for_function("() => Math.abs(document.querySelector('video').currentTime - 7) < 0.2")
    assert page.locator("#playhead").is_visible()
    page.locator(".frame[data-at='12.0']").click()
    page.wait_for_function("() => document.querySelector('video').currentTime === 9")
    page.keyboard.press(",")
    page.wait_for_function("() => document.querySelector('video').currentTime < 9")


def test_the_clip_plays_by_key(reviewed: RunningService, open_page: OpenPage) -> None:
    page = open_page(f"/review/{incident_of(reviewed, 'camp-fire')}")
    page.wait_for_function("() => document.querySelector('video').readyState >= 1")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.2")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('video').paused")


def test_a_new_item_appears_in_the_queue_that_is_open(
    reviewed: RunningService, open_page: OpenPage
) -> None:
    page = open_page("/queue?search=came-later")
    assert "Nothing fits" in page.content()
    add_revisions(reviewed.journal, ["opened"], incident_id="ee", stream_id="came-later")

    page.wait_for_selector("[data-item=ee]")


def test_a_queue_that_cannot_be_followed_says_so(
    reviewed: RunningService, open_page: OpenPage
) -> None:
    page = open_page("/queue")
    assert page.locator("#stale").is_hidden()
    page.route("**/queue/rows*", lambda route: route.abort())
    add_revisions(reviewed.journal, ["opened"], incident_id="ed", stream_id="not-seen")
    page.wait_for_selector("#stale:not([hidden])")
    page.unroute("**/queue/rows*")
    add_revisions(reviewed.journal, ["opened"], incident_id="ec", stream_id="seen")

    page.wait_for_selector("#stale[hidden]", state="attached")


def test_an_incident_that_runs_grows_on_the_page_that_shows_it(
    reviewed: RunningService, open_page: OpenPage, tmp_path: Path
) -> None:
    add_stream(reviewed, "growing", story=STORY[:3], ends=False)
    item_id = incident_of(reviewed, "growing")
    page = open_page(f"/review/{item_id}")
    assert "Still running" in page.locator("#live").inner_text()
    assert page.locator("#clip").is_hidden()
    end = float(page.locator("#risk").get_attribute("data-end"))
    page.locator("#live details:not(.frames) summary").click()
    add_segments_to(reviewed, "growing", STORY[3:4], first=3)
    page.wait_for_function("end => document.querySelector('#risk').dataset.end > end", arg=end)
    add_evidence(reviewed, item_id, tmp_path / "growing")
    page.wait_for_function("() => document.querySelector('video').readyState >= 1")

    assert page.locator("#clip").is_visible()
    assert page.locator("#live .frame").count() > 0
    assert page.locator("#live details:not(.frames)").get_attribute("open") is not None
    assert "blur" in page.evaluate(FILTER)


def test_a_decision_of_somebody_else_appears_on_the_page_and_stops_another(
    reviewed: RunningService, open_page: OpenPage
) -> None:
    add_revisions(reviewed.journal, ["opened"], incident_id="fc", stream_id="shared")
    page = open_page("/review/fc")
    wait_claimed(page)
    lead = NewDecision(verdict="no_violation", person="lea", reviewer="r", leads=True)
    reviews = ReviewJournal(reviewed.journal)
    reviews.assign("fc", None)
    reviews.decide("fc", lead)

    page.wait_for_selector("#claim >> text=Decided meanwhile: no violation")
    page.wait_for_selector("#history >> text=no violation")
    page.wait_for_selector("button[value=violation]:disabled")


def test_a_selection_is_decided_by_keys(reviewed: RunningService, open_page: OpenPage) -> None:
    for name in ("b1", "b2"):
        add_revisions(reviewed.journal, ["opened"], incident_id=name, stream_id="many")
    page = open_page("/queue?search=many")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.wait_for_selector("#bulk-bar:not([hidden])")
    page.keyboard.press("n")
    page.wait_for_selector("text=2 decided")

    assert [decisions_of(reviewed, name) for name in ("b1", "b2")] == [["no_violation"]] * 2


def test_enter_in_a_checkbox_decides_nothing(reviewed: RunningService, open_page: OpenPage) -> None:
    add_revisions(reviewed.journal, ["opened"], incident_id="e1", stream_id="s-e1")
    page = open_page("/queue?search=s-e1")
    page.locator("#rows input[type=checkbox]").check()
    page.keyboard.press("Enter")
    page.wait_for_url("**/review/e1*")
    page.wait_for_selector("#claim .good")
    for name in ("#next", "input[name=reason] >> nth=0"):
        page.locator(name).focus()
        page.keyboard.press("Enter")
    page.keyboard.press("n")
    page.wait_for_url("**/queue?*")

    assert decisions_of(reviewed, "e1") == ["no_violation"]


def test_a_violation_of_another_label_needs_the_label(
    reviewed: RunningService, open_page: OpenPage
) -> None:
    add_revisions(reviewed.journal, ["opened"], incident_id="e2", stream_id="s-e2")
    page = open_page("/review/e2?search=s-e2")
    page.wait_for_selector("#claim .good")
    page.locator("#other").check()
    page.keyboard.press("v")
    page.wait_for_selector(".progress.alarm >> text=choose the label that is violated")
    assert decisions_of(reviewed, "e2") == []
    page.locator("#others").select_option("gun")
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    page.wait_for_url("**/queue?*")
    item = ReviewQueries(reviewed.journal).item("e2")

    assert item is not None
    assert item["decisions"][-1]["reason"] == "gun"


def test_a_note_of_a_decision_that_is_refused_is_kept(
    reviewed: RunningService, open_page: OpenPage
) -> None:
    add_revisions(reviewed.journal, ["opened"], incident_id="e3", stream_id="s-e3")
    page = open_page("/queue")
    page.route("**/live", lambda route: route.abort())  # the page does not hear of it in time
    page.goto("/review/e3")
    page.wait_for_selector("#claim .good")
    page.locator("#note").fill("a long note")
    page.keyboard.press("Escape")
    reviews = ReviewJournal(reviewed.journal)
    reviews.assign("e3", None)
    assert reviews.claim("e3", "somebody", seconds=60)
    page.keyboard.press("n")
    page.wait_for_selector("[role=alert] >> text=somebody else works on this item")

    page.wait_for_function("() => document.querySelector('#note').value === 'a long note'")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_are_accessible_and_as_wide_as_the_screen(
    reviewed: RunningService, open_page: OpenPage, width: int, dark: bool
) -> None:
    lead = sign_in(reviewed, Role.LEAD)
    item_id = incident_of(reviewed, "camp-fire")
    page = open_page("/queue", person=lead, width=width, dark=dark)
    item = f"/review/{item_id}"
    for path in ("/queue", item, "/review/ff", "/queue?search=no-such", "/lead", "/nothing"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert violations(page) == [], path


def violations(page: Any) -> list[str]:
    """Return what axe finds on a page."""
    page.evaluate(axe_script())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = page.evaluate("tags => axe.run({runOnly: tags})", tags)
    return [
        f"{one['id']}: {[node['html'] for node in one['nodes'][:3]]}" for one in found["violations"]
    ]


def test_names_and_notes_of_script_are_text(reviewed: RunningService, open_page: OpenPage) -> None:
    add_revisions(reviewed.journal, ["opened"], incident_id="fe", stream_id=HOSTILE)
    page = open_page("/review/fe")
    page.wait_for_selector("#claim .good")
    page.locator("#note").fill("<svg onload=alert(3)>")
    page.locator("#next").uncheck()
    page.locator("button[value=escalate]").click()
    page.wait_for_selector("blockquote")

    assert page.locator("blockquote").inner_text() == "<svg onload=alert(3)>"
    assert page.locator("img[src=x], svg[onload]").count() == 0


def test_the_sheet_of_keys_opens_and_closes(reviewed: RunningService, open_page: OpenPage) -> None:
    page = open_page("/queue")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")


@pytest.mark.slow
def test_a_shift_of_two_hundred_items_needs_no_mouse(tmp_path: Path, open_page: OpenPage) -> None:
    with run_service(tmp_path) as service:
        for number in range(200):
            add_revisions(
                service.journal, ["opened"], incident_id=f"{number:04x}", stream_id=f"s{number}"
            )
        ann: SignedIn = sign_in(service)
        page = open_page("/queue", person=ann, service=service)
        page.keyboard.press("g")
        for number in range(200):
            page.wait_for_url("**/review/*")
            before = page.url
            page.keyboard.press("v" if number % 3 else "n")
            page.wait_for_url(lambda url, before=before: url != before)
        assert page.url.endswith("/queue")
        queries = ReviewQueries(service.journal)

        assert queries.counts(Sight())["pending"] == 0
        assert len(queries.decisions(Sight(), limit=500)) == 200
