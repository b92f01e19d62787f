"""A lead sees what was decided, what waits, what nearly opened, and what policies would do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from scanner.console.lead_figures import lead_figures
from scanner.console.precision import precision_over_time, precision_rows, wilson
from scanner.console.what_if import changed_policies, compare_policies
from scanner.errors import InputError
from scanner.risk.policy import Policies, Policy
from scanner.settings.policies import policies_of_rows, policy_rows
from scanner.store.database import Journal
from scanner.store.lead_queries import LeadQueries
from scanner.store.people import Role
from scanner.store.review_queries import Sight
from scanner.store.review_schema import reviews
from scanner.store.reviews import NewDecision, ReviewJournal
from scanner.store.schema import streams
from scanner.stream.inputs import EndTurn
from scanner.types import Label, Medium, StreamId
from tests.browser.scene import CALM, add_stream, incident_of, write_configuration
from tests.console.people import sign_in
from tests.delivery.rows import add_revisions
from tests.intake.build import PNG, FoldingDriver
from tests.intake.conftest import RunningService, run_service
from tests.intake.test_segments import problem
from tests.store.conftest import FakeClock
from tests.stream.build import segment

NEARLY = {0.0: 0.5, 1.0: 0.7, 2.0: 0.6, 3.0: 0.5}


@pytest.fixture(scope="module")
def led(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with two incidents, one of which was a violation, and a near miss."""
    with run_service(tmp_path_factory.mktemp("led")) as service:
        write_configuration(service)
        for name in ("real", "false"):
            add_stream(service, name)
        add_quiet(service)
        ann = sign_in(service, name="ann")
        for name, verdict in (("real", "violation"), ("false", "no_violation")):
            ann.post(f"/review/{incident_of(service, name)}/decide", verdict=verdict)
        yield service


def add_quiet(service: RunningService) -> None:
    """Add a stream that opens no incident."""
    with pytest.raises(ValueError, match="unpack"):  # there is no incident to return
        add_stream(service, "nearly", story=(CALM, NEARLY, CALM))
    with service.journal.write() as connection:
        connection.execute(update(streams).values(summary=json.dumps({"peaks": {"fire": 0.7}})))


def test_a_share_has_its_interval() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(10, 10)
    assert (round(low, 2), high) == (0.72, 1.0)


def test_policies_are_read_as_they_were_recorded() -> None:
    fire = Policy(
        category="hazard",
        when=frozenset({Medium.CAMERA}),
        window=Fraction(25, 2),
        tuning={},
        reviewers=2,
        shadow=True,
    )
    policies = Policies(labels={Label("fire"): fire, Label("smoke"): Policy(category="hazard")})
    rows = json.loads(json.dumps(policy_rows(policies)))

    assert policies_of_rows(rows).labels == policies.labels


def test_figures_of_nothing_are_none() -> None:
    seen = {"hours": 0.0, "coverage": 1.0}
    figures = lead_figures([], seen, since=0.0, until=100.0, step=10.0)

    assert (figures.cleared_share, figures.median_seconds, figures.false_per_hour) == (None,) * 3


def verdict(at: float, what: str = "violation", label: str = "fire", **more: Any) -> dict[str, Any]:
    policies = {"policies": 0, "policy": "open 3", "kind": "incident", "by": "human"}
    return {"at": at, "verdict": what, "label": label, "in_force": True, **policies, **more}


def test_generations_with_the_same_policy_and_models_are_one_row() -> None:
    changed = {"policies": 2, "policy": "open 4"}
    rows = precision_rows(
        [
            verdict(1.0),
            verdict(2.0, "no_violation", policies=1),
            verdict(3.0, **changed),
            verdict(4.0, label="smoke", policies=None, policy=""),
        ]
    )

    found = [(row.label, row.generations, row.violations, row.decided) for row in rows]
    assert found == [("fire", (0, 1), 1, 2), ("fire", (2,), 1, 1), ("smoke", (), 1, 1)]


def test_precision_over_time_has_a_point_and_interval_for_each_part_with_decisions() -> None:
    verdicts = [verdict(11.0), verdict(19.0, "no_violation"), verdict(35.0), verdict(36.0)]
    (series,) = precision_over_time(verdicts, since=5.0, until=45.0, step=10.0)

    found = [(one.since, one.at, one.violations, one.decided) for one in series.points]
    assert found == [(10.0, 0.25, 1, 2), (30.0, 0.75, 2, 2)]
    assert all(low <= one.share <= high for one in series.points for low, high in [one.interval])
    assert precision_over_time([], since=0.0, until=1.0, step=1.0) == ()


def test_a_false_picture_is_no_false_incident_of_a_stream() -> None:
    verdicts = [verdict(1.0, "no_violation", kind=kind) for kind in ("incident", "image")]
    decided = [{**one, "seconds": 5.0, "person": "ann"} for one in verdicts]
    seen = {"hours": 2.0, "coverage": 1.0}
    figures = lead_figures(decided, seen, since=0.0, until=10.0, step=1.0)

    assert (figures.cleared_share, figures.false_per_hour) == (1.0, 0.5)


def test_an_item_that_was_decided_again_is_judged_by_its_latest_decision(
    journal: Journal, wall_clock: FakeClock
) -> None:
    def decide(verdict: str, severity: int) -> None:
        with journal.write() as connection:
            grown = {"state": "waiting", "severity": severity, "returned": "grew"}
            connection.execute(update(reviews).values(grown))
        one = NewDecision(verdict=verdict, person=f"p{severity}", reviewer="r")
        ReviewJournal(journal).decide("ab", one)

    add_revisions(journal, ["opened"], incident_id="ab")
    decide("no_violation", 1)
    decide("violation", 2)
    decide("violation", 3)
    ReviewJournal(journal).undo("ab", person="p3", reviewer="r", within=60.0)
    found = LeadQueries(journal).verdicts(Sight(), since=0.0)
    seen = {"hours": 2.0, "coverage": 1.0}
    figures = lead_figures(found, seen, since=0.0, until=wall_clock.time + 1, step=1e6)

    assert [one["in_force"] for one in found] == [False, True]
    assert (figures.decided, figures.items, figures.cleared_share) == (2, 1, 0.0)
    assert figures.false_per_hour == 0.0
    assert [(row.violations, row.decided) for row in figures.precision] == [(1, 1)]


def test_a_lead_of_some_channels_sees_the_hours_of_those(led: RunningService) -> None:
    elsewhere = sign_in(led, Role.LEAD, channels=frozenset({"elsewhere"}))
    figures = elsewhere.get("/v1/reviews/figures").json()

    assert (figures["decided"], figures["stream_hours"]) == (0, 0.0)


def test_a_lead_sees_figures_and_nobody_else(led: RunningService) -> None:
    lea = sign_in(led, Role.LEAD)
    figures = lea.get("/v1/reviews/figures").json()

    assert (figures["decided"], figures["by_people"], figures["cleared_share"]) == (2, 2, 0.5)
    (row,) = figures["precision"]
    assert (row["label"], row["violations"], row["decided"]) == ("fire", 1, 2)
    assert row["interval"][0] < 0.5 < row["interval"][1]
    assert row["generations"] == [0]
    (point,) = figures["precision_over_time"]
    assert (point["decided"], point["violations"]) == (2, 1)
    assert figures["false_per_stream_hour"] == pytest.approx(1 / figures["stream_hours"])
    page = lea.get("/lead").text
    assert "1 of 2" in page
    assert "ann" in page
    moderator = sign_in(led)
    assert moderator.get("/lead").status_code == 403
    for path in ("figures", "near-misses"):
        assert problem(moderator.get(f"/v1/reviews/{path}")) == "forbidden"
    answer = moderator.send(
        "POST",
        "/v1/reviews/what-if",
        headers={"X-CSRF-Token": moderator.csrf},
        json={"policy": ""},
    )
    assert problem(answer) == "forbidden"


def test_a_picture_that_was_flagged_is_no_near_miss(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with run_service(tmp_path_factory.mktemp("pictures")) as service:
        for name, score in (("flagged", 0.99), ("nearly", 0.7), ("clean", 0.001)):
            service.client.post(f"/v1/images?id={name}", content=PNG).raise_for_status()
            still = segment(0, {0: score}, stream=StreamId(name), still=True, whole_file=True)
            end = EndTurn(stream_id=StreamId(name), path=name)
            FoldingDriver(service.journal).fold(name, still, end)
            summary = json.dumps({"peaks": {"fire": score}})
            with service.journal.write() as connection:
                which = update(streams).where(streams.c.stream_id == name)
                connection.execute(which.values(summary=summary))
        found = sign_in(service, Role.LEAD).get("/v1/reviews/near-misses").json()

    assert [one["stream_id"] for one in found] == ["nearly"]


def test_near_misses_are_the_highest_scores_that_opened_nothing(led: RunningService) -> None:
    found = sign_in(led, Role.LEAD).get("/v1/reviews/near-misses").json()

    assert [(one["stream_id"], one["label"], one["score"]) for one in found] == [
        ("nearly", "fire", 0.7)
    ]


def test_labels_that_a_lead_does_not_see_take_no_place_of_near_misses(led: RunningService) -> None:
    queries = LeadQueries(led.journal)
    with led.journal.read() as connection:
        (kept,) = set(connection.execute(select(streams.c.summary)).scalars())
    peaks = json.dumps({"peaks": {"fire": 0.7, "smoke": 0.4}})
    with led.journal.write() as connection:
        connection.execute(update(streams).values(summary=peaks))
    found = queries.near_misses(Sight(), since=0.0, limit=1, without=["fire"])
    with led.journal.write() as connection:
        connection.execute(update(streams).values(summary=kept))

    assert [one["label"] for one in found] == ["smoke"]


def test_another_policy_loses_what_was_cleared_and_what_was_a_violation(
    led: RunningService,
) -> None:
    result = compare_policies(led.journal, led.data, "[policy.fire]\nopen = 8.0", since=0.0)

    assert (result["streams"], result["before"], result["after"]) == (3, 2, 0)
    assert (result["lost_violations"], result["lost_cleared"]) == (1, 1)
    assert result["reviewer_hours"] < 0
    lower = compare_policies(led.journal, led.data, "[policy.fire]\nopen = -1.0", since=0.0)
    assert (lower["gained"], lower["lost"]) == (1, 0)
    assert lower["mean_delay"] <= 0


@pytest.mark.parametrize("match", ["demo", "d*"])
def test_policies_of_a_channel_can_be_tried_out(led: RunningService, match: str) -> None:
    def lost(text: str) -> int:
        return int(compare_policies(led.journal, led.data, text, since=0.0)["lost"])

    high, low = "policy.fire]\nopen = 8.0\n", "policy.fire]\nopen = 2.0\n"
    of_channel = f"[[channels]]\nmatch = '{match}'\n[channels."
    assert lost(of_channel + high) == 2
    assert lost(f"{of_channel}{low}[{high}") == 0
    assert lost(f"[[channels]]\nmatch = 'other'\n[channels.{high}") == 0
    assert lost(f"[[channels]]\nmatch = '{match}'\n{of_channel}{high}") == 0


def test_a_change_for_all_streams_leaves_what_a_channel_has_of_its_own() -> None:
    fire = Policy(category="hazard", open=3.0)
    common = Policies(labels={Label("fire"): fire})
    own = Policies(labels={Label("fire"): replace(fire, open=2.0)})
    text = "[policy.fire]\nopen = 8.0\nclose_after = 20"
    found = changed_policies(common, text, channel="kids", of_channel=own).labels[Label("fire")]

    assert (found.open, found.close_after) == (2.0, 20)
    assert changed_policies(common, text).labels[Label("fire")].open == 8.0


def test_keys_of_escalation_can_be_tried_out(led: RunningService) -> None:
    text = "[policy.fire]\nescalate_after = 1\nescalate_steps = 3"
    result = compare_policies(led.journal, led.data, text, since=0.0)

    assert (result["gained"], result["lost"]) == (0, 0)
    assert (result["more_severe"], result["less_severe"]) == (2, 0)


@pytest.mark.parametrize(
    ("sight", "streams", "lost"),
    [
        (Sight(channels=frozenset({"elsewhere"})), 0, 0),
        (Sight(hidden_categories=frozenset({"hazard"})), 3, 0),
        (Sight(channels=frozenset({"demo"})), 3, 2),
    ],
)
def test_another_policy_is_tried_on_what_the_lead_may_see(
    led: RunningService, sight: Sight, streams: int, lost: int
) -> None:
    text = "[policy.fire]\nopen = 8.0"
    result = compare_policies(led.journal, led.data, text, since=0.0, sight=sight)

    assert (result["streams"], result["lost"]) == (streams, lost)
    assert len(result["examples"]["lost"]) == lost


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[policy.fire", "not TOML"),
        ("[sampling]\nevery = 1", "sampling: cannot be tried out; wanted policy or channels"),
        ("[channels]\nmatch = 'a'", r"wanted a table \[\[channels\]\]"),
        (
            "[[channels]]\nmatch = 'a'\n[channels.policy.none]",
            "channels.0.policy.none: no such label",
        ),
        ("[[channels]]\nmatch = 'a'\nopen = 2", "channels.0.open: wanted match and policy"),
        ("[policy.nothing]\nopen = 1", "no such label"),
        ("[policy.fire]\ncategory = 'x'", "cannot be tried out"),
        ("[policy.fire]\nwindow = -1", "window"),
    ],
)
def test_changes_that_are_none_are_refused(led: RunningService, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_policies(led.journal, led.data, text, since=0.0)


def test_the_page_compares_policies_in_a_process_of_its_own(led: RunningService) -> None:
    lea = sign_in(led, Role.LEAD)

    def compare(policy: str) -> httpx.Response:
        fields = {"csrf": lea.csrf, "policy": policy, "period": "1d"}
        return lea.send("POST", "/lead", data=fields, timeout=None)  # the service has its own limit

    page = compare("[policy.fire]\nopen = 8.0")
    assert "1 violation, 1 cleared" in page.text
    assert "[policy.fire]\nopen = 8.0</textarea>" in page.text
    refused = compare("[policy.fire]\nopen = 'x'")

    assert "policy.fire" in refused.text


def test_a_severe_item_that_waits_too_long_is_shown(tmp_path: Path) -> None:
    with run_service(tmp_path) as service:
        add_revisions(service.journal, ["opened"], incident_id="ab")
        with service.journal.write() as connection:
            connection.exec_driver_sql("UPDATE reviews SET severity = 3, waiting_since = 0")

        assert "1 item of severity 3 waits" in sign_in(service, Role.LEAD).get("/lead").text
