"""Incidents of one channel count across its streams, as recorded inputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import select, update

from scanner.pipeline.replay import fold, inputs_of_record
from scanner.records.recording import read_record
from scanner.risk.incident import PastIncident
from scanner.risk.policy import Policies
from scanner.store.channel_history import HISTORY
from scanner.store.review_schema import reviews
from scanner.store.schema import incidents, marks, streams
from scanner.store.turns import TurnJournal
from scanner.store.writes import insert_mark
from scanner.stream.inputs import SegmentTurn
from tests.workers.journal_runs import RULES as RULES_OF_ORDER
from tests.workers.journal_runs import JournalWorld
from tests.workers.pool_fakes import BRIGHT, HERE, POLICIES, scripted
from workers.decide import NEVER, decide

DAY = 86400.0
RULES = Policies(labels={BRIGHT: replace(POLICIES.labels[BRIGHT], recurrence=2)})
PARTS = replace(HERE, policies=RULES)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[JournalWorld]:
    world = JournalWorld(tmp_path / "data")
    yield world
    world.close()


def bright(stream: str, count: int = 9) -> list[SegmentTurn]:
    """Segments of which the middle ones are bright: one incident."""
    return [scripted(stream, n, bright=count // 3 <= n < 2 * count // 3) for n in range(count)]


def broadcast(
    world: JournalWorld, stream: str, channel: str | None = "c", commits: int | None = None
) -> None:
    world.put(bright(stream), channel=channel)
    world.end(stream, 8)
    if commits is not None:
        drive(world, commits)
    drive(world)


def drive(
    world: JournalWorld,
    commits: int | None = None,
    until: Callable[[], bool] | None = None,
) -> None:
    turns = TurnJournal(world.journal, history_seconds=DAY)
    world.drive(turns=turns, commits=commits, until=until, parts=PARTS)


def severities(world: JournalWorld) -> dict[str, int]:
    with world.journal.read() as connection:
        rows = connection.execute(select(incidents.c.stream_id, incidents.c.severity)).all()
    return {row.stream_id: row.severity for row in rows}


def test_a_broadcast_on_the_channel_of_an_incident_has_a_more_severe_one(
    world: JournalWorld,
) -> None:
    broadcast(world, "a")
    world.clock.time += 3600
    broadcast(world, "b")
    broadcast(world, "other", channel="d")
    broadcast(world, "none", channel=None)

    assert severities(world) == {"a": 1, "b": 2, "other": 1, "none": 1}
    with world.journal.read() as connection:
        item = connection.execute(select(reviews).where(reviews.c.stream_id == "b")).one()
    assert (item.severity, item.rank < -2) == (2, True)


@pytest.mark.parametrize("commits", [0, 1, 3])
def test_the_history_of_a_stream_is_an_input_that_retries_and_replays_share(
    world: JournalWorld, tmp_path: Path, commits: int
) -> None:
    broadcast(world, "a")
    broadcast(world, "b", commits=commits)
    twin = JournalWorld(tmp_path / "twin")
    broadcast(twin, "a")
    broadcast(twin, "b")

    assert world.events("b") == twin.events("b")
    twin.close()
    (replayed,) = fold(inputs_of_record(read_record(world.events("b"))), RULES).incidents
    with world.journal.read() as connection:
        body = connection.execute(
            select(incidents.c.body).where(incidents.c.stream_id == "b")
        ).scalar_one()
    assert replayed.to_json() == json.loads(body)
    assert [step.rule for step in replayed.escalation] == ["recurred"]


def test_incidents_that_are_old_or_no_violation_do_not_count(world: JournalWorld) -> None:
    broadcast(world, "a")
    with world.journal.write() as connection:
        connection.execute(update(reviews).values(state="decided", verdict="no_violation"))
    broadcast(world, "b")
    world.clock.time += 2 * DAY
    broadcast(world, "c")

    assert severities(world) == {"a": 1, "b": 1, "c": 1}


def test_a_stream_that_runs_learns_of_an_incident_on_its_channel(world: JournalWorld) -> None:
    world.put([scripted("b", n) for n in range(3)], channel="c")
    drive(world)
    world.put(bright("a"), channel="c")
    drive(world, until=lambda: set(world.verdicts("a").values()) == {"scored"})
    world.put([scripted("b", n, bright=True) for n in range(3, 9)], channel="c")
    drive(world, until=lambda: set(world.verdicts("b").values()) == {"scored"})

    assert severities(world) == {"a": 1, "b": 2}


def learn(world: JournalWorld, stream: str, turn: int | None = None) -> None:
    """Tell a stream of an incident on its channel."""
    body = {"incidents": [PastIncident(id="x", opened=Fraction(0), labels=(BRIGHT,)).to_json()]}
    with world.journal.write() as connection:
        columns = select(streams.c.shard).where(streams.c.stream_id == stream)
        shard = connection.execute(columns).scalar_one()
        insert_mark(connection, stream, shard, HISTORY, body, now=world.clock(), turn=turn)


def test_what_comes_after_the_end_of_a_stream_has_its_place_gets_none(world: JournalWorld) -> None:
    world.put([scripted("b", n) for n in (0, 2)], channel="c")
    world.end("b", 2)
    world.clock.time += 10.0
    drive(world, commits=0)  # the end has its place, and is not folded
    learn(world, "b")
    world.put([scripted("b", 1)], channel="c")
    world.clock.time += 10.0
    (pending,) = TurnJournal(world.journal).pending()
    decision = decide(pending, RULES_OF_ORDER, world.objects, now=world.clock())

    assert decision is not None
    assert decision.turns == ()
    drive(world)
    assert world.verdicts("b") == {0: "scored", 1: "late", 2: "scored"}


def test_a_place_that_was_given_after_the_end_of_a_stream_ends_no_driver(
    world: JournalWorld,
) -> None:
    broadcast(world, "b")
    learn(world, "b", turn=10)
    with world.journal.write() as connection:
        connection.execute(update(streams).values(assigned=11))
    drive(world)
    with world.journal.read() as connection:
        (place,) = connection.execute(select(marks.c.turn).where(marks.c.kind == HISTORY)).scalars()
    assert place == NEVER


def test_without_a_policy_that_counts_them_nothing_is_shared(world: JournalWorld) -> None:
    for stream in ("a", "b"):
        world.put(bright(stream), channel="c")
        world.end(stream, 8)
        world.drive(turns=TurnJournal(world.journal))

    with world.journal.read() as connection:
        kinds = connection.execute(select(marks.c.kind)).scalars().all()
    assert set(kinds) == {"end"}
