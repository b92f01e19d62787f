"""One headless Chromium for a module, and a service with harmless items."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.scene import STORY, add_evidence, add_stream, write_configuration
from tests.console.people import SignedIn, sign_in
from tests.delivery.rows import add_revisions
from tests.intake.conftest import RunningService, _plain_logs, run_service

__all__ = ["_plain_logs"]

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
OpenPage = Callable[..., Any]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Return Debian's Chromium, driven by Playwright.

    Playwright's event loop runs in this thread until the end of the module: later, asyncio could
    not be used by other tests.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Return a service with clips of streams, one that runs, and one with a hostile name."""
    folder = tmp_path_factory.mktemp("reviewed")
    with run_service(folder) as service:
        write_configuration(service)
        for name, channel in (("camp-fire", "outdoor"), ("kitchen", "cooking"), ("arena", "games")):
            add_evidence(service, add_stream(service, name, channel=channel), folder / name)
        add_stream(service, "live-now", channel="outdoor", story=STORY[:4], ends=False)
        add_revisions(service.journal, ["opened"], incident_id="ff", stream_id=HOSTILE)
        yield service


class Pages:
    """Opens pages, each in a browser of its own; notes errors of scripts, what the content policy
    refused, and dialogs."""

    def __init__(self, chromium: Any, service: RunningService) -> None:
        self._chromium = chromium
        self._service = service
        self._contexts: list[Any] = []
        self.failures: list[str] = []

    def __call__(
        self,
        path: str,
        *,
        person: SignedIn | None = None,
        service: RunningService | None = None,
        width: int = 1280,
        dark: bool = False,
    ) -> Any:
        """Open a page as a new or a known person."""
        service = service or self._service
        context = self._chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            base_url=str(service.client.base_url),
        )
        self._contexts.append(context)
        context.set_default_timeout(60_000)
        context.add_cookies([cookie_of(person or sign_in(service))])
        page = context.new_page()
        page.on("pageerror", lambda error: self.failures.append(str(error)))
        page.on("dialog", lambda dialog: self.failures.append(dialog.message))
        page.on("console", self._note)
        page.goto(path)
        return page

    def _note(self, line: Any) -> None:
        if "Content Security" in line.text:
            self.failures.append(line.text)

    def close(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            context.close()


@pytest.fixture
def open_page(chromium: Any, reviewed: RunningService) -> Iterator[Pages]:
    """Return a function that opens a page; what it notes fails the test."""
    pages = Pages(chromium, reviewed)
    yield pages
    pages.close()
    assert pages.failures == []


def cookie_of(person: SignedIn) -> dict[str, Any]:
    """Return the cookie of a person's session, as Playwright takes it."""
    return {
        "name": "__Host-streamwarden",
        "value": person.token,
        "domain": "127.0.0.1",
        "path": "/",
        "secure": True,
        "httpOnly": True,
    }


def axe_script() -> str:
    """Return axe-core, which checks the accessibility of a page."""
    return (Path(__file__).with_name("axe-core") / "axe.min.js").read_text("utf-8")
