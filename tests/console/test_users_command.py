"""``streamwarden users``: accounts from the command line, all of it in the audit log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scanner.cli.app import run
from scanner.console.links import add_demo_moderator, admin_link, link_address
from scanner.settings.service import ServiceSettings
from scanner.store.audit import AuditLog
from scanner.store.database import Journal, open_journal
from scanner.store.people import Role
from scanner.store.review_queries import QueueFilter, ReviewQueries, Sight
from scanner.store.reviews import ReviewJournal
from scanner.store.sessions import LoginLinks, Sessions
from scanner.store.users import Users
from tests.delivery.rows import add_revisions


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAMWARDEN_SERVICE__DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_user_is_added_with_a_link_and_listed(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--role", "lead", "--hide", "graphic", "--channels", "a, b", "--json"]
    assert run(["users", "add", "Anna", *options]) == 0
    (made,) = lines(capsys)
    assert run(["users", "list", "--json"]) == 0
    (listed,) = lines(capsys)

    assert str(made["link"]).startswith("http://127.0.0.1:8090/login/once#")
    assert (listed["name"], listed["role"], listed["has_password"]) == ("anna", "lead", False)
    assert (listed["channels"], listed["hidden_categories"]) == (["a", "b"], ["graphic"])
    journal = open_journal(data)
    link = LoginLinks(journal).find(str(made["link"]).partition("#")[2])
    assert link is not None
    assert (link.purpose, link.user_id) == ("set_password", listed["id"])
    journal.close()


def test_every_change_of_a_user_is_in_the_audit_log(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ["add", "b"],
        ["role", "b", "admin"],
        ["restrict", "b", "--decisions", "no_violation"],
        ["reset", "b"],
        ["link", "b"],
        ["disable", "b"],
        ["enable", "b"],
    ):
        assert run(["users", *words]) == 0

    journal = open_journal(data)
    user = Users(journal).by_name("b")
    actions = [one.action for one in AuditLog(journal).entries(subject=user.user_id)]
    assert actions[::-1] == [
        "user_added",
        "user_role",
        "user_restricted",
        "user_reset",
        "sign_in_link",
        "user_disabled",
        "user_enabled",
    ]
    assert (user.role, user.decisions) == (Role.ADMIN, frozenset({"no_violation"}))
    journal.close()


def test_a_reset_ends_sessions_and_the_second_factor(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["users", "add", "c"])
    journal = open_journal(data)
    user = Users(journal).by_name("c")
    Users(journal).set_totp(user.user_id, "S" * 32, ["A" * 16])
    token = Sessions(journal).start(user.user_id)

    assert run(["users", "reset", "c"]) == 0

    assert Sessions(journal).find(token) is None
    assert not Users(journal).by_name("c").has_totp
    assert not Users(journal).use_recovery_code(user.user_id, "A" * 16)
    journal.close()


@pytest.mark.parametrize(("more", "remains"), [([], False), (["--keep-factor"], True)])
def test_a_reset_ends_the_password_unless_the_second_factor_is_kept(
    data: Path, more: list[str], remains: bool
) -> None:
    run(["users", "add", "c"])
    journal = open_journal(data)
    Users(journal).set_password(Users(journal).by_name("c").user_id, "the hash")

    assert run(["users", "reset", "c", *more]) == 0

    assert Users(journal).by_name("c").has_password is remains
    journal.close()


def test_a_user_who_was_disabled_keeps_no_link_and_no_item(journal: Journal) -> None:
    user = Users(journal).add("d", role=Role.MODERATOR)
    code = LoginLinks(journal).add("set_password", user.user_id, seconds=600)
    add_revisions(journal, ["opened"], incident_id="ab")
    assert ReviewJournal(journal).assign("ab", user.user_id)

    Users(journal).disable(user.user_id)
    Users(journal).enable(user.user_id)

    assert LoginLinks(journal).find(code) is None
    assert ReviewQueries(journal).next_item(QueueFilter(), Sight(), "other") == "ab"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["add", "a b"], "name 'a b'"),
        (["add", "d", "--hide", "nonsense"], "no category nonsense"),
        (["restrict", "known", "--decisions", "violaton"], "no violaton"),
        (["add", "d", "--channels", ""], "--channels: names nothing"),
        (["disable", "nobody"], "is not known"),
    ],
)
def test_what_is_wrong_is_one_line(
    data: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["users", "add", "known"])
    capsys.readouterr()

    assert run(["users", *words]) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_the_administrator_s_link_exists_until_there_is_a_user(journal: Journal) -> None:
    first = admin_link(journal, "http://h")
    add_demo_moderator(journal, "http://h")
    second = admin_link(journal, "http://h/")

    assert first is not None
    assert second is not None
    assert LoginLinks(journal).find(first.partition("#")[2]) is None
    assert LoginLinks(journal).find(second.partition("#")[2]) is not None
    Users(journal).add("root", role=Role.ADMIN)
    assert admin_link(journal, "http://h") is None


def test_links_lead_to_where_people_reach_the_service(tmp_path: Path) -> None:
    assert link_address(ServiceSettings(host="::1", port=1)) == "http://[::1]:1"
    assert link_address(ServiceSettings(public_url="https://h/")) == "https://h"
    assert link_address(ServiceSettings(tls_cert=tmp_path)).startswith("https://")
