"""One recorded run through every way of judging it: the incidents are the same to the byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from sqlalchemy import select

from scanner.archive.reader import read_recorded
from scanner.compose import Program, compose, event_lines, local_runner, worker_parts
from scanner.pipeline.replay import fold, inputs_of_lines, inputs_of_record
from scanner.pipeline.scan import PathFailed, ScanEvent, scan
from scanner.records.recording import read_record, record_line
from scanner.report.line_text import dumps, read_lines
from scanner.risk.incident import Closed, Incident
from scanner.settings.sections import ModelSettings, Settings
from scanner.sources.paths import read_sources
from scanner.store.schema import incident_revisions
from scanner.stream.inputs import Job, Runner, SegmentArrived, SegmentTurn, StreamEnded
from tests.workers.journal_runs import JournalWorld
from workers.actors import PoolPlan, open_pool


def as_text(incidents: Iterable[Incident]) -> str:
    return json.dumps(sorted((incident.to_json() for incident in incidents), key=json.dumps))


def scanned(playlists: list[str], program: Program, runner: Runner) -> list[ScanEvent]:
    with read_sources(playlists, program.settings.fetch) as arrivals:
        return list(scan(arrivals, runner))


def closed(events: Iterable[ScanEvent]) -> list[Incident]:
    return [event.event.incident for event in events if isinstance(event.event, Closed)]


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_scan_workers_and_replay_give_the_same_incidents(demo_media: Path) -> None:
    playlists = [str(path) for path in sorted(demo_media.glob("*/index.m3u8"))]
    program = compose(Settings(models=ModelSettings(names=())))
    with local_runner(program) as runner:
        events = scanned(playlists, program, runner)
    with open_pool(worker_parts(program), PoolPlan(workers=2)) as runner:
        on_ray = scanned(playlists, program, runner)

    rows = [
        record_line(event.path, event.stream_id, event.event)
        for event in events
        if event.stream_id is not None and not isinstance(event.event, PathFailed)
    ]
    lines = [dumps(line) for event in events for line in event_lines(event)]

    incidents = as_text(closed(events))
    assert closed(events)
    assert as_text(closed(on_ray)) == incidents
    assert (
        as_text(fold(inputs_of_record(read_record(rows)), program.policies).incidents) == incidents
    )
    assert (
        as_text(fold(inputs_of_lines(read_lines(lines)), program.policies).incidents) == incidents
    )


def test_scan_the_service_and_replay_of_its_journal_give_the_same_incidents(
    demo_media: Path, tmp_path: Path
) -> None:
    playlists = [str(path) for path in sorted(demo_media.glob("*/index.m3u8"))]
    program = compose(Settings(models=ModelSettings(names=())))
    with local_runner(program) as runner:
        expected = as_text(closed(scanned(playlists, program, runner)))

    world = JournalWorld(tmp_path / "data")
    with read_sources(playlists, program.settings.fetch) as arrivals:
        for arrival in arrivals:
            if isinstance(arrival, SegmentArrived):
                job = Job(segment=arrival.segment, name=arrival.name, windowed=False)
                world.put([SegmentTurn(job=job)])
            if isinstance(arrival, StreamEnded):
                world.end(arrival.stream_id, None)
    world.clock.time += 5.0
    world.drive(parts=worker_parts(program))
    with world.journal.read() as connection:
        rows = connection.execute(
            select(incident_revisions.c.body).where(incident_revisions.c.kind == "closed")
        ).scalars()
        found = as_text(Incident.from_json(json.loads(body)) for body in rows)
    recorded = read_recorded(world.journal, tmp_path / "data")
    events = [(name, name, event) for name, event in recorded]
    world.close()

    assert found == expected
    assert as_text(fold(inputs_of_record(events), program.policies).incidents) == expected
