"""The alarms of the delivery process: decided from measurements, with a margin between the value at
which an alarm begins and the one at which it ends.

    disk.low         the free share of the disk is below the low watermark
    evidence.paused  it is below the reserve: nothing is cut
    service.slow     the oldest waiting segment is older than real time allows
    sink.failing     a receiver has failed for long
    sink.disabled    a receiver asked for no more
    sink.dead        messages of a receiver were given up in the last day
    source.failing   a source that the service follows has failed for long
    work.failing     a work of the delivery process has done no step well for long
    audit.unstated   the end of the audit log cannot be stated at its second place
    actions.held     a quota held automatic actions in the last hour
    review.waiting   an item of the highest severity waits too long for a decision
    clock.jumped     the wall clock jumped, and nothing is deleted because of its age
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

import structlog

from scanner.delivery.threads import WorkProgress
from scanner.settings.service import RetentionSettings
from scanner.steady_clock import ClockWatch
from scanner.store.conditions import AlarmJournal, FailingSink, FailingSource
from scanner.store.objects import ObjectStore

__all__ = ["KINDS", "AlarmWatch", "Measured", "alarms_due"]

log = structlog.get_logger(__name__)

KINDS: Final = (  # but for stream.blind, which the driver raises
    "actions.held",
    "audit.unstated",
    "clock.jumped",
    "disk.low",
    "evidence.paused",
    "review.waiting",
    "service.slow",
    "sink.dead",
    "sink.disabled",
    "sink.failing",
    "source.failing",
    "work.failing",
)
SLOW_SECONDS: Final = 15.0
"""Age of the oldest waiting segment above which everything is slower than real time: longer than a
segment waits for one that is missing."""
FAILING_SECONDS: Final = 600.0
"""Time for which a receiver or source has to fail before that is an alarm."""
WORK_SECONDS: Final = 900.0
"""Time without a step that ended well after which a work fails: longer than any step should take,
such as a clip that has to be encoded."""
DEAD_SECONDS: Final = 86_400.0
"""Time since the latest message of a receiver that was given up after which its alarm ends."""
HELD_SECONDS: Final = 3600.0
"""Time since the latest action that a quota held after which its alarm ends."""
BLIND: Final = "stream.blind"
"""The alarm that the driver raises and, once the stream shows something or ends, clears."""
SILENT_SECONDS: Final = 3600.0
"""Time without a segment after which a stream that has no end counts as over, as for retention:
its sender went away."""
CALM: Final = 0.8
"""Share of a limit to which a value has to fall for its alarm to end."""

Alarm = tuple[str, str]
"""Kind and subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The measurements that alarms are decided from."""

    now: float
    free_share: float
    """Share of the disk, in [0, 1]."""
    oldest_waiting: float | None
    """Age in seconds of the oldest segment without a verdict."""
    failing: tuple[FailingSink, ...]
    clock_is_steady: bool
    held: Mapping[str, int] = field(default_factory=dict)
    """Automatic actions that quotas held in the last hour, by receiver."""
    severe_waiting: float | None = None
    """Age in seconds of the oldest item of the highest severity that waits for a decision."""
    audit_is_stated: bool = True
    """Whether the end of the audit log is stated at its second place."""
    dead: Mapping[str, int] = field(default_factory=dict)
    """Messages that were given up in the last day, by receiver."""
    sources: tuple[FailingSource, ...] = ()
    """Sources that are followed and fail."""
    works: Mapping[str, WorkProgress] = field(default_factory=dict)
    """How the works of the process do."""


def alarms_due(
    measured: Measured,
    lasting: frozenset[Alarm],
    settings: RetentionSettings,
    severe_wait: float = inf,
) -> dict[Alarm, Mapping[str, Any]]:
    """Return the alarms that should last, with their details.

    ``severe_wait`` is the longest time in seconds that the most severe items may wait.
    """
    due: dict[Alarm, Mapping[str, Any]] = {}
    for kind, watermark in (
        ("disk.low", settings.low_watermark),
        ("evidence.paused", settings.reserve_watermark),
    ):
        disk: Alarm = (kind, "objects")
        if measured.free_share < watermark / (CALM if disk in lasting else 1.0):
            due[disk] = {"free_share": round(measured.free_share, 4)}
    slow: Alarm = ("service.slow", "segments")
    waiting = measured.oldest_waiting or 0.0
    limit = SLOW_SECONDS * (CALM if slow in lasting else 1.0)
    if measured.clock_is_steady and waiting > limit:
        due[slow] = {"oldest_waiting_seconds": round(waiting, 1)}
    severe = measured.severe_waiting or 0.0
    if measured.clock_is_steady and severe > severe_wait:
        due["review.waiting", "queue"] = {"oldest_waiting_seconds": round(severe, 1)}
    if not measured.audit_is_stated:
        due["audit.unstated", "audit"] = {}
    if not measured.clock_is_steady:
        due["clock.jumped", "service"] = {}
    return due | _failing_sinks(measured) | _failing_work(measured)


def _failing_sinks(measured: Measured) -> dict[Alarm, Mapping[str, Any]]:
    due: dict[Alarm, Mapping[str, Any]] = {}
    for sink in measured.failing:
        if sink.is_disabled:
            due["sink.disabled", sink.sink] = {"error": sink.error}
        elif measured.now - sink.since > FAILING_SECONDS:
            due["sink.failing", sink.sink] = {"error": sink.error, "since": sink.since}
    for name, count in measured.held.items():
        due["actions.held", name] = {"held": count}
    for name, count in measured.dead.items():
        due["sink.dead", name] = {"messages": count}
    return due


def _failing_work(measured: Measured) -> dict[Alarm, Mapping[str, Any]]:
    due: dict[Alarm, Mapping[str, Any]] = {
        ("source.failing", one.source_id): {"channel": one.channel, "error": one.error}
        for one in measured.sources
        if measured.clock_is_steady and measured.now - one.since > FAILING_SECONDS
    }
    for name, work in measured.works.items():
        if work.seconds > WORK_SECONDS:
            error = work.error or "a step has not ended"
            due["work.failing", name] = {"seconds": round(work.seconds), "error": error}
    return due


class AlarmWatch:
    """Measures and raises alarms; belongs to one thread."""

    def __init__(
        self,
        journal: AlarmJournal,
        objects: ObjectStore,
        settings: RetentionSettings,
        *,
        now: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        severe_wait: float = inf,
        state_audit: Callable[[], bool] = lambda: True,
        works: Callable[[], Mapping[str, WorkProgress]] = dict,
    ) -> None:
        """``state_audit`` states the end of the audit log where that was not done, and returns
        False if it cannot. ``works`` tells how the works of the process do."""
        self._works = works
        self._state_audit = state_audit
        self._severe_wait = severe_wait
        self._journal = journal
        self._objects = objects
        self._settings = settings
        self._now = now
        self._monotonic = monotonic
        self._clock = ClockWatch(offset=now() - monotonic())
        self.report: Mapping[str, Any] = {}
        """What the latest heartbeat should say: counts, some by receiver, and shares in [0, 1]."""

    @property
    def has_reserve(self) -> bool:
        """Whether the disk has more room than the reserve that commits need."""
        return self._free_share() >= self._settings.reserve_watermark

    def step(self) -> bool:
        """Measure once, and begin and end alarms; each is logged once."""
        self._clock = self._clock.observe(self._now(), self._monotonic())
        lasting, measured = self._journal.lasting(KINDS), self._measure()
        self.report = {
            **self._journal.waiting_work(),
            "sinks_pending": self._journal.pending_by_sink(),
            "sinks_dead": self._journal.dead_by_sink(),
            "sources_failing_seconds": {
                one.source_id: measured.now - one.since for one in measured.sources
            },
            "work_seconds": {name: one.seconds for name, one in measured.works.items()},
            "disk_free_ratio": measured.free_share,
        }
        due = alarms_due(measured, lasting, self._settings, self._severe_wait)
        begun = {alarm: body for alarm, body in due.items() if alarm not in lasting}
        ended = lasting - due.keys()
        if begun or ended:
            self._journal.change(begun, ended)
        if self._clock.is_steady:
            silent = self._journal.end_blind(before=measured.now - SILENT_SECONDS)
            ended |= {(BLIND, stream) for stream in silent}
        for (kind, subject), body in begun.items():
            log.warning("alarm begun", kind=kind, subject=subject, **body)
        for kind, subject in sorted(ended):
            log.info("alarm ended", kind=kind, subject=subject)
        return False

    def _measure(self) -> Measured:
        now, oldest = self._now(), self._journal.oldest_waiting()
        severe = self._journal.oldest_severe()
        return Measured(
            now=now,
            free_share=self._free_share(),
            oldest_waiting=None if oldest is None else now - oldest,
            failing=self._journal.failing_sinks(),
            held=self._journal.held_since(now - HELD_SECONDS),
            clock_is_steady=self._clock.is_steady,
            severe_waiting=None if severe is None else now - severe,
            audit_is_stated=self._state_audit(),
            dead=self._journal.dead_since(now - DEAD_SECONDS),
            sources=self._journal.failing_sources(),
            works=self._works(),
        )

    def _free_share(self) -> float:
        return self._objects.free_bytes() / max(self._objects.total_bytes(), 1)
