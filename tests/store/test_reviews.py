"""Items of the review console: queued once, claimed by one person, decided durably."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.report.nouns import NOT_SCANNED
from scanner.store.database import Journal
from scanner.store.old_records import OldRecords
from scanner.store.queueing import image_item_id, queue_pictures
from scanner.store.retention import RetentionJournal
from scanner.store.review_queries import QueueFilter, ReviewQueries, Sight
from scanner.store.reviews import MuteRequest, NewDecision, ReviewJournal, ReviewRefusedError
from scanner.stream.events import StreamFinished
from scanner.types import StreamId
from tests.delivery.rows import add_revisions, add_segments
from tests.store.conftest import FakeClock
from tests.stream.build import FIRE

ALL = Sight()


def decision(verdict: str = "violation", person: str = "ann", **more: object) -> NewDecision:
    return NewDecision(verdict=verdict, person=person, reviewer=f"r-{person}", **more)


@pytest.fixture
def reviews(journal: Journal) -> ReviewJournal:
    add_revisions(journal, ["opened"], incident_id="ab")
    return ReviewJournal(journal, sinks=("hook",))


@pytest.fixture
def queries(journal: Journal) -> ReviewQueries:
    return ReviewQueries(journal)


def queued(queries: ReviewQueries, **wanted: object) -> list[str]:
    return [one["item_id"] for one in queries.queue(QueueFilter(**wanted), ALL)]


def state(queries: ReviewQueries, item_id: str = "ab") -> str:
    item = queries.item(item_id)
    assert item is not None
    return str(item["state"])


def test_an_incident_is_one_item_whatever_its_revisions(
    journal: Journal, queries: ReviewQueries
) -> None:
    add_revisions(journal, ["opened", "extended", "closed"], incident_id="ab")

    assert queued(queries) == ["ab"]


def test_an_incident_in_shadow_is_not_queued(journal: Journal, queries: ReviewQueries) -> None:
    add_revisions(journal, ["opened"], incident_id="ab", shadow=True)

    assert queued(queries) == []


def test_one_of_two_people_gets_an_item(reviews: ReviewJournal) -> None:
    assert reviews.claim("ab", "ann", seconds=60)
    assert not reviews.claim("ab", "bob", seconds=60)
    assert reviews.claim("ab", "ann", seconds=60)


def test_a_lease_that_ended_is_free(reviews: ReviewJournal, wall_clock: FakeClock) -> None:
    reviews.claim("ab", "ann", seconds=60)
    wall_clock.time += 61

    assert reviews.claim("ab", "bob", seconds=60)


def test_what_somebody_else_has_cannot_be_decided(reviews: ReviewJournal) -> None:
    reviews.claim("ab", "ann", seconds=60)

    with pytest.raises(ReviewRefusedError, match="somebody else"):
        reviews.decide("ab", decision(person="bob"))


def test_a_decision_ends_the_review_and_is_due_for_every_receiver(
    reviews: ReviewJournal, queries: ReviewQueries
) -> None:
    made = reviews.decide("ab", decision(reason="fire"))

    assert (made.state, made.final) == ("decided", True)
    item = queries.item("ab")
    assert item is not None
    assert (item["state"], item["verdict"]) == ("decided", "violation")
    assert [(one["sink"], one["status"]) for one in item["deliveries"]] == [("hook", "pending")]
    assert queued(queries) == []


def test_the_same_decision_twice_is_one(reviews: ReviewJournal, queries: ReviewQueries) -> None:
    first = reviews.decide("ab", decision())
    second = reviews.decide("ab", decision())

    assert (second.decision_id, second.repeated) == (first.decision_id, True)
    assert len(queries.decisions(ALL)) == 1


def test_another_decision_about_a_decided_item_is_refused(reviews: ReviewJournal) -> None:
    reviews.decide("ab", decision())

    with pytest.raises(ReviewRefusedError, match="decided"):
        reviews.decide("ab", decision("no_violation", "bob"))


def test_a_second_person_confirms_where_the_policy_asks(
    reviews: ReviewJournal, queries: ReviewQueries
) -> None:
    first = reviews.decide("ab", decision(needs_second=True))
    assert (first.state, first.final) == ("second_look", False)
    assert queries.next_item(QueueFilter(), ALL, "ann") is None
    assert queries.next_item(QueueFilter(), ALL, "bob") == "ab"
    second = reviews.decide("ab", decision(person="bob", needs_second=True))

    assert (second.state, second.final) == ("decided", True)


def test_two_people_who_disagree_escalate(reviews: ReviewJournal) -> None:
    reviews.decide("ab", decision(needs_second=True))
    second = reviews.decide("ab", decision("no_violation", "bob", needs_second=True))

    assert (second.state, second.final) == ("escalated", False)
    with pytest.raises(ReviewRefusedError, match="lead"):
        reviews.decide("ab", decision(person="cat"))
    assert reviews.decide("ab", decision(person="lea", leads=True)).final


def test_another_look_is_anothers(reviews: ReviewJournal) -> None:
    reviews.decide("ab", decision("another_look"))

    with pytest.raises(ReviewRefusedError, match="another person"):
        reviews.decide("ab", decision("no_violation"))
    assert reviews.decide("ab", decision("no_violation", "bob")).final


def test_a_decision_can_be_undone_for_a_while(
    reviews: ReviewJournal, queries: ReviewQueries, wall_clock: FakeClock
) -> None:
    reviews.decide("ab", decision())
    wall_clock.time += 299
    undone = reviews.undo("ab", person="ann", reviewer="r-ann", within=300)

    assert undone.state == "waiting"
    assert queued(queries) == ["ab"]
    rows = queries.decisions(ALL)
    assert [(one["kind"], one["undone_by"]) for one in rows] == [("made", 2), ("undone", None)]
    assert reviews.decide("ab", decision()).final


def test_a_decision_cannot_be_undone_later_or_by_others_but_a_lead(
    reviews: ReviewJournal, wall_clock: FakeClock
) -> None:
    reviews.decide("ab", decision())
    with pytest.raises(ReviewRefusedError, match="a lead undoes"):
        reviews.undo("ab", person="bob", reviewer="r", within=300)
    wall_clock.time += 301
    with pytest.raises(ReviewRefusedError, match="too long ago"):
        reviews.undo("ab", person="ann", reviewer="r", within=300)

    assert reviews.undo("ab", person="lea", reviewer="r", within=300, leads=True).state == "waiting"


def test_a_mute_keeps_incidents_of_the_label_out_of_the_queue(
    journal: Journal, reviews: ReviewJournal, queries: ReviewQueries, wall_clock: FakeClock
) -> None:
    mute = MuteRequest(scope="channel", seconds=600)
    reviews.decide("ab", decision("no_violation", mute=mute))
    add_revisions(journal, ["opened"], incident_id="cd", stream_id="t")
    assert (state(queries, "cd"), queued(queries)) == ("muted", [])
    wall_clock.time += 601
    add_revisions(journal, ["opened"], incident_id="ef", stream_id="t")

    assert queued(queries) == ["ef"]


def test_undoing_ends_the_mute(
    journal: Journal, reviews: ReviewJournal, queries: ReviewQueries
) -> None:
    mute = MuteRequest(scope="stream", seconds=600)
    reviews.decide("ab", decision("no_violation", mute=mute))
    reviews.undo("ab", person="ann", reviewer="r", within=300)
    add_revisions(journal, ["opened"], incident_id="cd")

    assert set(queued(queries)) == {"ab", "cd"}


def test_the_queue_counts_and_filters_what_a_person_may_see(
    journal: Journal, reviews: ReviewJournal, queries: ReviewQueries, wall_clock: FakeClock
) -> None:
    wall_clock.time += 100
    add_revisions(journal, ["opened"], incident_id="cd", stream_id="other")
    reviews.claim("cd", "ann", seconds=60)

    assert queued(queries) == ["ab", "cd"]
    assert queued(queries, search="OTH") == ["cd"]
    assert queued(queries, label="fire", category="hazard", channel="c") == ["ab", "cd"]
    assert queued(queries, label="gun") == []
    assert queued(queries, is_claimed=True) == ["cd"]
    assert queued(queries, older_than=50.0) == ["ab"]
    counts = queries.counts(ALL)
    assert (counts["pending"], counts["claimed"]) == (2, 1)
    assert counts["oldest_at"] == wall_clock.time - 100
    assert queries.counts(Sight(hidden_categories=frozenset({"hazard"})))["pending"] == 0
    assert queries.counts(Sight(channels=frozenset({"d"})))["pending"] == 0


def test_the_next_item_is_the_most_urgent_that_nobody_else_has(
    journal: Journal, reviews: ReviewJournal, queries: ReviewQueries
) -> None:
    add_revisions(journal, ["opened"], incident_id="cd")
    reviews.claim("ab", "bob", seconds=60)
    assert queries.next_item(QueueFilter(), ALL, "ann") == "cd"
    reviews.assign("cd", "bob")

    assert queries.next_item(QueueFilter(), ALL, "ann") is None
    assert queries.next_item(QueueFilter(), ALL, "bob", without=["ab"]) == "cd"


def test_a_flagged_picture_is_kept_while_it_waits_for_a_decision(
    journal: Journal, wall_clock: FakeClock
) -> None:
    add_segments(journal, "pic", 1)
    summary = replace(NOT_SCANNED, frames=1, flagged=(FIRE,), peak_score={FIRE: 0.99})
    event = StreamFinished(stream_id=StreamId("pic"), summary=summary)
    with journal.write() as connection:
        queue_pictures(connection, [event], shard=0, channel=None, now=wall_clock())
    retention, queries = RetentionJournal(journal), ReviewQueries(journal)

    retention.mark_segments([("pic", 0)])
    assert queries.picture("pic") is not None
    ReviewJournal(journal).decide(image_item_id("pic"), decision())
    retention.mark_segments([("pic", 0)], pictures_before=wall_clock() - 1)
    assert queries.picture("pic") is not None
    retention.mark_segments([("pic", 0)], pictures_before=wall_clock() + 1)
    assert queries.picture("pic") is None


def test_a_clock_that_was_behind_for_a_while_deletes_no_young_decisions(
    journal: Journal, reviews: ReviewJournal, queries: ReviewQueries, wall_clock: FakeClock
) -> None:
    today = wall_clock.time
    for wall_clock.time, verdict in (
        (today, "escalate"),
        (0.0, "another_look"),
        (today, "escalate"),
    ):
        reviews.decide("ab", decision(verdict, person=f"p{verdict}", leads=True))

    assert OldRecords(journal).delete_decisions(before=today - 100) == 0
    assert OldRecords(journal).delete_decisions(before=today + 1) == 2


def test_what_a_lead_gave_back_can_be_decided_the_same_again(
    reviews: ReviewJournal, queries: ReviewQueries
) -> None:
    reviews.decide("ab", decision("escalate"))
    assert reviews.assign("ab", "ann", state="waiting")

    assert not reviews.decide("ab", decision("escalate")).repeated
    assert state(queries) == "escalated"


def test_a_program_is_none_of_the_two_people_who_agree(
    reviews: ReviewJournal, queries: ReviewQueries
) -> None:
    for person, by in (("key:1", "machine"), ("ann", "human"), ("key:2", "machine")):
        made = reviews.decide("ab", decision(person=person, by=by, needs_second=True))
        assert (made.state, made.final) == ("second_look", False)

    assert reviews.decide("ab", decision(person="bob", needs_second=True)).final


def test_a_mute_ends_where_its_item_is_a_violation_after_all(
    journal: Journal, reviews: ReviewJournal, queries: ReviewQueries
) -> None:
    mute = MuteRequest(scope="channel", seconds=600)
    reviews.decide("ab", decision("no_violation", mute=mute, needs_second=True))
    reviews.decide("ab", decision(person="bob", needs_second=True))
    add_revisions(journal, ["opened"], incident_id="cd")

    assert (state(queries), state(queries, "cd")) == ("escalated", "waiting")


def test_a_second_look_is_offered_to_one_whose_own_decision_was_undone(
    reviews: ReviewJournal, queries: ReviewQueries
) -> None:
    reviews.decide("ab", decision(needs_second=True))
    assert queries.next_item(QueueFilter(), ALL, "ann") is None
    reviews.undo("ab", person="ann", reviewer="r", within=300)
    reviews.decide("ab", decision(person="bob", needs_second=True))

    assert queries.next_item(QueueFilter(), ALL, "ann") == "ab"
