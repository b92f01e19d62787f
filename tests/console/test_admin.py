"""Administrators add people, change their rights and end their access."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update

from scanner.store.audit import AuditLog
from scanner.store.people import Role
from scanner.store.people_schema import sessions
from scanner.store.users import Users
from tests.console.people import Browser, SignedIn, sign_in
from tests.console.test_sign_in import PASSWORD, hashed, log_in
from tests.intake.conftest import RunningService, run_service


@pytest.fixture(scope="module")
def admin(service: RunningService) -> SignedIn:
    return sign_in(service, Role.ADMIN, "root")


def test_a_user_is_added_with_a_link_that_sets_the_password(
    service: RunningService, admin: SignedIn
) -> None:
    page = admin.post("/admin/users", name="Nina", role="lead")
    link = re.search(r"/login/once#([\w-]+)", page.text)
    assert link is not None
    fields = {"code": link[1], "password": PASSWORD, "again": PASSWORD}

    assert Browser(service).send("POST", "/login/setup", data=fields).status_code == 303
    assert log_in(service, "nina").status_code == 303
    assert Users(service.journal).by_name("nina").role is Role.LEAD
    assert admin.post("/admin/users", name="nina").status_code == 422
    assert admin.post("/admin/users", name="x", role="king").status_code == 422


def test_rights_are_changed_and_in_the_audit_log(service: RunningService, admin: SignedIn) -> None:
    person = sign_in(service)
    page = f"/admin/users/{person.user.user_id}"
    rights = {"role": "viewer", "channels": "a, b", "decisions": ""}

    answer = admin.post(page, **rights, hidden_categories=["graphic", "unknown"])

    assert answer.status_code == 303
    user = Users(service.journal).by_name(person.user.name)
    assert (user.role, user.channels, user.decisions) == (Role.VIEWER, {"a", "b"}, None)
    assert user.hidden_categories == {"graphic"}
    assert 'value="a, b"' in admin.get(page).text
    assert admin.post(page, role="viewer", decisions="violaton").status_code == 422
    (entry,) = AuditLog(service.journal).entries(subject=user.user_id, action="user_changed")
    assert (entry.actor, entry.details["channels"]) == (admin.user.user_id, ["a", "b"])


def test_access_is_ended_and_given_back(service: RunningService, admin: SignedIn) -> None:
    person = sign_in(service)
    page = f"/admin/users/{person.user.user_id}"

    admin.post(f"{page}/disable")
    assert person.get("/account").status_code == 303
    assert ">Enable<" in admin.get(page).text
    admin.post(f"{page}/enable")
    link = admin.post(f"{page}/reset").text
    assert f"Send this link to {person.user.name}" in link


def test_the_last_administrator_stays_one(service: RunningService, admin: SignedIn) -> None:
    page = f"/admin/users/{admin.user.user_id}"

    for answer in (admin.post(page, role="viewer"), admin.post(f"{page}/disable")):
        assert answer.status_code == 422
        assert "last administrator" in answer.text
    other = sign_in(service, Role.ADMIN)
    assert other.post(page, role="viewer").status_code == 303
    assert admin.get("/admin/users").status_code == 403
    other.post(page, role="admin")


def test_a_name_of_markup_is_text_and_an_unknown_user_has_no_page(
    service: RunningService, admin: SignedIn
) -> None:
    page = admin.post("/admin/users", name="<script>alert(1)</script>")

    assert page.status_code == 422
    assert "<script>alert" not in page.text
    assert admin.get("/admin/users/00").status_code == 404


def test_an_unlocked_browser_manages_no_users_after_half_an_hour(service: RunningService) -> None:
    person = sign_in(service, Role.ADMIN, password=hashed())
    with service.journal.write() as connection:
        mine = sessions.c.user_id == person.user.user_id
        long_ago = service.journal.now() - 1900
        connection.execute(update(sessions).where(mine).values(confirmed_at=long_ago))
    asks = "/account/confirm?next=/admin/users"

    assert person.get("/admin/users").headers["location"] == asks
    assert person.post("/admin/users", name="evil").headers["location"] == asks
    assert Users(service.journal).find("evil") is None
    assert person.get("/queue").status_code == 200
    assert person.get(asks).status_code == 200
    wrong = person.post("/account/confirm", current="wrong", next="/admin/users")
    right = person.post("/account/confirm", current=PASSWORD, next="/admin/users")
    assert (wrong.status_code, right.headers["location"]) == (422, "/admin/users")
    assert person.get("/admin/users").status_code == 200


def test_no_change_leaves_the_service_without_an_administrator(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with run_service(tmp_path_factory.mktemp("last")) as service:
        only = sign_in(service, Role.ADMIN, "only")
        page = f"/admin/users/{only.user.user_id}"
        for answer in (only.post(page, role="lead"), only.post(f"{page}/disable")):
            assert (answer.status_code, "last administrator" in answer.text) == (422, True)

        assert Users(service.journal).by_name("only") == only.user
        assert AuditLog(service.journal).entries(subject=only.user.user_id) == []
