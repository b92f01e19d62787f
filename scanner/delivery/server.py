"""The delivery process: publishes events, makes evidence, sends webhooks, deletes what is old.

Each kind of work has threads of its own, so that a receiver that stalls or media that are slow to
read delay nothing else. A thread that fails ends the process, and the supervisor starts it again.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import structlog

from scanner.delivery.evidence import EvidenceMaker, plan_incidents
from scanner.delivery.payload import incident_data
from scanner.delivery.sender import SinkSender, settings_digest
from scanner.risk.policy import Policies
from scanner.sandbox.sandbox import Sandbox
from scanner.scoring.registry import list_models
from scanner.settings.policies import compose_policies
from scanner.settings.sections import Settings, read_settings
from scanner.store.database import Journal, open_journal
from scanner.store.effects import EffectJournal
from scanner.store.evidence import EvidenceJournal
from scanner.store.objects import ObjectStore
from scanner.store.publication import RevisionRow, publish
from scanner.store.writes import beat

__all__ = ["DeliveryProcess", "main"]

log = structlog.get_logger(__name__)

PAUSE: Final = 0.1
"""Seconds between two queries for work."""
HEARTBEAT: Final = 1.0
"""Seconds between two heartbeats."""

Step = Callable[[], bool]
"""Does one piece of work; returns False if there is none at present."""


class DeliveryProcess:
    """Threads that each repeat one kind of work until ``stop``; what is in hand is finished."""

    def __init__(self, settings: Settings, policies: Policies, data: Path) -> None:
        self._settings = settings
        self._policies = policies
        self._data = data
        self._stop = threading.Event()
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """Ask all threads to end after what they have in hand."""
        self._stop.set()

    def run(self) -> None:
        """Work until ``stop``.

        Raises:
            Exception: what one of the threads failed with.
        """
        journal = open_journal(self._data)
        objects = ObjectStore(self._data / "objects")
        sinks = self._settings.service.webhooks
        EffectJournal(journal).register_sinks(
            {name: settings_digest(sink) for name, sink in sinks.items()}
        )
        threads = [
            threading.Thread(target=self._guard, args=(name, opened), name=name)
            for name, opened in self._workers(journal, objects).items()
        ]
        for thread in threads:
            thread.start()
        self._beat_until_stopped(journal)
        for thread in threads:
            thread.join()
        journal.close()
        if self._failure is not None:
            raise self._failure

    def _workers(
        self, journal: Journal, objects: ObjectStore
    ) -> dict[str, Callable[[ExitStack], Step]]:
        """Return what opens each thread's work; it is called in the thread."""
        workers: dict[str, Callable[[ExitStack], Step]] = {
            "publisher": lambda _: lambda: publish(journal, _render) > 0,
            "evidence": lambda stack: self._evidence(journal, objects, stack),
        }
        for name in self._settings.service.webhooks:
            workers[f"sink-{name}"] = self._sender_opener(journal, name)
        return workers

    def _evidence(self, journal: Journal, objects: ObjectStore, stack: ExitStack) -> Step:
        rows, settings = EvidenceJournal(journal), self._settings.evidence
        maker = EvidenceMaker(
            rows,
            objects,
            stack.enter_context(Sandbox(self._settings.sandbox)),
            self._policies,
            settings,
        )

        def step() -> bool:
            planned = plan_incidents(rows, self._policies, settings)
            return maker.make_next() or planned

        return step

    def _sender_opener(self, journal: Journal, name: str) -> Callable[[ExitStack], Step]:
        service = self._settings.service

        def open_sender(stack: ExitStack) -> Step:
            sender = SinkSender(
                name,
                service.webhooks[name],
                EffectJournal(journal),
                now=journal.now,
                public_url=service.public_url,
            )
            stack.callback(sender.close)
            return sender.send_due

        return open_sender

    def _guard(self, name: str, opened: Callable[[ExitStack], Step]) -> None:
        """Repeat one kind of work; a failure stops all of it."""
        try:
            with ExitStack() as stack:
                step = opened(stack)
                while not self._stop.is_set():
                    if not step():
                        self._stop.wait(PAUSE)
        except BaseException as error:  # noqa: BLE001 - reported by run, whatever it is
            log.error("thread failed", thread=name, error=type(error).__name__, detail=str(error))
            self._failure = self._failure or error
            self.stop()

    def _beat_until_stopped(self, journal: Journal) -> None:
        while not self._stop.is_set():
            with journal.write() as connection:
                beat(connection, "delivery", os.getpid(), {}, now=journal.now())
            self._stop.wait(HEARTBEAT)


def _render(row: RevisionRow) -> dict[str, object]:
    return incident_data(row.incident, channel=row.channel)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the delivery process until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scanner.delivery.server")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args(arguments)
    settings = read_settings(given.config)
    manifests = list_models(settings.models.dir, added=settings.models.added_dir)
    delivery = DeliveryProcess(
        settings,
        compose_policies(settings, manifests),
        settings.service.data if given.data is None else given.data,
    )
    with _stopping(delivery):
        delivery.run()
    return 0


@contextmanager
def _stopping(delivery: DeliveryProcess) -> Iterator[None]:
    """Let signals stop the process after what is in hand."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: delivery.stop())
    yield


if __name__ == "__main__":
    raise SystemExit(main())
