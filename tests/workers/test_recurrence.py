"""Incidents of one channel count across its streams, as recorded inputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from scanner.pipeline.replay import fold, inputs_of_record
from scanner.records.recording import read_record
from scanner.risk.policy import Policies
from scanner.store.review_schema import reviews
from scanner.store.schema import incidents, marks
from scanner.store.turns import TurnJournal
from scanner.stream.inputs import SegmentTurn
from tests.workers.journal_runs import JournalWorld
from tests.workers.pool_fakes import BRIGHT, HERE, POLICIES, scripted

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


def test_without_a_policy_that_counts_them_nothing_is_shared(world: JournalWorld) -> None:
    for stream in ("a", "b"):
        world.put(bright(stream), channel="c")
        world.end(stream, 8)
        world.drive(turns=TurnJournal(world.journal))

    with world.journal.read() as connection:
        kinds = connection.execute(select(marks.c.kind)).scalars().all()
    assert set(kinds) == {"end"}
