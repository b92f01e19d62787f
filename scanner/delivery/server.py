"""The delivery process: publishes events, makes evidence, sends webhooks, deletes what is old.

Each kind of work has threads of its own, so that a receiver that stalls or media that are slow to
read delay nothing else. A thread that fails ends the process, and the supervisor starts it again.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from scanner.compose import used_models
from scanner.delivery.alarms import AlarmWatch
from scanner.delivery.evidence import EvidenceMaker, StreamClaims, plan_incidents
from scanner.delivery.payload import incident_data
from scanner.delivery.retention import Retention, policy_reach
from scanner.delivery.sender import SinkSender, settings_digest
from scanner.errors import SetupError, TransientError
from scanner.risk.policy import Policies
from scanner.sandbox.sandbox import Sandbox
from scanner.service_logs import set_up_service_logs
from scanner.settings.policies import compose_policies
from scanner.settings.sections import Settings, read_settings
from scanner.store.conditions import AlarmJournal
from scanner.store.database import Journal, JournalChanges, open_journal
from scanner.store.effects import EffectJournal
from scanner.store.evidence import EvidenceJournal
from scanner.store.objects import ObjectStore
from scanner.store.publication import RevisionRow, publish
from scanner.store.retention import RetentionJournal
from scanner.store.writes import beat

__all__ = ["DeliveryProcess", "main"]

log = structlog.get_logger(__name__)

POLL: Final = 0.05
"""Seconds between two questions whether the journal changed, which wakes the threads."""
PAUSE: Final = 1.0
"""Longest time between two queries for work, some of which becomes due without a change."""
MEASURE_PAUSE: Final = 5.0
"""Seconds between two measurements for alarms."""
RETENTION_PAUSE: Final = 30.0
"""Seconds between two passes over all media that may be old."""
HEARTBEAT: Final = 1.0
"""Seconds between two heartbeats."""
MAKERS: Final = 2
"""Threads that make evidence, so that one whose media are slow to read leaves another one."""
EXIT_SETUP: Final = 2
"""Exit status if the operator has to fix something."""

Step = Callable[[], bool]
"""Does one piece of work; returns False if there is none at present."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    """The work of one thread."""

    open_step: Callable[[ExitStack], Step]
    """Opens what the work needs; called in its thread."""
    pause: float = PAUSE
    wakes: bool = True
    """Whether a change of the journal ends the pause."""


class _Wakeups:
    """Ends the pauses of threads when the journal changes, or all is to stop."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._changes = 0
        self.stopping = False

    @property
    def changes(self) -> int:
        """The number of changes so far."""
        return self._changes

    def notify(self) -> None:
        """Note a change."""
        with self._condition:
            self._changes += 1
            self._condition.notify_all()

    def stop(self) -> None:
        """End all pauses from now on."""
        self.stopping = True  # without the lock: a signal may come while its thread has it
        threading.Thread(target=self.notify).start()

    def pause(self, seconds: float, seen: int | None) -> None:
        """Wait for a time, or for a change after the first ``seen``; None ignores changes."""
        with self._condition:
            self._condition.wait_for(
                lambda: self.stopping or (seen is not None and self._changes > seen), seconds
            )


class DeliveryProcess:
    """Threads that each repeat one kind of work until ``stop``; what is in hand is finished."""

    def __init__(self, settings: Settings, policies: Policies, data: Path) -> None:
        self._settings = settings
        self._policies = policies
        self._data = data
        self._wakeups = _Wakeups()
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """Ask all threads to end after what they have in hand."""
        self._wakeups.stop()

    def run(self) -> None:
        """Work until ``stop``.

        Raises:
            Exception: what one of the threads failed with.
        """
        journal = open_journal(self._data)
        objects = ObjectStore(self._data / "objects")
        objects.clear_scratch()
        sinks = self._settings.service.webhooks
        EffectJournal(journal).register_sinks(
            {name: settings_digest(sink) for name, sink in sinks.items()}
        )
        watch = AlarmWatch(
            AlarmJournal(journal), objects, self._settings.service.retention, now=journal.now
        )
        threads = [
            threading.Thread(target=self._guard, args=(name, worker), name=name)
            for name, worker in self._workers(journal, objects, watch).items()
        ]
        for thread in threads:
            thread.start()
        self._beat_until_stopped(journal, watch)
        for thread in threads:
            thread.join()
        journal.close()
        if self._failure is not None:
            raise self._failure

    def _workers(
        self, journal: Journal, objects: ObjectStore, watch: AlarmWatch
    ) -> dict[str, _Worker]:
        rows, claims = EvidenceJournal(journal), StreamClaims()
        workers = {
            "publisher": _Worker(open_step=lambda _: lambda: publish(journal, self._render) > 0),
            "planner": _Worker(open_step=lambda _: self._planner(rows)),
            "alarms": _Worker(open_step=lambda _: watch.step, pause=MEASURE_PAUSE, wakes=False),
            "retention": _Worker(
                open_step=lambda _: self._retention(journal, objects),
                pause=RETENTION_PAUSE,
                wakes=False,
            ),
        }
        for number in range(1, MAKERS + 1):
            workers[f"evidence-{number}"] = _Worker(
                open_step=lambda stack: self._maker(rows, objects, claims, watch, stack)
            )
        for name in self._settings.service.webhooks:
            workers[f"sink-{name}"] = _Worker(open_step=partial(self._sender, journal, name))
        return workers

    def _planner(self, rows: EvidenceJournal) -> Step:
        return lambda: plan_incidents(rows, self._policies, self._settings.evidence)

    def _maker(
        self,
        rows: EvidenceJournal,
        objects: ObjectStore,
        claims: StreamClaims,
        watch: AlarmWatch,
        stack: ExitStack,
    ) -> Step:
        sandbox = stack.enter_context(Sandbox(self._settings.sandbox))
        maker = EvidenceMaker(
            rows,
            objects,
            sandbox,
            self._policies,
            self._settings.evidence,
            claims,
            has_room=lambda: watch.has_reserve,
        )
        return maker.make_next

    def _retention(self, journal: Journal, objects: ObjectStore) -> Step:
        retention = Retention(
            RetentionJournal(journal),
            objects,
            self._settings.service.retention,
            policy_reach(self._policies),
            now=journal.now,
        )
        return retention.step

    def _sender(self, journal: Journal, name: str, stack: ExitStack) -> Step:
        service = self._settings.service
        sender = SinkSender(
            name,
            service.webhooks[name],
            EffectJournal(journal),
            now=journal.now,
            public_url=service.public_url,
        )
        stack.callback(sender.close)
        return sender.send_due

    def _render(self, row: RevisionRow) -> dict[str, object]:
        """Return what readers of events get of a revision: the incident and its evidence then."""
        url = self._settings.service.public_url
        incident = incident_data(row.incident, channel=row.channel, public_url=url)
        return {**incident, "evidence": dict(row.evidence)}

    def _guard(self, name: str, worker: _Worker) -> None:
        """Repeat one kind of work; a failure stops all of it."""
        structlog.contextvars.bind_contextvars(process="delivery", thread=name)
        try:
            with ExitStack() as stack:
                step = worker.open_step(stack)
                while not self._wakeups.stopping:
                    changes = self._wakeups.changes if worker.wakes else None
                    if not _attempt(step):
                        self._wakeups.pause(worker.pause, changes)
        except BaseException as error:  # noqa: BLE001 - reported by run, whatever it is
            log.error("thread failed", error=type(error).__name__, detail=str(error))
            self._failure = self._failure or error
            self.stop()

    def _beat_until_stopped(self, journal: Journal, watch: AlarmWatch) -> None:
        """Write heartbeats, and wake the threads when the journal changes."""
        with closing(JournalChanges(journal)) as changes:
            beaten = 0.0
            while not self._wakeups.stopping:
                if time.monotonic() - beaten >= HEARTBEAT:
                    beaten = time.monotonic()
                    _attempt(partial(_beat, journal, watch))
                if _attempt(changes.seen):
                    self._wakeups.notify()
                self._wakeups.pause(POLL, None)


def _attempt(step: Step) -> bool:
    """Do one piece of work; one that time will let succeed counts as none."""
    try:
        return step()
    except TransientError as error:
        log.warning("work postponed", error=type(error).__name__, detail=str(error))
        return False


def _beat(journal: Journal, watch: AlarmWatch) -> bool:
    with journal.write() as connection:
        beat(connection, "delivery", os.getpid(), watch.report, now=journal.now())
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the delivery process until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scanner.delivery.server")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args(arguments)
    set_up_service_logs("delivery")
    try:
        delivery = _build(given.config, given.data)
        with _stopping(delivery):
            delivery.run()
    except SetupError as error:
        sys.stderr.write(f"streamwarden delivery: {error}\n")
        return EXIT_SETUP
    return 0


def _build(config: Path | None, data: Path | None) -> DeliveryProcess:
    settings = read_settings(config)
    return DeliveryProcess(
        settings,
        compose_policies(settings, used_models(settings)),
        settings.service.data if data is None else data,
    )


@contextmanager
def _stopping(delivery: DeliveryProcess) -> Iterator[None]:
    """Let signals stop the process after what is in hand."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: delivery.stop())
    yield


if __name__ == "__main__":
    raise SystemExit(main())
