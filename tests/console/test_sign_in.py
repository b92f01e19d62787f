"""Signing in and out: passwords, one-time codes, links, delays after failures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import httpx
import pyotp
import pytest
from sqlalchemy import update

from scanner.console import sign_in as sign_in_module
from scanner.console.login_pages import own_page
from scanner.console.secrets import (
    STEP_SECONDS,
    check_new_password,
    hash_password,
    matching_step,
    new_recovery_codes,
    plain_recovery_code,
)
from scanner.console.sign_in import SignIn, SignInRefusal
from scanner.store.audit import AuditLog
from scanner.store.database import Journal
from scanner.store.people import Role, SessionLimits, User
from scanner.store.people_schema import sessions as sessions_table
from scanner.store.people_schema import sign_in_failures
from scanner.store.sessions import LoginLinks, Sessions
from scanner.store.throttle import SignInThrottle
from scanner.store.users import Users
from tests.console.people import Browser, SignedIn, sign_in, token_of
from tests.intake.conftest import RunningService, run_service
from tests.store.conftest import FakeClock

PASSWORD = "seven green umbrellas"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@cache
def hashed() -> str:
    return hash_password(PASSWORD)


def add(service: RunningService, name: str, **more: object) -> User:
    return Users(service.journal).add(name, role=Role.MODERATOR, password=hashed(), **more)


def log_in(service: RunningService, name: str, **fields: str) -> httpx.Response:
    form = {"name": name, "password": PASSWORD, **fields}
    return Browser(service).send("POST", "/login", data=form)


def test_name_and_password_start_a_session_and_lead_back_to_the_page(
    service: RunningService,
) -> None:
    user = add(service, "anna")

    answer = log_in(service, " Anna", next="/queue?label=fire")

    assert (answer.status_code, answer.headers["location"]) == (303, "/queue?label=fire")
    cookie = answer.headers["set-cookie"].lower()
    assert {"secure", "httponly", "path=/", "samesite=lax"} <= set(cookie.split("; "))
    assert "domain" not in cookie
    signed_in = SignedIn(service, user, token_of(answer))
    assert signed_in.get("/account").status_code == 200
    assert AuditLog(service.journal).entries(actor=user.user_id)[0].action == "sign_in"


def test_a_session_before_signing_in_is_ended_by_it(service: RunningService) -> None:
    before = sign_in(service)
    add(service, "rotated")

    form = {"name": "rotated", "password": PASSWORD}
    answer = before.send("POST", "/login", data=form)

    assert token_of(answer) != before.token
    assert before.get("/account").status_code == 303


@pytest.mark.parametrize(
    ("name", "password"), [("berta", "seven green umbrella"), ("nobody", PASSWORD), ("", "")]
)
def test_a_wrong_name_and_a_wrong_password_are_answered_the_same(
    service: RunningService, name: str, password: str
) -> None:
    if Users(service.journal).find("berta") is None:
        add(service, "berta")

    answer = log_in(service, name, password=password)

    assert answer.status_code == 401
    assert "Name, password or code is not right." in answer.text
    assert "set-cookie" not in answer.headers


def test_a_name_that_nobody_has_takes_the_time_of_one_that_somebody_has(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    Users(journal).add("berta", role=Role.MODERATOR, password=hashed())
    checked: list[str | None] = []

    def refuse(_: str, stored: str | None) -> bool:
        checked.append(stored)
        return False

    monkeypatch.setattr(sign_in_module, "is_password", refuse)
    for name in ("berta", "nobody"):
        refused = SignIn(journal, AuditLog(journal)).attempt(name, "wrong", "", "192.0.2.1")
        assert isinstance(refused, SignInRefusal)

    assert checked == [hashed(), None]


def test_a_disabled_user_and_one_whose_time_is_over_cannot_sign_in(
    service: RunningService,
) -> None:
    Users(service.journal).disable(add(service, "gone").user_id)
    add(service, "over", expires_at=service.journal.now() - 1)

    assert log_in(service, "gone").status_code == 401
    assert log_in(service, "over").status_code == 401


def test_a_one_time_code_is_wanted_and_good_once(service: RunningService) -> None:
    user, people = add(service, "coded"), Users(service.journal)
    recovery = new_recovery_codes()[0]
    people.set_totp(user.user_id, SECRET, [plain_recovery_code(recovery)])
    code = pyotp.TOTP(SECRET).at(int(service.journal.now()))

    assert log_in(service, "coded").status_code == 401
    assert log_in(service, "coded", code=code).status_code == 303
    assert log_in(service, "coded", code=code).status_code == 401
    assert log_in(service, "coded", code=recovery.lower()).status_code == 303
    assert log_in(service, "coded", code=recovery).status_code == 401


def test_a_code_of_a_neighbouring_step_is_right_and_of_another_is_not() -> None:
    codes = pyotp.TOTP(SECRET)
    now = 1_000_000.0
    step = int(now) // STEP_SECONDS

    found = [matching_step(SECRET, codes.generate_otp(step + by), now) for by in range(-2, 3)]

    assert found == [None, step - 1, step, step + 1, None]
    for code in ("", "12345", "1234567", "\u0661\u0662\u0663\u0664\u0665\u0666", "12345x"):
        assert matching_step(SECRET, code, now) is None


def test_an_older_code_is_not_accepted_after_a_newer_one(journal: Journal) -> None:
    people = Users(journal)
    user = people.add("t", role=Role.VIEWER)

    assert people.use_totp_step(user.user_id, 101)
    assert not people.use_totp_step(user.user_id, 101)
    assert not people.use_totp_step(user.user_id, 100)
    assert people.use_totp_step(user.user_id, 102)


def test_failures_of_an_account_delay_also_the_right_password(service: RunningService) -> None:
    user = add(service, "locked")
    assert log_in(service, "locked", password="wrong").status_code == 401
    with service.journal.write() as connection:
        mine = sign_in_failures.c.subject == "user:locked"
        later = service.journal.now() + 200
        connection.execute(update(sign_in_failures).where(mine).values(next_at=later))

    refused = log_in(service, "locked")

    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 200
    SignInThrottle(service.journal).forget("locked")
    assert log_in(service, "locked").status_code == 303
    failed = AuditLog(service.journal).entries(action="sign_in_failed", subject=user.user_id)
    assert len(failed) == 1


def test_a_wait_of_one_second_is_told_in_words(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SignInThrottle, "begin", lambda *_: 0.4)
    refused = SignIn(journal, AuditLog(journal)).attempt("a", "b", "", "192.0.2.1")

    assert isinstance(refused, SignInRefusal)
    assert (refused.wait, refused.message) == (1, "Too many attempts. Try again in 1 second.")


def test_delays_keep_their_length_when_the_wall_clock_is_set_back(
    journal: Journal, wall_clock: FakeClock
) -> None:
    throttle = SignInThrottle(journal)
    for _ in range(5):
        assert throttle.begin("a", "192.0.2.1") == 0.0
    assert throttle.begin("b", "192.0.2.1") == 0.0
    wall_clock.time -= 3600

    assert throttle.begin("b", "192.0.2.1") == 0.0
    assert throttle.begin("a", "192.0.2.1") == 1.0
    wall_clock.time += 1
    assert throttle.begin("a", "192.0.2.1") == 0.0


def test_the_delay_doubles_up_to_a_limit_and_is_forgotten_after_a_day(
    journal: Journal, wall_clock: FakeClock
) -> None:
    delays: list[float] = []
    throttle = SignInThrottle(journal)
    while len(delays) < 11:
        wait = throttle.begin("a", "192.0.2.1")
        if wait:
            delays.append(wait)
            wall_clock.time += wait

    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    wall_clock.time += 90_000
    assert throttle.begin("a", "192.0.2.1") == 0


def test_failures_of_one_address_delay_it_for_every_account(journal: Journal) -> None:
    throttle = SignInThrottle(journal)
    for number in range(20):
        assert throttle.begin(f"name-{number}", "192.0.2.7") == 0

    assert throttle.begin("another", "192.0.2.7") > 0
    assert throttle.begin("another", "192.0.2.8") == 0


def test_a_network_of_ipv6_is_one_sender(journal: Journal) -> None:
    throttle = SignInThrottle(journal)
    for number in range(20):
        assert throttle.begin(f"name-{number}", f"2001:db8::{number:x}") == 0

    assert throttle.begin("another", "2001:db8::ffff:1") > 0
    assert throttle.begin("another", "2001:db8:0:1::1") == 0


def test_a_success_is_no_failure_of_its_address(journal: Journal) -> None:
    throttle = SignInThrottle(journal)
    for _ in range(50):
        assert throttle.begin("a", "192.0.2.9") == 0
        throttle.succeed("a", "192.0.2.9")


def test_another_site_cannot_sign_a_browser_in(service: RunningService) -> None:
    add(service, "mallory")
    form = {"name": "mallory", "password": PASSWORD}
    headers = {"Sec-Fetch-Site": "cross-site"}

    assert Browser(service).send("POST", "/login", headers, data=form).status_code == 403


@pytest.mark.parametrize(
    "target",
    ["//other.example", "/\\other.example", "https://other.example", "javascript:1", "/\tx", ""],
)
def test_no_other_site_is_led_to(target: str) -> None:
    assert own_page(target) == "/queue"


def test_signing_out_ends_the_session_and_the_cookie(service: RunningService) -> None:
    person = sign_in(service)

    answer = person.post("/logout")

    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert "storage" in answer.headers["clear-site-data"]
    assert person.get("/account").status_code == 303


def test_a_session_ends_when_it_is_idle_and_when_it_is_old(
    journal: Journal, wall_clock: FakeClock
) -> None:
    user = Users(journal).add("s", role=Role.VIEWER)
    sessions = Sessions(journal, SessionLimits(idle_seconds=100, absolute_seconds=400))
    idle, used = sessions.start(user.user_id), sessions.start(user.user_id)
    for _ in range(4):
        wall_clock.time += 90
        assert sessions.use(used) is not None

    assert sessions.find(idle) is None
    wall_clock.time += 41
    assert sessions.find(used) is None
    assert sessions.remove_expired() == 2


def test_a_page_that_is_left_open_keeps_no_session_in_use(service: RunningService) -> None:
    person = sign_in(service)
    mine = sessions_table.c.user_id == person.user.user_id
    before = service.journal.now()
    with service.journal.write() as connection:
        connection.execute(update(sessions_table).where(mine).values(seen_at=before - 600))

    assert person.get("/queue/rows").status_code == 200
    (session,) = Sessions(service.journal).of_user(person.user.user_id)
    assert session.seen_at == before - 600
    assert person.get("/account").status_code == 200
    (session,) = Sessions(service.journal).of_user(person.user.user_id)
    assert session.seen_at >= before


def test_a_link_signs_in_once(service: RunningService) -> None:
    user = add(service, "linked")
    code = LoginLinks(service.journal).add("sign_in", user.user_id, seconds=60)
    browser = Browser(service)

    assert code not in browser.get("/login/once").text
    answer = browser.send("POST", "/login/once", data={"code": code})
    again = browser.send("POST", "/login/once", data={"code": code})

    assert (answer.status_code, again.status_code) == (303, 410)
    assert SignedIn(service, user, token_of(answer)).get("/account").status_code == 200


def test_a_link_expires_and_a_new_one_ends_it(journal: Journal, wall_clock: FakeClock) -> None:
    links = LoginLinks(journal)
    first = links.add("set_password", "u", seconds=60)
    second = links.add("set_password", "u", seconds=60)

    assert links.find(first) is None
    assert links.find(second) is not None
    wall_clock.time += 61
    assert links.use(second) is None
    assert repr(second) not in repr(journal.engine.url)


def test_the_first_link_creates_the_administrator_once(tmp_path: Path) -> None:
    with run_service(tmp_path) as running:
        browser = Browser(running)
        code = LoginLinks(running.journal).add("create_admin", None, seconds=60)
        form = browser.send("POST", "/login/once", data={"code": code})
        assert "Create the administrator" in form.text
        fields = {"code": code, "name": "Root", "password": PASSWORD, "again": PASSWORD}

        for wrong in (
            {"again": "x"},
            {"name": "no space"},
            {"password": "short", "again": "short"},
        ):
            refused = browser.send("POST", "/login/setup", data={**fields, **wrong})
            assert refused.status_code == 422
        made = browser.send("POST", "/login/setup", data=fields)
        assert browser.send("POST", "/login/setup", data=fields).status_code == 410

        admin = Users(running.journal).by_name("root")
        assert admin.role is Role.ADMIN
        assert SignedIn(running, admin, token_of(made)).get("/account").status_code == 200
        later = LoginLinks(running.journal).add("create_admin", None, seconds=60)
        fields |= {"code": later, "name": "second"}
        assert browser.send("POST", "/login/setup", data=fields).status_code == 422
        assert Users(running.journal).find("second") is None


def test_a_link_to_set_a_password_ends_all_sessions(service: RunningService) -> None:
    person = sign_in(service, name="forgetful")
    code = LoginLinks(service.journal).add("set_password", person.user.user_id, seconds=60)
    fields = {"code": code, "password": PASSWORD, "again": PASSWORD}

    answer = Browser(service).send("POST", "/login/setup", data=fields)

    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert person.get("/account").status_code == 303
    assert log_in(service, "forgetful").status_code == 303


@pytest.mark.parametrize(
    "password", ["short", "aaaaaaaaaaaaaa", "qwerty-and-more", "my streamwarden", "annas password!"]
)
def test_a_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match=r"\.$|typed"):
        check_new_password(password, "anna")
    check_new_password(PASSWORD, "anna")
