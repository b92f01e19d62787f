"""A person's own account: password, second factor, sessions, preferences, reminders."""

from __future__ import annotations

import re

import pyotp
import pytest

from scanner.console.preferences import Preferences, preferences_from
from scanner.console.wellbeing import reminders
from scanner.settings.console import ConsoleSettings, ViewSettings
from scanner.store.database import Journal
from scanner.store.exposure import Exposure, ExposureDay
from scanner.store.people import Role
from scanner.store.sessions import Sessions
from scanner.store.users import Users
from tests.console.people import SignedIn, sign_in
from tests.console.test_sign_in import PASSWORD, hashed, log_in
from tests.intake.conftest import RunningService
from tests.store.conftest import FakeClock

OTHER = "eight yellow bicycles"


@pytest.fixture
def person(service: RunningService) -> SignedIn:
    return sign_in(service, password=hashed())


def test_a_new_password_needs_the_current_one_and_ends_other_sessions(
    service: RunningService, person: SignedIn
) -> None:
    user = person.user
    other = SignedIn(service, user, Sessions(service.journal).start(user.user_id))

    wrong = person.post("/account/password", current="wrong", password=OTHER, again=OTHER)
    differs = person.post("/account/password", current=PASSWORD, password=OTHER, again="x")
    right = person.post("/account/password", current=PASSWORD, password=OTHER, again=OTHER)

    assert (wrong.status_code, differs.status_code, right.status_code) == (422, 422, 303)
    assert person.get("/account").status_code == 200
    assert other.get("/account").status_code == 303
    assert log_in(service, user.name).status_code == 401
    assert log_in(service, user.name, password=OTHER).status_code == 303


def test_a_second_factor_is_set_by_its_first_code_and_removed_by_the_password(
    service: RunningService, person: SignedIn
) -> None:
    secret = re.search(r'name="secret" value="(\w{32})"', person.get("/account/second-factor").text)
    assert secret is not None
    code = pyotp.TOTP(secret[1]).at(int(service.journal.now()))
    set_up = "/account/second-factor"

    assert person.post(set_up, secret=secret[1], code="000000", current=PASSWORD).status_code == 422
    assert person.post(set_up, secret=secret[1], code=code, current="wrong").status_code == 422
    page = person.post(set_up, secret=secret[1], code=code, current=PASSWORD)

    codes = re.findall(r"<li>([A-Z2-7-]{19})</li>", page.text)
    assert len(set(codes)) == 10
    assert log_in(service, person.user.name).status_code == 401
    assert log_in(service, person.user.name, code=codes[3]).status_code == 303
    assert person.post(set_up + "/remove", current="wrong").status_code == 422
    assert person.post(set_up + "/remove", current=PASSWORD).status_code == 303
    assert log_in(service, person.user.name).status_code == 303


def test_a_session_is_ended_from_another_and_all_at_once(
    service: RunningService, person: SignedIn
) -> None:
    sessions = Sessions(service.journal)
    other = SignedIn(service, person.user, sessions.start(person.user.user_id, agent="<b>Old"))
    stranger = sign_in(service)
    (old,) = (one for one in sessions.of_user(person.user.user_id) if one.agent == "<b>Old")

    assert "&lt;b&gt;Old" in person.get("/account").text
    assert stranger.post("/account/sessions", session=old.session_id).status_code == 303
    assert other.get("/account").status_code == 200
    person.post("/account/sessions", session=old.session_id)
    assert other.get("/account").status_code == 303
    assert person.post("/account/sessions").headers["location"] == "/login"
    assert person.get("/account").status_code == 303
    assert stranger.get("/account").status_code == 200


def test_what_a_person_opts_out_of_is_hidden(service: RunningService, person: SignedIn) -> None:
    body = {"opted_out": ["graphic", "self_harm", "unknown"], "break_minutes": "25"}
    body |= {"view.blur": "off", "view.graphic.mute": "off", "items": ""}

    assert person.post("/account/preferences", **body).status_code == 303

    (session,) = Sessions(service.journal).of_user(person.user.user_id)
    assert session.person.hidden_categories == {"graphic", "self_harm"}
    stored = Users(service.journal).preferences(person.user.user_id)
    chosen = preferences_from(stored, ConsoleSettings())
    assert (chosen.break_minutes, chosen.items) == (25, 300)
    assert not chosen.view.blur
    assert not chosen.view_of("graphic").mute
    assert chosen.view_of("weapons").mute
    assert person.post("/account/preferences", items="-1").status_code == 422


def test_the_organisation_s_view_of_a_category_is_kept_unless_a_person_changes_it() -> None:
    strict = ViewSettings(blur=True, mute=True)
    settings = ConsoleSettings(
        view=ViewSettings(blur=False, mute=False), view_by_category={"graphic": strict}
    )

    default = preferences_from({}, settings)
    own = preferences_from({"views": {"graphic": {"mute": False}}}, settings)

    assert (default.view.blur, default.view_of("graphic").blur) == (False, True)
    assert (own.view_of("graphic").blur, own.view_of("graphic").mute) == (True, False)


def test_what_was_seen_is_counted_by_day_and_work_from_the_last_break(
    journal: Journal, wall_clock: FakeClock
) -> None:
    seen = Exposure(journal)
    for _ in range(10):
        seen.add("u", items=1, severe_items=1, unblurred_seconds=30)
        wall_clock.time += 240
    today = seen.today("u")

    assert (today.items, today.severe_items, today.unblurred_seconds) == (10, 10, 300)
    assert today.active_seconds(wall_clock.time) == 2400
    assert today.active_seconds(wall_clock.time + 400) == 0
    wall_clock.time += 86_400
    assert seen.today("u").items == 0
    assert [day.items for day in seen.days("u")] == [10]


def test_work_without_a_break_goes_on_at_midnight(journal: Journal, wall_clock: FakeClock) -> None:
    seen, midnight = Exposure(journal), 20_000 * 86_400.0
    for wall_clock.time in (midnight - 250, midnight - 10):
        seen.add("u", items=1)
    wall_clock.time = midnight + 200
    assert seen.today("u").active_seconds(wall_clock.time) == 450
    seen.add("u", items=1)
    today = seen.today("u")

    assert (today.items, today.active_seconds(wall_clock.time)) == (1, 450)


def test_a_reminder_states_figures_and_can_be_switched_off() -> None:
    today = ExposureDay(items=30, severe_items=2, unblurred_seconds=600, active_since=0.0)
    today = ExposureDay(
        items=30, severe_items=2, unblurred_seconds=600, active_since=0.0, active_at=3590.0
    )
    chosen = Preferences(break_minutes=50, items=30, severe_items=3, unblurred_minutes=10)

    assert reminders(today, chosen, 3600.0) == (
        "You have worked for 60 minutes without a break.",
        "You have seen 30 items today; your limit is 30.",
        "You have seen 10 minutes without blur today; your limit is 10.",
    )
    assert reminders(today, Preferences(break_minutes=0), 3600.0) == ()


def test_a_reminder_is_shown_on_every_page(service: RunningService, person: SignedIn) -> None:
    person.post("/account/preferences", items="1")
    Exposure(service.journal).add(person.user.user_id, items=2)

    assert "You have seen 2 items today" in person.get("/account").text


def test_a_role_that_changes_is_in_force_at_once(service: RunningService, person: SignedIn) -> None:
    Users(service.journal).change(person.user.user_id, role=Role.LEAD, channels=["a"])

    page = person.get("/account").text
    assert 'href="/lead"' in page
