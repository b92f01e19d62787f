"""The delivery process: publishes events, makes evidence, sends webhooks, deletes what is old.

Each kind of work has threads of its own, so that a receiver that stalls or media that are slow to
read delay nothing else. A thread that fails ends the process, and the supervisor starts it again.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from scanner.compose import used_models
from scanner.delivery.alarms import AlarmWatch
from scanner.delivery.evidence import EvidenceMaker, StreamClaims, plan_incidents
from scanner.delivery.payload import decision_data, incident_data
from scanner.delivery.retention import Retention, policy_reach
from scanner.delivery.sender import SinkSender, settings_digest
from scanner.delivery.threads import RepeatedWork, Step, WorkThreads
from scanner.delivery.upkeep import Upkeep
from scanner.errors import SetupError
from scanner.liveness import inherited_descriptor, reporting_liveness
from scanner.risk.policy import Policies
from scanner.sandbox.sandbox import Sandbox
from scanner.service_logs import set_up_service_logs
from scanner.settings.console import session_limits
from scanner.settings.policies import compose_policies
from scanner.settings.sections import Settings, read_settings
from scanner.store.checkpoints import open_audit_log
from scanner.store.conditions import AlarmJournal
from scanner.store.database import JournalChanges, open_journal
from scanner.store.decision_effects import DecisionEffects
from scanner.store.effects import EffectJournal
from scanner.store.evidence import EvidenceJournal
from scanner.store.objects import ObjectStore
from scanner.store.old_records import OldRecords
from scanner.store.publication import RevisionRow, publish
from scanner.store.retention import RetentionJournal
from scanner.store.score_parts import SCORES, ScoreParts
from scanner.store.sessions import Sessions
from scanner.store.writes import beat

__all__ = ["DeliveryProcess", "main"]

MEASURE_PAUSE: Final = 5.0
"""Seconds between two measurements for alarms."""
RETENTION_PAUSE: Final = 30.0
"""Seconds between two passes over all media that may be old."""
SCORES_PAUSE: Final = 30.0
"""Seconds between two looks for scores that are to be compacted or deleted."""
UPKEEP_PAUSE: Final = 5.0
"""Seconds between two looks for requested deletions and for what people left behind."""
MAKERS: Final = 2
"""Threads that make evidence, so that one whose media are slow to read leaves another one."""
NICENESS: Final = 5
"""Scoring goes first where processors are short."""
EXIT_SETUP: Final = 2
"""Exit status if the operator has to fix something."""


class DeliveryProcess:
    """The works of the process and what they share."""

    def __init__(self, settings: Settings, policies: Policies, data: Path) -> None:
        self._settings = settings
        self._policies = policies
        self._data = data
        self._journal = open_journal(data)
        self._started_at = self._journal.now()
        self._objects = ObjectStore(data / "objects")
        self._audit_log = open_audit_log(self._journal, data, settings.service.audit.folder)
        self._watch = AlarmWatch(
            AlarmJournal(self._journal),
            self._objects,
            settings.service.retention,
            now=self._journal.now,
            severe_wait=settings.service.review.severe_wait_seconds,
            state_audit=self._audit_log.state_end,
            works=lambda: self._threads.progress(),  # noqa: PLW0108 - made below, of these works
        )
        self._threads = WorkThreads(self._works(), process="delivery")

    def stop(self) -> None:
        """Ask all threads to end after what they have in hand; safe in a signal handler."""
        self._threads.stop()

    def run(self, liveness: int | None = None) -> None:
        """Work until ``stop``; ``liveness`` is the descriptor for its reports.

        Raises:
            Exception: what one of the threads failed with.
        """
        self._objects.clear_scratch()
        sinks = self._settings.service.sinks
        EffectJournal(self._journal).register_sinks(
            {name: settings_digest(sink) for name, sink in sinks.items()}
        )
        DecisionEffects(self._journal).forget_others(tuple(sinks))
        with (
            closing(self._journal),
            closing(JournalChanges(self._journal)) as changes,
            reporting_liveness(self._threads.pulse, liveness),
        ):
            self._threads.run(beat=self._beat, changed=changes.seen)

    def _works(self) -> dict[str, RepeatedWork]:
        rows, claims = EvidenceJournal(self._journal), StreamClaims()
        works = {
            "publisher": RepeatedWork(open_step=lambda _: self._publish),
            "planner": RepeatedWork(
                open_step=lambda _: partial(
                    plan_incidents, rows, self._policies, self._settings.evidence
                )
            ),
            "alarms": RepeatedWork(
                open_step=lambda _: self._watch.step, pause=MEASURE_PAUSE, wakes=False
            ),
            "retention": RepeatedWork(
                open_step=lambda _: self._retention(), pause=RETENTION_PAUSE, wakes=False
            ),
            "scores": RepeatedWork(
                open_step=lambda _: self._archive(), pause=SCORES_PAUSE, wakes=False
            ),
            "upkeep": RepeatedWork(
                open_step=lambda _: self._upkeep().step, pause=UPKEEP_PAUSE, wakes=False
            ),
        }
        for number in range(1, MAKERS + 1):
            works[f"evidence-{number}"] = RepeatedWork(open_step=partial(self._maker, rows, claims))
        for name in self._settings.service.sinks:
            works[f"sink-{name}"] = RepeatedWork(open_step=partial(self._sender, name))
        return works

    def _maker(self, rows: EvidenceJournal, claims: StreamClaims, stack: ExitStack) -> Step:
        sandbox = stack.enter_context(Sandbox(self._settings.sandbox))
        maker = EvidenceMaker(
            rows,
            self._objects,
            sandbox,
            self._policies,
            self._settings.evidence,
            claims,
            has_room=lambda: self._watch.has_reserve,
        )
        return maker.make_next

    def _retention(self) -> Step:
        retention = Retention(
            RetentionJournal(self._journal),
            OldRecords(self._journal),
            self._objects,
            self._settings.service.retention,
            policy_reach(self._policies),
            now=self._journal.now,
        )
        return retention.step

    def _archive(self) -> Step:
        from scanner.archive.compaction import ScoreArchive

        archive = ScoreArchive(
            ScoreParts(self._journal),
            self._data / SCORES,
            score_days=self._settings.service.retention.score_days,
        )
        return archive.step

    def _upkeep(self) -> Upkeep:
        service = self._settings.service
        return Upkeep(
            self._journal,
            self._audit_log,
            Sessions(self._journal, session_limits(service.console)),
            decision_days=service.retention.decision_days,
            audit_days=service.audit.days,
        )

    def _sender(self, name: str, stack: ExitStack) -> Step:
        service = self._settings.service
        sender = SinkSender(
            name,
            service.sinks[name],
            EffectJournal(self._journal),
            DecisionEffects(self._journal),
            now=self._journal.now,
            public_url=service.public_url,
        )
        stack.callback(sender.close)
        return sender.send_due

    def _publish(self) -> bool:
        url = self._settings.service.public_url
        return publish(self._journal, self._render, partial(decision_data, public_url=url)) > 0

    def _render(self, row: RevisionRow) -> dict[str, object]:
        """Return what readers of events get of a revision: the incident and its evidence then."""
        url = self._settings.service.public_url
        incident = incident_data(row.incident, channel=row.channel, public_url=url)
        return {**incident, "evidence": dict(row.evidence)}

    def _beat(self) -> bool:
        now = self._journal.now()
        with self._journal.write() as connection:
            body = {**self._watch.report, "start_time_seconds": self._started_at}
            beat(connection, "delivery", os.getpid(), body, now=now)
        return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the delivery process until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scanner.delivery.server")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args(arguments)
    set_up_service_logs("delivery")
    liveness = inherited_descriptor(os.environ)
    os.nice(NICENESS)
    try:
        delivery = _build(given.config, given.data)
        with _stopping(delivery):
            delivery.run(liveness)
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
