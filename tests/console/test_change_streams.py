"""Pages hear of changes while they are open: of the queue, of an item, as long as their session."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import update

from scanner.console import change_streams
from scanner.store.audit import AuditLog
from scanner.store.database import Journal
from scanner.store.people import Role
from scanner.store.review_queries import Sight
from scanner.store.review_schema import reviews as reviews_table
from scanner.store.review_versions import item_version, queue_version
from scanner.store.reviews import NewDecision, ReviewJournal
from scanner.store.sessions import Sessions
from scanner.store.users import Users
from tests.browser.scene import (
    BURNING,
    CALM,
    add_segments_to,
    add_stream,
    incident_of,
    write_configuration,
)
from tests.console.people import SignedIn, sign_in
from tests.delivery.rows import add_revisions
from tests.intake.conftest import RunningService, run_service
from tests.intake.evidence_rows import add_piece


@pytest.fixture
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with an incident, and one that runs."""
    with run_service(tmp_path_factory.mktemp("followed")) as service:
        write_configuration(service)
        add_revisions(service.journal, ["opened"], incident_id="ab")
        add_stream(service, "running", channel="c", story=(CALM, CALM, BURNING), ends=False)
        yield service


@contextmanager
def versions(person: SignedIn, service: RunningService, path: str) -> Iterator[Any]:
    """Open a stream of changes; yield an iterator of its versions."""
    headers = {"Cookie": f"__Host-streamwarden={person.token}"}
    with service.client.stream("GET", path, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        yield (line.partition(": ")[2] for line in lines if line.startswith("data: "))


def test_the_queue_is_told_of_what_comes_is_claimed_and_leaves(followed: RunningService) -> None:
    ann, journal = sign_in(followed), followed.journal
    with versions(ann, followed, "/queue/changes") as heard:
        seen = [next(heard)]
        assert f'data-version="{seen[0]}"' in ann.get("/queue/rows").text
        add_revisions(journal, ["opened"], incident_id="cd", stream_id="t")
        seen.append(next(heard))
        ReviewJournal(journal).claim("cd", "bob", seconds=60)
        seen.append(next(heard))
        ReviewJournal(journal).decide(
            "cd", NewDecision(verdict="violation", person="bob", reviewer="r")
        )
        seen.append(next(heard))

    assert all(before != after for before, after in itertools.pairwise(seen))
    assert seen[3] == seen[0]


def test_a_page_of_an_item_is_told_what_becomes_of_it(followed: RunningService) -> None:
    ann, item_id = sign_in(followed), incident_of(followed, "running")
    with versions(ann, followed, f"/review/{item_id}/changes") as heard:
        seen = [next(heard)]
        assert f'data-version="{seen[0]}"' in ann.get(f"/review/{item_id}").text
        add_segments_to(followed, "running", (BURNING,), first=3, channel="c")
        seen.append(next(heard))
        add_piece(followed.journal, item_id, "clip-1", status="due")
        seen.append(next(heard))
        ReviewJournal(followed.journal, sinks=("hook",)).decide(
            item_id, NewDecision(verdict="violation", person="bob", reviewer="r")
        )
        seen.append(next(heard))
    part = ann.get(f"/review/{item_id}/live").text

    assert len(set(seen)) == 4
    assert f">{item_version(followed.journal, item_id)}</template>" in part
    assert "Decided meanwhile: violation" in part
    assert 'hook: <span class="warn">pending' in part


def test_a_lease_that_is_renewed_is_no_change(journal: Journal) -> None:
    reviews = ReviewJournal(journal)
    add_revisions(journal, ["opened"], incident_id="ab")
    reviews.claim("ab", "ann", seconds=60)
    before = queue_version(journal, Sight()), item_version(journal, "ab")
    reviews.claim("ab", "ann", seconds=90)

    assert (queue_version(journal, Sight()), item_version(journal, "ab")) == before


def test_what_a_page_hears_ends_with_its_session(
    followed: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_streams, "SESSION_SECONDS", 0.0)
    ann = sign_in(followed)
    with versions(ann, followed, "/queue/changes") as heard:
        next(heard)
        Sessions(followed.journal).end_all(ann.user.user_id)

        assert list(heard) == []


@pytest.mark.parametrize("change", ["removed", "restricted", "demoted"])
def test_nothing_is_told_to_a_person_whose_rights_changed(
    followed: RunningService, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(change_streams, "SESSION_SECONDS", 3600.0)
    ann = sign_in(followed)
    people, user_id = Users(followed.journal), ann.user.user_id
    with versions(ann, followed, "/queue/changes") as heard:
        next(heard)
        if change == "removed":
            people.disable(user_id)
        elif change == "restricted":
            people.change(user_id, hidden_categories=frozenset({"hazard"}))
        else:
            people.change(user_id, role=Role.VIEWER)
        add_revisions(followed.journal, ["opened"], incident_id="cd", stream_id="t")

        assert list(heard) == []


def test_a_page_that_follows_an_item_is_a_view_of_it_once(followed: RunningService) -> None:
    ann = sign_in(followed)
    for _ in range(3):
        assert ann.get("/review/ab/live").status_code == 200

    (entry,) = AuditLog(followed.journal).entries(actor=ann.user.user_id)
    assert (entry.action, entry.subject) == ("view", "ab")


@pytest.mark.parametrize(
    "limits", [{"hidden_categories": frozenset({"hazard"})}, {"channels": frozenset({"mine"})}]
)
def test_the_version_of_a_restricted_person_is_the_same_whatever_happens_to_other_items(
    journal: Journal, limits: dict[str, frozenset[str]]
) -> None:
    reviews, sight = ReviewJournal(journal), Sight(**limits)
    found = [queue_version(journal, sight)]
    for change in (
        lambda: add_revisions(journal, ["opened"], incident_id="ab"),
        lambda: reviews.claim("ab", "ann", seconds=60),
        lambda: reviews.decide("ab", NewDecision(verdict="escalate", person="ann", reviewer="r")),
    ):
        change()
        found.append(queue_version(journal, sight))

    assert len(set(found)) == 1


def test_a_restricted_person_is_told_of_own_items_and_not_of_others(
    followed: RunningService,
) -> None:
    blind = sign_in(followed, hidden_categories=frozenset({"hazard"}))
    sees_all = sign_in(followed)
    with (
        versions(blind, followed, "/queue/changes") as restricted,
        versions(sees_all, followed, "/queue/changes") as heard,
    ):
        first = next(restricted), next(heard)
        add_revisions(followed.journal, ["opened"], incident_id="cd", stream_id="t")
        assert next(heard) != first[1]
        with followed.journal.write() as connection:
            shown = update(reviews_table).where(reviews_table.c.item_id == "cd")
            connection.execute(shown.values(category="graphic", updated_at=followed.journal.now()))
        second = next(restricted)

    assert re.fullmatch("[0-9a-f]{24}", first[0])
    assert second == queue_version(followed.journal, Sight(hidden_categories={"hazard"}))


def test_the_figures_of_an_empty_queue_count_what_its_person_may_see(
    followed: RunningService,
) -> None:
    ann = sign_in(followed)
    for item_id in ("ab", incident_of(followed, "running")):
        ann.post(f"/review/{item_id}/decide", verdict="no_violation")
    elsewhere = sign_in(followed, channels=frozenset({"elsewhere"}))

    assert "2 decisions" in ann.get("/queue").text
    told = elsewhere.get("/queue").text
    assert "0 items flagged, 0 decisions, 0 segments scored of 0 streams" in told


def test_one_person_follows_a_limited_number_of_pages(
    followed: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_streams, "MOST_PAGES", 1)
    ann = sign_in(followed)
    with versions(ann, followed, "/queue/changes") as heard:
        next(heard)
        assert ann.get("/queue/changes").status_code == 429
        with versions(sign_in(followed), followed, "/queue/changes") as others:
            next(others)
