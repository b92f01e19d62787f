"""The driver process: turns from the journal to workers, results back into the journal.

It may die and start again at any time: what it had not committed is done again. At its start it
takes over all shards, so that an earlier driver can write nothing any more.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Final

import structlog

from scanner.background import background_thread
from scanner.compose import Program, WorkerParts, compose, worker_parts
from scanner.errors import ScannerError, SetupError, TransientError
from scanner.liveness import LoopPulse, inherited_descriptor, reporting_liveness
from scanner.service_logs import set_up_service_logs
from scanner.settings.policies import channel_rows, policy_hash, policy_rows
from scanner.settings.sections import read_settings
from scanner.store.database import (
    Journal,
    JournalBusyError,
    JournalFullError,
    open_journal,
)
from scanner.store.objects import ObjectStore
from scanner.store.points import PointJournal
from scanner.store.turns import TurnJournal
from scanner.store.writes import beat
from workers.commit import TurnCommitter
from workers.decide import DecideRules
from workers.delays import Delays
from workers.feed import JournalFeed
from workers.points import PointKeeper, keeping_points
from workers.pool import PoolRunner
from workers.processor_time import processor_seconds
from workers.runner import local_pool, ray_pool

__all__ = ["drive", "main", "run_driver"]

log = structlog.get_logger(__name__)

BEAT_SECONDS: Final = 1.0
STUCK_SECONDS: Final = 30.0
"""Seconds without progress of any worker, beyond what the sandbox allows for one window, after
which the driver ends."""
TRIES_OF_A_WINDOW: Final = 2
"""Times that a window is decoded before its segment counts as undecodable."""


def main() -> None:
    """Run the driver until SIGTERM or SIGINT; then finish what is in hand."""
    parser = argparse.ArgumentParser(prog="python -m workers.driver")
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    set_up_service_logs("driver")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        program = compose(read_settings(options.config))
        service = program.settings.service
        run_driver(program, service.data, workers=service.workers, stopping=stopping)
    except ScannerError as error:
        log.error("driver ends", reason=str(error))
        sys.exit(1)


def run_driver(program: Program, data: Path, *, workers: int, stopping: threading.Event) -> None:
    """Drive the journal in ``data`` until ``stopping`` is set.

    Raises:
        ScannerError: another driver has taken over, or no worker can work.
    """
    settings = program.settings.service
    journal = open_journal(data)
    with ExitStack() as closing:
        closing.callback(journal.close)
        turns = TurnJournal(
            journal,
            sinks=tuple(settings.sinks),
            history_seconds=float(program.policies.longest_recurrence),
        )
        fence = turns.take_over()
        generation = turns.record_configuration(_configuration(program))
        parts = worker_parts(program, generation=generation)
        objects = ObjectStore(data / "objects")
        feed = JournalFeed(
            turns, objects, _decide_rules(program), stall_seconds=settings.stall_seconds
        )
        keeper = PointKeeper(PointJournal(journal, turns, objects), now=journal.now)
        closing.enter_context(keeping_points(journal, keeper, feed.fail))
        delays = Delays()
        committer = TurnCommitter(turns, feed, program.policies, delays)
        pool = closing.enter_context(_open_pool(program, parts, workers))
        pulse = LoopPulse()
        closing.enter_context(reporting_liveness(pulse, inherited_descriptor(os.environ)))
        closing.enter_context(_beating(journal, program, committer, delays, fence, pulse))
        log.info("driver ready", fence=fence, configuration=generation, workers=workers)
        closing.enter_context(_stopping_feed(feed, stopping))
        stuck = STUCK_SECONDS + TRIES_OF_A_WINDOW * program.settings.sandbox.wall_seconds
        drive(pool, feed, committer, pulse, stuck_seconds=stuck)


def _open_pool(
    program: Program, parts: WorkerParts, workers: int
) -> AbstractContextManager[PoolRunner]:
    return ray_pool(program, parts, workers) if workers else local_pool(parts)


def _decide_rules(program: Program) -> DecideRules:
    service = program.settings.service
    return DecideRules(
        patience=program.settings.stream.missing_after,
        hole_seconds=service.hole_seconds,
        max_age=service.max_age,
    )


def drive(
    pool: PoolRunner,
    feed: JournalFeed,
    committer: TurnCommitter,
    pulse: LoopPulse | None = None,
    *,
    stuck_seconds: float = inf,
) -> None:
    """Work until the feed was stopped and everything that it yielded is committed.

    Raises:
        ScannerError: another driver has taken over, no worker can work, or leased work shows no
            progress for ``stuck_seconds``.
    """
    beat = (pulse or LoopPulse()).beat
    with pool.open_run(
        feed.turns(), feed.load_state, feed.is_suspect, stuck_seconds=stuck_seconds
    ) as run:
        try:
            for ready in run.results():
                beat()
                committer.commit(ready, waiting=beat)
                if idle := committer.idle_streams():
                    committer.forget(run.forget(idle))
        except (TransientError, SetupError):
            if (suspect := run.lone_suspect()) is not None:
                feed.note_lone_death(suspect, others_lived=run.has_survivors)
            raise


@contextmanager
def _stopping_feed(feed: JournalFeed, stopping: threading.Event) -> Iterator[None]:
    """Stop the feed once ``stopping`` is set: the run then ends with what is in flight."""

    def wait() -> None:
        stopping.wait()
        feed.stop()

    threading.Thread(target=wait, name="streamwarden-stop", daemon=True).start()
    try:
        yield
    finally:
        stopping.set()


def _configuration(program: Program) -> dict[str, object]:
    """Return what a configuration generation consists of: models with their versions, and the
    policies by label, and by channel where they differ, with their hash."""
    channels = channel_rows(program.policies)
    return {
        **({"channels": channels} if channels else {}),
        "models": [f"{one.name}@{one.version}" for one in program.manifests],
        "policies": policy_hash(program.policies),
        "labels": policy_rows(program.policies),
        "sampling": json.loads(json.dumps(asdict(program.settings.sampling), default=str)),
    }


@contextmanager
def _beating(
    journal: Journal,
    program: Program,
    committer: TurnCommitter,
    delays: Delays,
    fence: int,
    pulse: LoopPulse,
) -> Iterator[None]:
    """Record once a second what the driver does."""
    started_at = journal.now()

    def work(over: threading.Event) -> None:
        while not over.wait(BEAT_SECONDS):
            if not pulse.is_fresh:
                continue
            body = {
                "generation": fence,
                "start_time_seconds": started_at,
                "provider": program.settings.models.provider,
                "committed": committer.committed,
                "delay_seconds": delays.quantiles(),
                "cpu_seconds": processor_seconds(os.getpid()),
            }
            with (
                suppress(JournalBusyError, JournalFullError),  # written again in a second
                journal.write() as connection,
            ):
                beat(connection, "driver", os.getpid(), body, now=journal.now())

    with background_thread(work, name="streamwarden-beat", timeout=BEAT_SECONDS):
        yield


if __name__ == "__main__":
    main()
