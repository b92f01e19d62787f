"""Alarms begin once, last, and end with a margin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from structlog.testing import capture_logs

from scanner.delivery.alarms import AlarmWatch, Measured, alarms_due
from scanner.delivery.threads import WorkProgress
from scanner.settings.service import RetentionSettings
from scanner.steady_clock import ClockWatch
from scanner.store.audit import AuditEntry, AuditLog
from scanner.store.checkpoints import Checkpoints
from scanner.store.conditions import AlarmJournal, FailingSink, FailingSource
from scanner.store.database import Journal
from scanner.store.effects import EffectJournal
from scanner.store.objects import ObjectStore
from scanner.store.publication import publish
from scanner.store.schema import alarms, published
from tests.delivery.rows import add_revisions, add_segments
from tests.store.conftest import FakeClock

WELL = Measured(now=1000.0, free_share=0.5, oldest_waiting=None, failing=(), clock_is_steady=True)
NONE: frozenset[tuple[str, str]] = frozenset()
SOURCE = FailingSource(source_id="0a1b2c3d", channel="tv", since=0.0, error="refused")
ILL = WorkProgress(seconds=901.0, error="the disk is full")
FAILING = FailingSink(sink="hook", since=0.0, is_disabled=False, error="refused")


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (WELL, set()),
        (replace(WELL, free_share=0.09), {("disk.low", "objects")}),
        (
            replace(WELL, free_share=0.01),
            {("disk.low", "objects"), ("evidence.paused", "objects")},
        ),
        (replace(WELL, oldest_waiting=16.0), {("service.slow", "segments")}),
        (replace(WELL, oldest_waiting=14.0), set()),
        (replace(WELL, audit_is_stated=False), {("audit.unstated", "audit")}),
        (replace(WELL, failing=(FAILING,)), {("sink.failing", "hook")}),
        (replace(WELL, failing=(replace(FAILING, since=900.0),)), set()),
        (replace(WELL, failing=(replace(FAILING, is_disabled=True),)), {("sink.disabled", "hook")}),
        (replace(WELL, dead={"hook": 1}), {("sink.dead", "hook")}),
        (replace(WELL, sources=(SOURCE,)), {("source.failing", "0a1b2c3d")}),
        (replace(WELL, sources=(replace(SOURCE, since=500.0),)), set()),
        (replace(WELL, works={"scores": ILL}), {("work.failing", "scores")}),
        (replace(WELL, works={"scores": replace(ILL, seconds=899.0)}), set()),
        (
            replace(WELL, clock_is_steady=False, oldest_waiting=4000.0),
            {("clock.jumped", "service")},
        ),
    ],
)
def test_an_alarm_follows_from_what_was_measured(
    measured: Measured, expected: set[tuple[str, str]]
) -> None:
    assert alarms_due(measured, NONE, RetentionSettings()).keys() == expected


def test_a_severe_item_that_waits_for_a_decision_is_an_alarm() -> None:
    waiting = replace(WELL, severe_waiting=301.0)

    assert alarms_due(waiting, NONE, RetentionSettings(), 300.0).keys() == {
        ("review.waiting", "queue")
    }
    assert alarms_due(waiting, NONE, RetentionSettings(), 400.0) == {}


@given(st.floats(0, 1), st.floats(0, 100))
def test_an_alarm_that_begins_would_also_last(free: float, waiting: float) -> None:
    measured = replace(WELL, free_share=free, oldest_waiting=waiting)
    begun = alarms_due(measured, NONE, RetentionSettings()).keys()
    assert begun <= alarms_due(measured, frozenset(begun), RetentionSettings()).keys()


def test_an_alarm_is_logged_recorded_and_published_once(
    journal: Journal, objects: ObjectStore, wall_clock: FakeClock
) -> None:
    watch = AlarmWatch(
        AlarmJournal(journal),
        objects,
        RetentionSettings(low_watermark=1e-9),
        now=wall_clock,
        monotonic=lambda: wall_clock.time,
    )
    add_segments(journal, "s", 1, verdict=None)
    with capture_logs() as logs:
        watch.step()
        wall_clock.time += 20
        watch.step()
        watch.step()
        publish(journal, lambda _: {})
        publish(journal, lambda _: {})
        with journal.write() as connection:
            connection.exec_driver_sql("UPDATE segments SET verdict = 'scored'")
        watch.step()
        publish(journal, lambda _: {})
    assert [line["event"] for line in logs] == ["alarm begun", "alarm ended"]
    with journal.read() as connection:
        rows = connection.execute(select(alarms)).all()
        told = connection.execute(select(published.c.kind)).scalars()
        kinds = [kind for kind in told if kind.startswith("alarm.")]
    assert [(row.kind, row.until) for row in rows] == [("service.slow", wall_clock.time)]
    assert kinds == ["alarm.begun", "alarm.ended"]


def test_a_work_that_keeps_failing_is_an_alarm_with_its_error_and_a_metric(
    journal: Journal, objects: ObjectStore, wall_clock: FakeClock
) -> None:
    works = {"scores": ILL, "retention": WorkProgress(seconds=3.0)}
    watch = AlarmWatch(
        AlarmJournal(journal),
        objects,
        RetentionSettings(low_watermark=1e-9),
        now=wall_clock,
        monotonic=lambda: wall_clock.time,
        works=lambda: works,
    )
    with capture_logs() as logs:
        watch.step()
        report = watch.report
        works["scores"] = WorkProgress(seconds=0.0)
        watch.step()

    assert report["work_seconds"] == {"scores": 901.0, "retention": 3.0}
    assert [(line["event"], line["subject"]) for line in logs] == [
        ("alarm begun", "scores"),
        ("alarm ended", "scores"),
    ]
    assert logs[0]["error"] == "the disk is full"


def test_the_alarm_of_a_stream_whose_sender_went_away_without_an_end_ends_after_an_hour(
    journal: Journal, objects: ObjectStore, wall_clock: FakeClock
) -> None:
    rows = AlarmJournal(journal)
    watch = AlarmWatch(
        rows,
        objects,
        RetentionSettings(low_watermark=1e-9),
        now=wall_clock,
        monotonic=lambda: wall_clock.time,
    )
    add_segments(journal, "s", 1)
    rows.change({("stream.blind", "s"): {}}, frozenset())
    wall_clock.time += 3590
    watch.step()
    before = rows.lasting(("stream.blind",))
    wall_clock.time += 20
    watch.step()

    assert before == {("stream.blind", "s")}
    assert rows.lasting(("stream.blind",)) == frozenset()


def test_messages_that_were_given_up_are_an_alarm_for_a_day(
    journal: Journal, objects: ObjectStore, wall_clock: FakeClock
) -> None:
    rows = EffectJournal(journal)
    rows.register_sinks({"hook": "a"})
    add_revisions(journal, ["opened"])
    rows.register_sinks({"other": "b"})  # what was due for the first one is given up
    alarm_rows = AlarmJournal(journal)

    assert alarm_rows.dead_by_sink() == {"hook": 1, "other": 0}
    assert alarm_rows.dead_since(wall_clock.time - 86_400.0) == {"hook": 1}
    wall_clock.time += 86_401.0
    assert alarm_rows.dead_since(wall_clock.time - 86_400.0) == {}


def test_an_alarm_that_began_and_ended_between_two_looks_is_published_whole(
    journal: Journal,
) -> None:
    rows = AlarmJournal(journal)
    rows.change({("service.slow", "segments"): {}}, frozenset())
    rows.change({}, frozenset({("service.slow", "segments")}))
    publish(journal, lambda _: {})
    with journal.read() as connection:
        assert list(connection.execute(select(published.c.kind)).scalars()) == [
            "alarm.begun",
            "alarm.ended",
        ]


# The clock


def test_ages_do_not_count_after_a_jump_until_the_clock_was_steady_for_ten_minutes() -> None:
    watch = ClockWatch(offset=0.0)
    watch = watch.observe(3600.0 + 10, 10.0)
    assert not watch.is_steady
    watch = watch.observe(3600.0 + 600, 600.0)
    assert not watch.is_steady
    watch = watch.observe(3600.0 + 611, 611.0)
    assert watch.is_steady
    assert watch.observe(3600.0 + 700, 700.0).is_steady


def test_a_clock_that_keeps_jumping_is_never_steady() -> None:
    watch = ClockWatch(offset=0.0)
    for minute in range(100):
        watch = watch.observe(minute * 60.0 + minute % 2 * 3600 + 3600, minute * 60.0)
        assert not watch.is_steady


@given(st.lists(st.floats(-5, 5), max_size=50))
def test_small_corrections_are_no_jump(drifts: list[float]) -> None:
    watch = ClockWatch(offset=0.0)
    for second, drift in enumerate(drifts):
        watch = watch.observe(second + drift, float(second))
        assert watch.is_steady


def test_an_audit_log_whose_end_cannot_be_stated_is_an_alarm_until_it_can(
    journal: Journal, objects: ObjectStore, wall_clock: FakeClock, tmp_path: Path
) -> None:
    blocked = tmp_path / "second"
    blocked.write_text("")
    log = AuditLog(journal, Checkpoints(blocked))
    watch = AlarmWatch(
        AlarmJournal(journal),
        objects,
        RetentionSettings(low_watermark=1e-9),
        now=wall_clock,
        monotonic=lambda: wall_clock.time,
        state_audit=log.state_end,
    )
    log.append([AuditEntry(actor="ann", action="view", subject="ab")])
    watch.step()
    lasting = AlarmJournal(journal).lasting(("audit.unstated",))
    blocked.unlink()
    watch.step()

    assert lasting == {("audit.unstated", "audit")}
    assert AlarmJournal(journal).lasting(("audit.unstated",)) == frozenset()
    assert (blocked / "head.json").exists()
