"""The pages of the review console: complete without a script, escaped, with the rights of items."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest
from sqlalchemy import delete, update

from scanner.risk.incident import Escalation, Opened
from scanner.store.audit import AuditLog
from scanner.store.decision_effects import DecisionEffects
from scanner.store.effects import EffectJournal, SettledEffect
from scanner.store.incident_queries import IncidentQueries
from scanner.store.people import Role
from scanner.store.queueing import image_item_id
from scanner.store.review_schema import reviews
from scanner.store.reviews import NewDecision, ReviewJournal
from scanner.store.schema import turn_records
from scanner.store.users import Users
from scanner.store.writes import write_revisions
from scanner.stream.inputs import EndTurn
from scanner.types import StreamId
from tests.browser.scene import BURNING, CALM, STORY, add_stream, incident_of, write_configuration
from tests.console.people import Browser, sign_in
from tests.delivery.rows import add_revisions, incident
from tests.intake.build import PNG, FoldingDriver
from tests.intake.conftest import RunningService, run_service
from tests.intake.evidence_rows import add_piece
from tests.stream.build import segment

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with an incident that is over, one that runs, and a flagged picture."""
    with run_service(tmp_path_factory.mktemp("told")) as service:
        write_configuration(service)
        add_stream(service, "over", channel="c")
        add_stream(service, "running", channel="c", story=(CALM, CALM, BURNING), ends=False)
        service.client.post("/v1/images?id=pic&channel=c", content=PNG).raise_for_status()
        still = segment(0, {0: 0.99}, stream=StreamId("pic"), still=True, whole_file=True)
        end = EndTurn(stream_id=StreamId("pic"), path="pic")
        FoldingDriver(service.journal).fold("pic", still, end, channel="c")
        for name in ("bulk-1", "bulk-2"):
            add_stream(service, name, story=STORY[:5])
        add_revisions(service.journal, ["opened"], incident_id="ff", stream_id=HOSTILE)
        yield service


def test_the_queue_has_every_item_and_no_inline_code(told: RunningService) -> None:
    page = sign_in(told).get("/queue")

    assert page.status_code == 200
    assert len(re.findall(r'data-item="[0-9a-f]+"', page.text)) == 6
    assert HOSTILE not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert re.findall(r"<script(?![^>]*\bsrc=)", page.text) == []
    assert not re.search(r"\s(style|on[a-z]+)=", page.text)
    assert "unsafe" not in page.headers["content-security-policy"]


def test_the_item_says_why_it_was_flagged_and_draws_the_risk(told: RunningService) -> None:
    ann = sign_in(told)
    page = ann.get(f"/review/{incident_of(told, 'over')}").text

    assert "3 frames from 0:08.0 to 0:10.0 scored up to 99.5 %" in page
    assert "scores of 88 % that last 2.5 s are needed" in page
    assert 'class="plot"' in page
    assert 'class="medium camera"' in page
    assert "opens at risk" in page
    assert 'data-start="0.0" data-end="32.0"' in page
    actions = [
        one.action for one in AuditLog(told.journal).entries() if one.actor == ann.user.user_id
    ]
    assert actions == ["view"]


def test_an_incident_that_runs_says_so_and_grows(told: RunningService) -> None:
    ann, item_id = sign_in(told), incident_of(told, "running")
    page = ann.get(f"/review/{item_id}").text
    assert "Still running" in page
    assert "Still running" in ann.get(f"/review/{item_id}/live").text


def test_a_switch_is_kept_beside_what_was_chosen_before_and_recorded(told: RunningService) -> None:
    ann, item_id = sign_in(told), incident_of(told, "over")
    told_users = Users(told.journal)
    told_users.set_preferences(ann.user.user_id, {"items": 5, "views": {"hazard": {"mute": False}}})

    assert ann.post(f"/review/{item_id}/view", switch="blur", value="off").status_code == 204
    assert ann.post(f"/review/{item_id}/view", switch="autoplay", value="on").status_code == 422

    kept = told_users.preferences(ann.user.user_id)
    assert kept == {"items": 5, "views": {"hazard": {"blur": False, "mute": False}}}
    assert 'data-blur="false"' in ann.get(f"/review/{item_id}").text
    (entry,) = AuditLog(told.journal).entries(actor=ann.user.user_id, action="preferences")
    assert entry.details == {"category": "hazard", "blur": "off"}


def test_a_person_is_offered_the_decisions_that_the_person_may_make(told: RunningService) -> None:
    careful = sign_in(told, decisions=frozenset({"escalate"}))
    page = careful.get(f"/review/{incident_of(told, 'over')}").text

    assert re.findall(r'name="verdict" value="(\w+)"', page) == ["escalate"]


@pytest.mark.parametrize(
    ("receipt", "text"),
    [
        ({"status": 204, "at": "now", "seconds": 0.1}, "answered 204 at now"),
        ({"file": "events-1.jsonl", "at": "now"}, "in events-1.jsonl at now"),
    ],
)
def test_receipts_of_an_incident_and_of_a_decision_are_shown(
    tmp_path_factory: pytest.TempPathFactory, receipt: dict[str, object], text: str
) -> None:
    with run_service(tmp_path_factory.mktemp("receipts")) as service:
        add_revisions(service.journal, ["opened"], incident_id="ab", sinks=("hook",))
        ann = NewDecision(verdict="violation", person="ann", reviewer="r")
        ReviewJournal(service.journal, sinks=("hook",)).decide("ab", ann)
        for journal in (EffectJournal(service.journal), DecisionEffects(service.journal)):
            (due,) = journal.due("hook", limit=1)
            done = SettledEffect(effect=due, status="delivered", next_at=0.0, receipt=receipt)
            journal.settle([done], None)
        page = sign_in(service).get("/review/ab")

    assert (page.status_code, page.text.count(text)) == (200, 2)


def test_a_flagged_picture_is_an_item_with_its_picture(told: RunningService) -> None:
    ann, item_id = sign_in(told), image_item_id("pic")
    page = ann.get(f"/review/{item_id}").text
    assert "The picture is flagged for fire (score 99 %)" in page

    picture = ann.get(f"/review/{item_id}/media/picture")

    assert (picture.headers["content-type"], picture.content) == ("image/png", PNG)
    assert picture.headers["cache-control"] == "no-store"
    assert "sandbox" in picture.headers["content-security-policy"]


def test_sharp_media_is_recorded_before_it_is_sent(told: RunningService) -> None:
    ann, item_id = sign_in(told), incident_of(told, "over")
    for piece in ("poster-1", "clip-1"):
        incoming = told.objects.receive()
        incoming.write(b"0123456789")
        told.objects.put_many([(incoming, f"clips/{piece}.mp4")])
        add_piece(told.journal, item_id, piece, status="cut", stored=f"clips/{piece}.mp4")
        path = f"/review/{item_id}/media/{piece}"
        assert ann.get(path, headers={"Range": "bytes=0-1"}).content == b"01"
    entries = AuditLog(told.journal).entries(actor=ann.user.user_id)

    assert [(one.action, one.details) for one in entries] == [("play", {"piece": "clip-1"})]


def test_who_may_not_see_an_item_gets_no_page_and_no_media(told: RunningService) -> None:
    item_id = incident_of(told, "over")
    other = sign_in(told, hidden_categories=frozenset({"hazard"}))
    paths = ("", "/live", "/media/clip-1", "/media/poster-1")
    assert [other.get(f"/review/{item_id}{path}").status_code for path in paths] == [404] * 4
    for action in ("claim", "skip", "decide", "undo", "shown", "assign"):
        answer = other.post(f"/review/{item_id}/{action}", verdict="violation")
        assert answer.status_code in (403, 404)
    assert f'data-item="{item_id}"' not in other.get("/queue").text
    anonymous = Browser(told)
    assert [anonymous.get(f"/review/{item_id}{path}").status_code for path in paths] == [303] * 4


def test_a_decision_opens_the_next_item_and_can_be_undone(told: RunningService) -> None:
    ann = sign_in(told)
    first = ann.post("/queue/next").headers["location"]
    answer = ann.post(f"{first}/decide", verdict="violation", note=f"{HOSTILE}\ntwo", next="1")
    second = answer.headers["location"]
    assert (answer.status_code, second.startswith("/review/"), second != first) == (303, True, True)
    page = ann.get(second).text
    assert f'action="{first}/undo"' in page
    decided = ann.get(first).text
    assert "Decided: violation" in decided
    assert HOSTILE not in decided
    assert "&lt;/script&gt;\ntwo</blockquote>" in decided
    assert ann.post(f"{first}/undo").headers["location"] == first

    assert "its decision was undone" in ann.get(first).text


def test_a_decision_that_is_refused_says_so(told: RunningService) -> None:
    ann, bob, item_id = sign_in(told), sign_in(told), incident_of(told, "running")
    ann.post(f"/review/{item_id}/claim")
    refused = bob.post(f"/review/{item_id}/decide", verdict="violation").headers["location"]

    assert "somebody else works on this item" in bob.get(refused).text


def test_what_somebody_else_has_to_decide_is_neither_opened_next_nor_offered(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with run_service(tmp_path_factory.mktemp("passed-on")) as service:
        for name in ("ab", "cd"):
            add_revisions(service.journal, ["opened"], incident_id=name, stream_id=name)
        ann, bob, lea = sign_in(service), sign_in(service), sign_in(service, Role.LEAD)
        ann.post("/review/ab/decide", verdict="escalate")
        ann.post("/review/cd/decide", verdict="another_look")

        assert ann.post("/queue/next").headers["location"] == "/queue"
        escalated, second = ann.get("/review/ab").text, ann.get("/review/cd").text
        assert "A lead decides it." in escalated
        assert "Another person has to look at it." in second
        assert 'name="verdict"' not in escalated + second
        for item_id in ("ab", "cd"):
            assert "Yours" not in ann.post(f"/review/{item_id}/claim").text
        assert bob.post("/queue/next").headers["location"] == "/review/cd"
        assert bob.post("/review/cd/decide", verdict="violation").headers["location"]
        assert bob.post("/queue/next").headers["location"] == "/queue"
        assert lea.post("/queue/next").headers["location"] == "/review/ab"
        assert 'name="verdict"' in lea.get("/review/ab").text


def test_an_item_in_which_more_was_flagged_than_the_page_shows_is_not_cleared(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with run_service(tmp_path_factory.mktemp("grew")) as service:
        for name in ("ab", "cd"):
            add_revisions(service.journal, ["opened"], incident_id=name, stream_id=name)
        ann = sign_in(service)
        page, queue = ann.get("/review/ab").text, ann.get("/queue").text
        assert '<input type="hidden" name="labels" value="fire">' in page
        assert '<input type="hidden" name="labels" value="cd fire">' in queue
        with service.journal.write() as connection:
            connection.execute(update(reviews).values(labels='["gun", "fire"]', label="gun"))
        cleared = ann.post("/review/ab/decide", verdict="no_violation", labels="fire")
        bulk = ann.post("/queue/bulk", item=["cd"], labels=["cd fire"], verdict="no_violation")

        assert "more was flagged in this item" in ann.get(cleared.headers["location"]).text
        assert bulk.headers["location"] == "/queue?decided=0&refused=1"
        ann.post("/review/ab/decide", verdict="no_violation", labels="gun fire")
        ann.post("/review/cd/decide", verdict="violation", labels="fire", reason="fire")
        assert "Decided: no violation" in ann.get("/review/ab").text
        assert "Decided: violation" in ann.get("/review/cd").text


def test_undo_ends_the_decision_that_the_page_names_and_no_later_one(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with run_service(tmp_path_factory.mktemp("undo")) as service:
        add_revisions(service.journal, ["opened"], incident_id="ab")
        lea, bob = sign_in(service, Role.LEAD), sign_in(service, Role.LEAD)
        lea.post("/review/ab/decide", verdict="escalate")
        named = re.search(r'name="decision" value="(\w+)"', lea.get("/queue").text)
        assert named is not None
        bob.post("/review/ab/decide", verdict="violation")

        refused = lea.post("/review/ab/undo", decision=named[1])

        assert refused.headers["location"] == "/review/ab?refused=too_late"
        page = lea.get("/review/ab").text
        assert "Decided: violation" in page
        own = re.findall(r'name="decision" value="(\w+)"', page)[-1]
        assert lea.post("/review/ab/undo", decision=own).headers["location"] == "/review/ab"
        assert "its decision was undone" in lea.get("/review/ab").text


def test_a_note_is_as_long_as_the_page_lets_it_be(told: RunningService) -> None:
    ann, item_id = sign_in(told), incident_of(told, "over")
    note = "\r\n".join(["x" * 9] * 200)  # browsers send a line end as two characters
    answer = ann.post(f"/review/{item_id}/decide", verdict="another_look", note=note)

    assert answer.status_code == 303
    ann.post(f"/review/{item_id}/undo")


def test_a_selection_is_decided(told: RunningService) -> None:
    ann = sign_in(told)
    items = [incident_of(told, "bulk-1"), incident_of(told, "bulk-2")]
    answer = ann.post("/queue/bulk", item=items, verdict="no_violation", filter="search=bulk")

    assert "2 decided." in ann.get(answer.headers["location"]).text
    assert "Nothing fits this filter" in ann.get("/queue?search=bulk").text


def test_a_viewer_decides_nothing(told: RunningService) -> None:
    viewer, item_id = sign_in(told, Role.VIEWER), incident_of(told, "over")

    assert "You can look and not decide" in viewer.get(f"/review/{item_id}").text
    assert viewer.post("/queue/next").status_code == 403
    assert viewer.post(f"/review/{item_id}/claim").status_code == 403


def test_only_a_picture_that_there_is_is_loaded_ahead(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with run_service(tmp_path_factory.mktemp("ahead")) as service:
        for name in ("ab", "cd"):
            add_revisions(service.journal, ["opened"], incident_id=name, stream_id=name)
        ann = sign_in(service)
        assert "data-poster" not in ann.get("/review/ab").text
        add_piece(service.journal, "cd", "poster-1", status="cut")

        assert 'data-poster="/review/cd/media/poster-1"' in ann.get("/review/ab").text


def test_the_script_of_a_page_gets_addresses_and_problems_as_documents(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with run_service(tmp_path_factory.mktemp("script")) as service:
        for name in ("ab", "cd"):
            add_revisions(service.journal, ["opened"], incident_id=name, stream_id=name)
        ann, wanted = sign_in(service), {"Accept": "application/json"}
        fields = {"csrf": ann.csrf, "verdict": "no_violation", "next": "1"}
        made = ann.send("POST", "/review/ab/decide", headers=wanted, data=fields)
        forged = ann.send("POST", "/review/cd/decide", headers=wanted, data={**fields, "csrf": ""})
        signed_out = Browser(service).send("POST", "/review/cd/decide", headers=wanted, data=fields)

        assert made.json() == {"next": "/review/cd"}
        assert (forged.status_code, forged.json()["status"]) == (403, 403)
        assert signed_out.status_code == 401
        assert "www-authenticate" not in signed_out.headers  # browsers would ask for a password


def test_an_empty_queue_says_how_to_fill_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    with run_service(tmp_path_factory.mktemp("empty")) as service:
        page = sign_in(service).get("/queue").text

    assert "The queue is empty" in page
    assert "0 items flagged, 0 decisions, 0 segments scored of 0 streams" in page
    assert "streamwarden submit" in page


def test_old_addresses_lead_to_the_items(told: RunningService) -> None:
    ann = sign_in(told)

    assert ann.get("/").headers["location"] == "/queue"
    assert ann.get("/incidents").headers["location"] == "/queue"
    assert ann.get("/incidents/00ff").headers["location"] == "/review/00ff"


def test_a_raised_severity_and_a_quota_are_told_in_words(told: RunningService) -> None:
    step = Escalation(at=Fraction(600), rule="lasted", reason="it has lasted 10 minutes")
    noun = replace(incident("ee", stream_id="long"), base_severity=1, escalation=(step,))
    with told.journal.write() as connection:
        write_revisions(
            connection,
            [Opened(at=Fraction(600), incident=noun)],
            turn=0,
            shard=0,
            channel="c",
            generation=0,
            sinks=(),
            now=told.journal.now(),
        )
        connection.execute(
            update(reviews).where(reviews.c.item_id == "ee").values(returned="quota: hook")
        )
    ann = sign_in(told)

    page = ann.get("/review/ee").text

    assert "Severity 2 instead of 1: it has lasted 10 minutes." in page
    assert "hook was not told: it has got as many automatic actions as its quota allows." in page
    assert "not sent, quota: hook" in ann.get("/queue").text
    document = IncidentQueries(told.journal).incident("ee")
    assert document is not None
    assert (document["severity"], document["base_severity"]) == (2, 1)
    assert document["escalation"] == [
        {"at": 600.0, "rule": "lasted", "reason": "it has lasted 10 minutes"}
    ]


def test_a_flagged_picture_whose_scores_were_deleted_says_for_what_it_was_flagged(
    told: RunningService,
) -> None:
    with told.journal.write() as connection:
        connection.execute(delete(turn_records).where(turn_records.c.stream_id == "pic"))

    page = sign_in(told).get(f"/review/{image_item_id('pic')}").text

    assert "The picture was flagged for fire. Its scores are no longer kept." in page
