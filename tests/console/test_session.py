"""The sender of a request, and proofs against forged requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse

from scanner.console import app as console_app
from scanner.console.session import (
    console_router,
    form_of,
    person_of,
    require_role,
)
from scanner.intake.problems import Problem
from scanner.intake.sessions import check_same_site, needs_second_factor
from scanner.settings.console import ConsoleSettings
from scanner.settings.service import ServiceSettings
from scanner.store.database import JournalBusyError
from scanner.store.keys import ApiKeys
from scanner.store.people import Person, Role, User
from scanner.store.review_queries import ReviewQueries
from scanner.store.sessions import Sessions
from scanner.store.users import Users
from tests.console.people import Browser, sign_in
from tests.intake.conftest import RunningService, run_service, wait_for

routes = console_router()
unchecked = console_router()
unchecked.dependencies.clear()


@routes.get("/probe")
@routes.post("/probe")
@routes.post("/v1/probe")
@routes.get("/v1/probe")
@unchecked.post("/unchecked")
async def _probe(request: Request) -> JSONResponse:
    person = person_of(request)
    form = (await form_of(request)).text("note") if request.method == "POST" else ""
    return JSONResponse({"id": person.user_id, "role": person.role, "form": form})


@routes.get("/lead-only")
async def _lead_only(request: Request) -> JSONResponse:
    return JSONResponse({"id": require_role(request, Role.LEAD).user_id})


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Return a service with two routes that answer who sends a request."""
    folder = tmp_path_factory.mktemp("probed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console_app, "ROUTES", (*console_app.ROUTES, routes, unchecked))
        with run_service(folder, ServiceSettings(data=folder)) as running:
            yield running


def test_a_page_without_a_session_leads_to_the_sign_in_and_back(probed: RunningService) -> None:
    answer = Browser(probed).get("/probe?a=1&b=%2F")

    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/login?next=/probe%3Fa%3D1%26b%3D%252F",
    )


def test_a_session_is_a_person_with_its_role(probed: RunningService) -> None:
    moderator = sign_in(probed, Role.MODERATOR)

    assert moderator.get("/probe").json() == {
        "id": moderator.user.user_id,
        "role": "moderator",
        "form": "",
    }
    refused = moderator.get("/lead-only")
    assert (refused.status_code, "role lead" in refused.text) == (403, True)
    assert sign_in(probed, Role.LEAD).get("/lead-only").status_code == 200


@pytest.mark.parametrize("path", ["/probe", "/v1/probe", "/unchecked"])
def test_a_change_needs_the_token_of_the_session(probed: RunningService, path: str) -> None:
    one, other = sign_in(probed), sign_in(probed)

    for headers in ({}, {"X-CSRF-Token": other.csrf}, {"X-CSRF-Token": ""}):
        assert one.send("POST", path, headers=headers).status_code == 403
    proved = one.send("POST", path, headers={"X-CSRF-Token": one.csrf})
    assert proved.status_code == 200


def test_a_form_carries_its_token_in_a_field(probed: RunningService) -> None:
    moderator = sign_in(probed)

    assert moderator.post("/probe", note="a b&c").json()["form"] == "a b&c"
    assert moderator.send("POST", "/probe", data={"csrf": "x", "note": "n"}).status_code == 403
    assert moderator.send("POST", "/probe", json={"csrf": moderator.csrf}).status_code == 422
    large = {"csrf": moderator.csrf, "note": "x" * 70_000}
    assert moderator.send("POST", "/probe", data=large).status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://other.example"},
        {"Origin": "null"},
    ],
)
def test_a_change_from_another_site_is_refused_even_with_the_token(
    probed: RunningService, headers: dict[str, str]
) -> None:
    moderator = sign_in(probed)
    headers = {**headers, "X-CSRF-Token": moderator.csrf}

    assert moderator.send("POST", "/probe", headers=headers).status_code == 403


def test_the_same_site_is_accepted() -> None:
    check_same_site(Headers({"host": "h:1", "origin": "http://h:1"}))
    check_same_site(Headers({"host": "behind", "origin": "https://h", "sec-fetch-site": "none"}))
    with pytest.raises(Problem, match="another site"):
        check_same_site(Headers({"host": "h:1", "origin": "http://h:2"}))


def test_a_session_that_ended_or_whose_user_is_disabled_is_none(probed: RunningService) -> None:
    first, second = sign_in(probed), sign_in(probed)

    Sessions(probed.journal).end_all(first.user.user_id)
    Users(probed.journal).disable(second.user.user_id)

    assert first.get("/probe").status_code == 303
    assert second.get("/probe").status_code == 303
    Users(probed.journal).enable(second.user.user_id)
    assert second.get("/probe").status_code == 303
    assert Browser(probed, "forged").get("/probe").status_code == 303


def test_a_key_is_a_person_of_the_api_and_of_no_page(probed: RunningService) -> None:
    keys = ApiKeys(probed.journal)
    secret = keys.add("decider", verbs=["read", "decide"], channels=["a"])
    bearer = {"Authorization": f"Bearer {secret}"}
    wait_for(lambda: probed.client.get("/v1/probe", headers=bearer).is_success)

    answer = probed.client.post("/v1/probe", headers=bearer).json()
    assert (answer["id"][:4], answer["role"]) == ("key:", "moderator")
    assert probed.client.get("/probe", headers=bearer).status_code == 303
    assert probed.client.get("/v1/probe").status_code == 401


def test_a_browser_that_also_sends_a_key_keeps_its_session_on_pages(
    probed: RunningService,
) -> None:
    person = sign_in(probed)
    secret = ApiKeys(probed.journal).add("also", verbs=["read"], channels=None)
    bearer = {"Authorization": f"Bearer {secret}"}

    assert person.get("/probe", headers=bearer).json()["id"] == person.user.user_id
    wait_for(lambda: "key:" in person.get("/v1/probe", headers=bearer).text)


def test_this_machine_needs_a_key_once_there_is_a_user(tmp_path: Path) -> None:
    with run_service(tmp_path) as running:
        assert running.client.get("/v1/streams").status_code == 200
        throw_away = running.journal.now() + 60
        Users(running.journal).add("demo", role=Role.MODERATOR, expires_at=throw_away)
        assert running.client.get("/v1/streams").status_code == 200
        sign_in(running)
        wait_for(lambda: running.client.get("/v1/streams").status_code == 401)


def test_a_restriction_is_by_channel_category_and_decision() -> None:
    person = Person(
        user_id="u",
        name="U",
        role=Role.MODERATOR,
        channels=frozenset({"a"}),
        hidden_categories=frozenset({"graphic"}),
        decisions=frozenset({"no_violation"}),
    )

    assert person.can_see("a", "weapons")
    assert not person.can_see("b", "weapons")
    assert not person.can_see(None, "weapons")
    assert not person.can_see("a", "graphic")
    assert person.can_decide("no_violation", "a", "weapons")
    assert not person.can_decide("violation", "a", "weapons")
    assert not person.can_decide("no_violation", "a", "graphic")
    viewer = Person(user_id="v", name="V", role=Role.VIEWER)
    assert not viewer.can_decide("no_violation", None, "weapons")


def test_an_error_of_a_page_is_a_page_and_one_of_the_api_a_document(
    probed: RunningService,
) -> None:
    page = Browser(probed).get("/no-such-page")
    document = Browser(probed).get("/v1/no-such-path")

    assert (page.status_code, document.status_code) == (404, 404)
    assert page.headers["content-type"].startswith("text/html")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert document.headers["content-type"] == "application/problem+json"


def test_every_error_of_a_page_is_a_page(
    probed: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = sign_in(probed)
    answers = [ann.get(path) for path in ("/nothing", "/review/NO-ID", "/review/ab")]
    for error in (JournalBusyError("it is locked"), ZeroDivisionError("a defect")):
        monkeypatch.setattr(ReviewQueries, "totals", _raiser(error))
        answers.append(ann.get("/queue"))

    assert [one.status_code for one in answers] == [404, 404, 404, 503, 500]
    for one in answers:
        assert one.headers["content-type"].startswith("text/html"), one.url
        assert "Open the queue" in one.text
        assert "ZeroDivision" not in one.text
    assert "The service is busy" in answers[3].text
    assert answers[3].headers["retry-after"] == "1"


def _raiser(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_assets_are_kept_for_ever_and_nothing_else_is_served(probed: RunningService) -> None:
    style = probed.client.get("/console/assets/console.css")

    assert style.headers["content-type"].startswith("text/css")
    assert "immutable" in style.headers["cache-control"]
    for name in ("layout.html", "..%2Fapp.py", "console"):
        assert probed.client.get(f"/console/assets/{name}").status_code == 404


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({}, set()),
        ({"behind_proxy": "192.0.2.1"}, {Role.LEAD, Role.ADMIN}),
        ({"tls_cert": "cert.pem"}, {Role.LEAD, Role.ADMIN}),
        ({"tls_cert": "c", "console": ConsoleSettings(second_factor="optional")}, set()),
        ({"console": ConsoleSettings(second_factor="everyone")}, set(Role)),
    ],
    ids=["alone", "proxy", "tls", "optional", "everyone"],
)
def test_leads_and_admins_need_a_second_factor_where_other_machines_reach_the_service(
    settings: dict[str, Any], needed: set[Role]
) -> None:
    chosen = ServiceSettings(**settings)
    users = [User(user_id="u", name="u", display="u", role=role, created_at=0) for role in Role]

    assert {user.role for user in users if needs_second_factor(chosen, user)} == needed
    with_factor = replace(users[-1], has_totp=True)
    assert not needs_second_factor(chosen, with_factor)


def test_who_needs_a_second_factor_sets_it_up_before_anything_else(tmp_path: Path) -> None:
    settings = ServiceSettings(data=tmp_path, console=ConsoleSettings(second_factor="leads"))
    with run_service(tmp_path, settings) as running:
        lead, moderator = sign_in(running, Role.LEAD), sign_in(running)
        throw_away = sign_in(running, Role.LEAD, expires_at=running.journal.now() + 60)

        assert lead.get("/").headers["location"] == "/account/second-factor"
        assert lead.get("/v1/reviews").status_code == 403
        assert lead.get("/v1/incidents").status_code == 403
        assert lead.get("/account/second-factor").status_code == 200
        for person in (moderator, throw_away):
            assert person.get("/v1/reviews").status_code == 200
        Users(running.journal).set_totp(lead.user.user_id, "A" * 32)
        assert lead.get("/v1/reviews").status_code == 200
