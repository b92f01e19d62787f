"""The review console in Firefox: a link signs in, the clip plays and seeks, a key decides."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.console.links import add_demo_moderator
from scanner.store.audit import AuditLog
from scanner.store.review_queries import ReviewQueries
from tests.browser.firefox import Firefox, running_firefox
from tests.browser.scene import add_evidence, add_stream, incident_of, write_configuration
from tests.intake.conftest import RunningService, run_service

pytestmark = pytest.mark.browser

VIDEO = "const video = document.querySelector('video'); return "


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    if shutil.which("firefox-esr") is None:
        pytest.skip("needs firefox-esr")
    with running_firefox(tmp_path_factory.mktemp("firefox")) as firefox:
        yield firefox


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """Return a service whose item nobody has claimed."""
    with run_service(tmp_path / "service") as service:
        write_configuration(service)
        stream = add_stream(service, "camp-fire", channel="outdoor")
        add_evidence(service, stream, tmp_path / "media")
        yield service


def test_a_link_signs_in_the_clip_plays_and_a_key_decides(
    service: RunningService, firefox: Firefox, tmp_path: Path
) -> None:
    base, item_id = str(service.client.base_url).rstrip("/"), incident_of(service, "camp-fire")
    link = add_demo_moderator(service.journal, base)
    firefox.send("WebDriver:Navigate", url=link)
    firefox.wait("return location.pathname === '/queue'")
    firefox.send("WebDriver:Navigate", url=f"{base}/review/{item_id}")
    firefox.wait(VIDEO + "video.readyState >= 1 && video.videoWidth === 480")
    assert firefox.run(VIDEO + "video.muted && getComputedStyle(video).filter.includes('blur')")
    assert round(firefox.run(VIDEO + "video.duration")) == 12

    firefox.run("document.querySelector('video').play()")
    firefox.wait(VIDEO + "video.currentTime > 0.3 && !video.paused")
    firefox.run(
        "const video = document.querySelector('video'); video.pause(); video.currentTime = 9"
    )
    firefox.wait(VIDEO + "!video.seeking && video.readyState >= 2 && video.currentTime === 9")
    firefox.wait("return document.querySelector('#claim .good')")
    (tmp_path / "firefox.png").write_bytes(firefox.picture())
    key = "new KeyboardEvent('keydown', {key: 'n', bubbles: true})"
    firefox.run(f"document.body.dispatchEvent({key})")
    firefox.wait(f"return !location.pathname.endsWith('{item_id}')")

    item = ReviewQueries(service.journal).item(item_id)
    assert item is not None
    assert item["verdict"] == "no_violation"
    (person,) = {one["person"] for one in item["decisions"][-1:]}
    actions = {one.action for one in AuditLog(service.journal).entries(actor=person)}
    assert {"sign_in", "view", "play", "claim", "decide"} <= actions
