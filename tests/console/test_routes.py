"""Every route of the application, attacked: without a session, with a wrong one, below the role,
without the token, from another site, and about an item that the sender may not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from scanner.console.app import create_web_app
from scanner.settings.service import ServiceSettings
from scanner.store.keys import ApiKeys
from scanner.store.people import Role
from scanner.store.sessions import Sessions
from tests.console.people import Browser, SignedIn, sign_in
from tests.console.route_rules import RULES, RouteRule, address_of, routes_of
from tests.delivery.rows import add_revisions
from tests.intake.conftest import RunningService, run_service, wait_for

UNSAFE = [name for name in RULES if name.split()[0] not in ("GET", "HEAD")]
GUARDED = [name for name, rule in RULES.items() if rule.needs != "nothing"]
OF_PEOPLE = [name for name, rule in RULES.items() if rule.role is not None]
STREAMED = ("GET /v1/events", "GET /queue/changes", "GET /review/{item_id}/changes")
"""Routes whose answers do not end."""


@dataclass(frozen=True, kw_only=True)
class Attackers:
    """A service with one incident, and its senders."""

    service: RunningService
    people: dict[Role, SignedIn]
    keys: dict[str, dict[str, str]]
    anonymous: Browser
    ended: Browser
    blind: SignedIn
    elsewhere: SignedIn


@pytest.fixture(scope="module")
def attackers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attackers]:
    with run_service(tmp_path_factory.mktemp("routes")) as service:
        add_revisions(service.journal, ["opened"], incident_id="ab")
        add_revisions(service.journal, ["opened"], incident_id="cd", stream_id="t")
        made = ApiKeys(service.journal)
        keys = {
            verb: {"Authorization": f"Bearer {made.add(verb, verbs=[verb], channels=None)}"}
            for verb in ("ingest", "read", "decide")
        }
        gone = sign_in(service, name="gone")
        Sessions(service.journal).end_all(gone.user.user_id)
        wait_for(lambda: service.client.get("/v1/streams", headers=keys["read"]).is_success)
        yield Attackers(
            service=service,
            people={role: sign_in(service, role) for role in Role},
            keys=keys,
            anonymous=Browser(service),
            ended=gone,
            blind=sign_in(service, Role.ADMIN, "blind", hidden_categories={"hazard"}),
            elsewhere=sign_in(service, Role.ADMIN, "elsewhere", channels={"other"}),
        )


def send(
    sender: Browser, name: str, headers: dict[str, str] | None = None, **more: Any
) -> httpx.Response:
    method, path = name.split()
    rule = RULES[name]
    return sender.send(method, address_of(path), headers or {}, **{**rule.send, **more})


def is_refused(answer: httpx.Response, rule: RouteRule) -> bool:
    """Return whether a sender who is not known was refused as the rule says."""
    if rule.page:
        return answer.status_code == 303 and answer.headers["location"].startswith("/login")
    return answer.status_code == 401


def proof(sender: SignedIn) -> dict[str, str]:
    return {"X-CSRF-Token": sender.csrf}


def test_every_route_has_a_rule_and_every_rule_a_route() -> None:
    app = create_web_app(ServiceSettings(), None, None)

    assert set(routes_of(app)) == RULES.keys()


@pytest.mark.parametrize("name", GUARDED)
def test_without_a_session_or_with_one_that_ended_nothing_is_answered(
    attackers: Attackers, name: str
) -> None:
    forged = Browser(attackers.service, "x" * 43)
    for sender in (attackers.anonymous, forged, attackers.ended):
        assert is_refused(send(sender, name), RULES[name])
    wrong = {"Authorization": "Bearer sw_00000000_x"}
    assert is_refused(send(attackers.anonymous, name, wrong), RULES[name])


@pytest.mark.parametrize("name", [name for name in OF_PEOPLE if RULES[name].role != Role.VIEWER])
def test_below_the_role_it_is_forbidden(attackers: Attackers, name: str) -> None:
    wanted = RULES[name].role
    assert wanted is not None
    for role, person in attackers.people.items():
        if role.rank < wanted.rank:
            answer = send(person, name, proof(person))
            told = answer.headers.get("location", "").endswith("refused=forbidden")
            assert answer.status_code == 403 or (answer.status_code == 303 and told)


@pytest.mark.parametrize("name", [name for name in OF_PEOPLE if name not in STREAMED])
def test_with_the_role_it_is_not(attackers: Attackers, name: str) -> None:
    person = sign_in(attackers.service, RULES[name].role or Role.VIEWER)
    answer = send(person, name, proof(person), timeout=None)  # some start a process

    assert answer.status_code not in (401, 500)
    if answer.status_code == 403:  # the state of the item forbids it, and no right that is missing
        assert not re.search("role|verb|page", answer.text)
    assert not answer.headers.get("location", "").startswith("/login?")


@pytest.mark.parametrize("name", [name for name in UNSAFE if RULES[name].role is not None])
def test_a_change_without_the_token_or_from_another_site_is_forbidden(
    attackers: Attackers, name: str
) -> None:
    person = attackers.people[Role.ADMIN]
    other = attackers.people[Role.LEAD]
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://other.example"}
    for headers in ({}, proof(other), {**proof(person), **foreign}):
        assert send(person, name, headers).status_code == 403
    assert person.get("/account").status_code == 200


@pytest.mark.parametrize("name", [name for name in UNSAFE if RULES[name].needs == "nothing"])
def test_no_other_site_sends_a_form_of_signing_in(attackers: Attackers, name: str) -> None:
    foreign = {"Sec-Fetch-Site": "same-site"}

    assert send(attackers.anonymous, name, foreign).status_code == 403


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.needs == "ingest"])
def test_a_person_delivers_no_media(attackers: Attackers, name: str) -> None:
    person = attackers.people[Role.ADMIN]

    assert send(person, name, proof(person)).status_code in (401, 403)


@pytest.mark.parametrize("name", GUARDED)
def test_a_key_does_what_its_verbs_say_and_opens_no_page(attackers: Attackers, name: str) -> None:
    rule = RULES[name]
    if rule.page:
        for headers in attackers.keys.values():
            assert is_refused(send(attackers.anonymous, name, headers), rule)
        return
    allowed = {"ingest": "ingest", "viewer": "read"}.get(rule.needs)
    for verb, headers in attackers.keys.items():
        if verb != allowed:
            assert send(attackers.anonymous, name, headers).status_code in (401, 403)


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.about_item])
def test_who_may_not_see_an_item_does_not_learn_that_it_exists(
    attackers: Attackers, name: str
) -> None:
    unknown = name.replace("{incident_id}", "00").replace("{item_id}", "00")
    method, path = unknown.split()
    for person in (attackers.blind, attackers.elsewhere):
        hidden = send(person, name, proof(person))
        absent = person.send(method, address_of(path), proof(person), **RULES[name].send)
        assert (hidden.status_code, absent.status_code) == (404, 404)


@pytest.mark.parametrize("name", ["GET /v1/incidents", "GET /v1/reviews", "GET /queue"])
def test_a_list_leaves_out_what_the_person_may_not_see(attackers: Attackers, name: str) -> None:
    listed = re.compile(r'"cd"|/(incidents|review)/cd')

    assert listed.search(send(attackers.people[Role.VIEWER], name).text)
    for person in (attackers.blind, attackers.elsewhere):
        assert not listed.search(send(person, name).text)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, rule in RULES.items()
        if rule.page and name.startswith("GET") and name not in STREAMED
    ],
)
def test_every_page_forbids_foreign_code_and_is_kept_by_no_cache(
    attackers: Attackers, name: str
) -> None:
    answer = send(attackers.people[Role.ADMIN], name)
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert " style=" not in answer.text
    assert "<script>" not in answer.text
    assert " onclick=" not in answer.text


@pytest.mark.parametrize("name", [name for name in OF_PEOPLE if name not in STREAMED])
def test_no_cache_keeps_what_a_person_is_answered(attackers: Attackers, name: str) -> None:
    person = sign_in(attackers.service, RULES[name].role or Role.VIEWER)
    answer = send(person, name, proof(person), timeout=None)

    assert "no-store" in answer.headers["cache-control"]
