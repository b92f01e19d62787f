"""Signing in and managing an account, in a browser: by keyboard, narrow and dark too."""

from __future__ import annotations

from typing import Any

import pytest

from scanner.console.links import add_demo_moderator
from scanner.store.people import Role
from tests.browser.conftest import Pages, axe_script
from tests.console.people import SignedIn, sign_in
from tests.console.test_sign_in import PASSWORD, hashed
from tests.intake.conftest import RunningService

pytestmark = pytest.mark.browser

PAGES = ("/account", "/account/second-factor", "/account/confirm", "/admin/users")


@pytest.fixture(scope="module")
def admin(reviewed: RunningService) -> SignedIn:
    return sign_in(reviewed, Role.ADMIN, "root", password=hashed())


def fresh_page(chromium: Any, service: RunningService, **options: Any) -> Any:
    """Return a page of a browser without a session."""
    context = chromium.new_context(base_url=str(service.client.base_url), **options)
    context.set_default_timeout(60_000)
    return context.new_page()


def violations(page: Any) -> list[str]:
    page.evaluate(axe_script())
    found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})")
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found["violations"]]


def test_a_link_opens_the_queue_and_leaves_no_code_in_the_address(
    chromium: Any, reviewed: RunningService
) -> None:
    page = fresh_page(chromium, reviewed)
    page.goto(add_demo_moderator(reviewed.journal, str(reviewed.client.base_url)))
    page.wait_for_url("**/queue")

    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == (
        "__Host-streamwarden",
        True,
        True,
    )
    page.reload()
    assert page.url.endswith("/queue")
    page.context.close()


def test_a_person_signs_in_and_out_by_keyboard(
    chromium: Any, reviewed: RunningService, admin: SignedIn
) -> None:
    page = fresh_page(chromium, reviewed)
    page.goto("/account")
    page.wait_for_selector("#name:focus")
    page.keyboard.type("root")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    page.wait_for_selector("#password:focus")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/account")

    page.get_by_role("button", name="Sign out root").press("Enter")
    page.wait_for_url("**/login")
    assert page.context.cookies() == []
    page.go_back()
    page.wait_for_url("**/login?next=/account")
    page.context.close()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_pages_of_people_are_accessible_and_fit(
    open_page: Pages, reviewed: RunningService, admin: SignedIn, width: int, dark: bool
) -> None:
    page = open_page("/account", person=admin, width=width, dark=dark)
    for path in (*PAGES, f"/admin/users/{admin.user.user_id}"):
        page.goto(path)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", ["/login", "/login/once"])
def test_pages_before_signing_in_are_accessible(
    chromium: Any, reviewed: RunningService, path: str
) -> None:
    page = fresh_page(chromium, reviewed, viewport={"width": 400, "height": 800})
    page.goto(path)

    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.context.close()
