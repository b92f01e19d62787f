"""Items that a person skips in the review console."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scanner.console.queue_pages import skip_item, skipped_items
from tests.console.people import sign_in
from tests.delivery.rows import add_revisions
from tests.intake.conftest import run_service


def test_items_that_were_skipped_are_not_opened_next(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with run_service(tmp_path_factory.mktemp("skipped")) as service:
        for name in ("ab", "cd", "ef"):
            add_revisions(service.journal, ["opened"], incident_id=name, stream_id=name)
        ann, bob = sign_in(service), sign_in(service)

        opened = [ann.post(f"/review/{name}/skip").headers["location"] for name in ("ab", "cd")]
        opened.append(
            ann.post("/review/ef/decide", verdict="no_violation", next="1").headers["location"]
        )

        assert opened == ["/review/cd", "/review/ef", "/queue"]
        assert ann.post("/queue/next").headers["location"] == "/review/ab"
        assert bob.post("/queue/next").headers["location"] == "/review/cd"


def test_an_item_that_was_skipped_is_left_out_for_ten_minutes_whatever_the_wall_clock_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [5.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("scanner.console.queue_pages.time", clock)
    context: Any = SimpleNamespace(skipped={})
    ann: Any = SimpleNamespace(user_id="ann")

    skip_item(context, ann, "ab")
    now[0] += 599
    skip_item(context, ann, "cd")
    both = skipped_items(context, ann)
    now[0] += 2

    assert both == ["ab", "cd"]
    assert skipped_items(context, ann) == ["cd"]
