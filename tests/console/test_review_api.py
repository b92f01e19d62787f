"""Items over HTTP: listed, claimed, decided, undone, with the rights of the sender."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scanner.settings.service import ReviewSettings, ServiceSettings
from scanner.store.people import Role
from scanner.store.users import Users
from tests.console.people import SignedIn, sign_in
from tests.delivery.rows import add_revisions
from tests.intake.conftest import RunningService, run_service
from tests.intake.test_segments import problem


@pytest.fixture
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service(tmp_path_factory.mktemp("reviews")) as service:
        add_revisions(service.journal, ["opened"], incident_id="ab")
        add_revisions(service.journal, ["opened"], incident_id="cd", stream_id="t")
        yield service


def post(browser: SignedIn, path: str, **body: object) -> httpx.Response:
    headers = {"X-CSRF-Token": browser.csrf}
    return browser.send("POST", path, headers=headers, json=body)


def test_an_item_is_claimed_decided_and_undone(filled: RunningService) -> None:
    ann = sign_in(filled)
    claimed = post(ann, "/v1/reviews/next").json()
    assert (claimed["claimed"], claimed["item"]["item_id"]) == (True, "ab")
    made = post(ann, "/v1/incidents/ab/decisions", verdict="violation", note="clear")
    assert (made.status_code, made.json()["state"]) == (201, "decided")
    item = ann.get("/v1/reviews/ab").json()
    assert (item["verdict"], item["decisions"][0]["reason"]) == ("violation", "fire")
    assert item["decisions"][0]["by"] == "human"
    assert post(ann, "/v1/reviews/ab/undo").json()["state"] == "waiting"

    listed = ann.get("/v1/decisions").json()
    assert [one["kind"] for one in listed["decisions"]] == ["made", "undone"]
    assert ann.get(f"/v1/decisions?after={listed['next']}").json()["decisions"] == []
    assert ann.user.user_id not in ann.get("/v1/decisions").text


def test_two_people_never_get_one_item(filled: RunningService) -> None:
    ann, bob = sign_in(filled), sign_in(filled)

    names = [post(one, "/v1/reviews/next").json()["item"]["item_id"] for one in (ann, bob, ann)]

    assert names == ["ab", "cd", "ab"]
    assert problem(post(bob, "/v1/incidents/ab/decisions", verdict="violation")) == "claimed"
    assert post(bob, "/v1/reviews/ab/claim").json()["claimed"] is False
    post(ann, "/v1/reviews/ab/release")
    assert post(bob, "/v1/reviews/ab/claim").json()["claimed"] is True


def test_who_may_not_see_an_item_does_not_know_it(filled: RunningService) -> None:
    restricted = (
        sign_in(filled, hidden_categories=frozenset({"hazard"})),
        sign_in(filled, channels=frozenset({"other"})),
    )
    for person in restricted:
        assert person.get("/v1/reviews").json()["items"] == []
        assert person.get("/v1/reviews/counts").json()["pending"] == 0
        assert post(person, "/v1/reviews/next").json()["claimed"] is False
        assert problem(person.get("/v1/reviews/ab")) == "not_found"
        for path in ("reviews/ab/claim", "reviews/ab/release", "reviews/ab/undo"):
            assert problem(post(person, f"/v1/{path}")) == "not_found"
        path = "/v1/incidents/ab/decisions"
        assert problem(post(person, path, verdict="violation")) == "not_found"
        result = post(person, "/v1/decisions", items=["ab"], verdict="violation").json()
        assert (result["decided"], list(result["refused"])) == ([], ["ab"])


def test_a_decision_needs_the_right_to_it(filled: RunningService) -> None:
    viewer = sign_in(filled, Role.VIEWER)
    careful = sign_in(filled, decisions=frozenset({"no_violation"}))

    path = "/v1/incidents/ab/decisions"
    assert problem(post(viewer, path, verdict="violation")) == "forbidden"
    assert problem(post(careful, path, verdict="violation")) == "forbidden"
    assert problem(post(careful, "/v1/reviews/ab/assign", person=None)) == "forbidden"
    assert post(careful, path, verdict="no_violation").status_code == 201


def test_a_change_needs_the_token_of_the_session(filled: RunningService) -> None:
    ann = sign_in(filled)

    for path in ("/v1/reviews/next", "/v1/incidents/ab/decisions", "/v1/decisions"):
        assert problem(ann.send("POST", path, json={"verdict": "violation"})) == "forbidden"


def test_a_decided_item_is_refused_and_a_second_look_is_anothers(filled: RunningService) -> None:
    ann, bob = sign_in(filled), sign_in(filled)
    post(ann, "/v1/incidents/ab/decisions", verdict="violation")
    post(ann, "/v1/incidents/cd/decisions", verdict="another_look")

    other = post(bob, "/v1/incidents/ab/decisions", verdict="no_violation")
    own = post(ann, "/v1/incidents/cd/decisions", verdict="no_violation")
    assert (problem(other), problem(own)) == ("decided", "second_person")


def test_a_decision_is_undone_only_for_a_while(tmp_path: Path) -> None:
    settings = ServiceSettings(data=tmp_path, review=ReviewSettings(undo_seconds=0.0))
    with run_service(tmp_path, settings) as service:
        add_revisions(service.journal, ["opened"], incident_id="ab")
        ann = sign_in(service)
        post(ann, "/v1/incidents/ab/decisions", verdict="violation")

        assert problem(post(ann, "/v1/reviews/ab/undo")) == "too_late"


def test_a_selection_is_decided_at_once(filled: RunningService) -> None:
    ann, bob = sign_in(filled), sign_in(filled)
    post(bob, "/v1/reviews/cd/claim")
    result = post(ann, "/v1/decisions", items=["ab", "cd"], verdict="no_violation").json()

    assert [one["item_id"] for one in result["decided"]] == ["ab"]
    assert "somebody else" in result["refused"]["cd"]


def test_a_lead_assigns_moves_and_decides_what_is_escalated(filled: RunningService) -> None:
    ann, lea = sign_in(filled), sign_in(filled, Role.LEAD)
    post(ann, "/v1/incidents/ab/decisions", verdict="escalate")
    path = "/v1/incidents/ab/decisions"
    assert problem(post(ann, path, verdict="violation")) == "forbidden"
    moved = post(lea, "/v1/reviews/ab/assign", person=ann.user.user_id, state="waiting").json()

    assert (moved["assigned_to"], moved["state"]) == (ann.user.user_id, "waiting")


def test_an_item_is_assigned_to_nobody_who_may_not_decide_it(filled: RunningService) -> None:
    lea = sign_in(filled, Role.LEAD)
    others = [
        sign_in(filled, Role.VIEWER),
        sign_in(filled, channels=["elsewhere"]),
        sign_in(filled, hidden_categories=[lea.get("/v1/reviews/ab").json()["category"]]),
    ]
    gone = sign_in(filled).user.user_id
    Users(filled.journal).disable(gone)

    for user_id in ("nobody", gone, *(one.user.user_id for one in others)):
        answer = post(lea, "/v1/reviews/ab/assign", person=user_id)
        assert problem(answer) == "invalid_request"
    assert lea.get("/v1/reviews/ab").json()["assigned_to"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"verdict": "perhaps"},
        {"verdict": "violation", "reason": "no-such-label"},
        {"verdict": "no_violation", "reason": "fire"},
        {"verdict": "violation", "mute": {"scope": "stream", "seconds": 60}},
        {"verdict": "no_violation", "mute": {"scope": "stream", "seconds": 1e12}},
        {"verdict": "violation", "note": "x" * 2001},
        {"verdict": "violation", "unknown": 1},
    ],
)
def test_what_is_no_decision_is_refused(filled: RunningService, body: dict[str, object]) -> None:
    answer = post(sign_in(filled), "/v1/incidents/ab/decisions", **body)

    assert problem(answer) == "invalid_request"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("label=fire&category=hazard&channel=c&kind=incident", ["ab", "cd"]),
        ("stream_id=t", ["cd"]),
        ("search=t", ["cd"]),
        ("state=escalated", []),
        ("outcome=decided", []),
        ("min_age=3600", []),
    ],
)
def test_the_queue_is_filtered(filled: RunningService, query: str, found: list[str]) -> None:
    items = sign_in(filled).get(f"/v1/reviews?{query}").json()["items"]

    assert [one["item_id"] for one in items] == found


def test_the_queue_goes_on_after_a_page(filled: RunningService) -> None:
    ann = sign_in(filled)
    first = ann.get("/v1/reviews?limit=1").json()
    second = ann.get(f"/v1/reviews?limit=1&cursor={first['next']}").json()

    assert [one["item_id"] for page in (first, second) for one in page["items"]] == ["ab", "cd"]
    assert second["next"] is None
