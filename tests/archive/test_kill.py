"""A compaction that is killed again and again puts each turn into exactly one file."""

from __future__ import annotations

import multiprocessing
import random
import time

import pytest

from scanner.store.score_parts import ScoreParts
from tests.archive.build import HOUR, RecordedRun
from tests.archive.compaction_process import compact
from tests.archive.test_compaction import all_turns, turns

pytestmark = pytest.mark.fault

KILLS = 60
CONTEXT = multiprocessing.get_context("forkserver")
"""Its processes are forked from one that has imported everything and does nothing."""
CONTEXT.set_forkserver_preload(["tests.archive.compaction_process"])


def killed_after(recorded: RecordedRun, seconds: float) -> bool:
    """Start a compaction and kill it some time after it began; return whether it worked then."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=compact, args=(recorded.data, recorded.clock.time, sender))
    process.start()
    receiver.recv()
    time.sleep(seconds)
    was_alive = process.is_alive()
    process.kill()
    process.join()
    return was_alive


def test_a_compaction_that_is_killed_at_random_moments_loses_and_doubles_nothing(
    recorded: RecordedRun,
) -> None:
    for name in "abcdefghijkl":
        recorded.record(name, 60, step=100.0, batch=10)
    expected = recorded.incidents()
    recorded.clock.time += 3 * HOUR
    chance, killed = random.Random(7), 0
    for _ in range(KILLS):
        killed += killed_after(recorded, chance.uniform(0.0, 0.08))
    recorded.compact()

    assert killed > KILLS // 4
    assert turns(recorded) == all_turns(recorded)
    assert set(recorded.files()) == ScoreParts(recorded.journal).files()
    recorded.forget_turns()
    assert recorded.incidents() == expected
