"""Events of the whole service are numbered without gaps, in the order of commits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from scanner.store.database import Journal
from scanner.store.intake import Intake, NewSegment, NewStream
from scanner.store.publication import RevisionRow, order_revisions, publish
from scanner.store.schema import published
from tests.delivery.rows import add_revisions
from tests.store.conftest import FakeClock


def row(stream_id: str, turn: int, created_at: float) -> RevisionRow:
    return RevisionRow(
        incident_id=f"{stream_id}-{turn}",
        revision=1,
        shard=0,
        stream_id=stream_id,
        turn=turn,
        kind="opened",
        shadow=False,
        channel=None,
        incident={},
        created_at=created_at,
    )


rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.floats(0, 100)),
    unique_by=lambda one: one[:2],
).map(lambda found: [row(*one) for one in found])


@given(rows)
def test_revisions_of_a_stream_are_in_the_order_of_its_turns_and_none_is_lost(
    found: list[RevisionRow],
) -> None:
    ordered = order_revisions(found)
    assert sorted(ordered, key=str) == sorted(found, key=str)
    for stream_id in "abc":
        turns = [one.turn for one in ordered if one.stream_id == stream_id]
        assert turns == sorted(turns)


def test_numbers_have_no_gap_and_revisions_in_shadow_are_not_published(
    journal: Journal, wall_clock: FakeClock
) -> None:
    add_revisions(journal, ["opened", "extended"], incident_id="a")
    add_revisions(journal, ["opened"], incident_id="b", stream_id="t", shadow=True)
    assert publish(journal, lambda one: {"id": one.incident_id}) == 2
    assert publish(journal, lambda _: {}) == 0
    wall_clock.time += 1
    add_revisions(journal, ["closed"], incident_id="a", first=3)
    assert publish(journal, lambda one: {"id": one.incident_id}) == 1
    with journal.read() as connection:
        found = connection.execute(select(published.c.number, published.c.kind)).all()
    assert found == [(1, "incident.opened"), (2, "incident.extended"), (3, "incident.closed")]


def test_a_batch_is_limited_and_the_rest_follows(journal: Journal) -> None:
    add_revisions(journal, ["opened", "extended", "extended", "closed"])
    assert [publish(journal, lambda _: {}, limit=3) for _ in range(3)] == [3, 1, 0]


def test_a_channel_changes_with_its_stream_unless_another_one_is_live(journal: Journal) -> None:
    def put(stream_id: str) -> None:
        stream = NewStream(stream_id=stream_id, channel="news")
        new = NewSegment(stream=stream, sequence=0, object="o", bytes=1, sha256="00")
        with journal.write() as connection:
            Intake(connection, now=journal.now(), shard_count=64).add_segment(new)

    def end(stream_id: str) -> None:
        with journal.write() as connection:
            intake = Intake(connection, now=journal.now(), shard_count=64)
            intake.end_stream(NewStream(stream_id=stream_id), last_sequence=0, reason=None)

    for change in (put, end):
        for stream_id in ("a", "b"):
            change(stream_id)
            publish(journal, lambda _: {})
    with journal.read() as connection:
        found = connection.execute(select(published.c.kind).order_by(published.c.number)).scalars()
        assert list(found) == [
            "stream.live",
            "channel.live",
            "stream.live",
            "stream.ended",
            "stream.ended",
            "channel.ended",
        ]
