"""Signals become part of a stream's risk, in an order that is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from scanner.store.intake import Intake
from scanner.store.schema import streams
from scanner.store.signals import NewSignal
from scanner.types import Label
from tests.workers.journal_runs import JournalWorld
from tests.workers.pool_fakes import scripted
from workers.decide import SIGNAL_SECONDS


@pytest.fixture
def world(tmp_path: Path) -> Iterator[JournalWorld]:
    world = JournalWorld(tmp_path / "data")
    yield world
    world.close()


def send(world: JournalWorld, name: str = "reports", *, at: float | None = None) -> None:
    signal = NewSignal(
        stream_id="s",
        name=name,
        ratio=20.0,
        seconds=60.0,
        labels=frozenset({Label("fight")}),
        at=at,
    )
    with world.journal.write() as connection:
        intake = Intake(connection, now=world.clock(), shard_count=world.journal.shard_count)
        assert intake.add(signal) == "accepted"


def kinds(world: JournalWorld) -> list[str]:
    """Return the kinds of the stream's events that say what came in."""
    found = [json.loads(line)["event"] for line in world.events()]
    return [kind for kind in found if kind in ("SegmentScored", "SignalReceived")]


def test_a_signal_is_folded_before_the_next_segment(world: JournalWorld) -> None:
    world.put([scripted("s", 0)])
    world.drive()
    send(world)
    world.put([scripted("s", 1)])
    world.drive()

    assert kinds(world) == ["SegmentScored", "SignalReceived", "SegmentScored"]


def test_a_signal_without_a_segment_is_folded_after_its_wait(world: JournalWorld) -> None:
    world.put([scripted("s", 0)])
    world.drive()
    send(world)
    world.clock.time += SIGNAL_SECONDS - 0.1
    looks = iter(range(20))
    world.drive(until=lambda: next(looks, None) is None)
    assert kinds(world) == ["SegmentScored"]

    world.clock.time += 0.1
    world.drive()

    assert kinds(world) == ["SegmentScored", "SignalReceived"]


def test_drivers_that_die_fold_a_signal_once(world: JournalWorld) -> None:
    world.put([scripted("s", 0)])
    world.drive()
    for sequence in range(1, 4):
        send(world, f"n{sequence}")
        world.put([scripted("s", sequence)])
        world.drive(commits=0)
        world.drive()

    assert kinds(world).count("SignalReceived") == 3
    assert kinds(world).count("SegmentScored") == 4


def test_a_signal_is_placed_at_the_latest_scored_moment(world: JournalWorld) -> None:
    world.put([scripted("s", 0)])
    world.drive()
    send(world)
    send(world, "later", at=1000.0)
    world.clock.time += SIGNAL_SECONDS
    world.drive()

    signals = [json.loads(line)["signal"] for line in world.events() if "SignalReceived" in line]
    at = {one["name"]: one["at"][0] / one["at"][1] for one in signals}
    with world.journal.read() as connection:
        summary = json.loads(connection.execute(select(streams.c.summary)).scalar_one())
    assert at == {"reports": pytest.approx(summary["seconds"], abs=0.001), "later": 1000.0}
