"""One recorded run through every way of judging it: the incidents are the same to the byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from scanner.compose import Program, compose, event_lines, local_runner, worker_parts
from scanner.pipeline.replay import fold, inputs_of_lines, inputs_of_record
from scanner.pipeline.scan import PathFailed, ScanEvent, scan
from scanner.records.recording import read_record, record_line
from scanner.report.line_text import dumps, read_lines
from scanner.risk.incident import Closed, Incident
from scanner.settings.sections import ModelSettings, Settings
from scanner.sources.paths import read_sources
from scanner.stream.inputs import Runner
from workers.actors import PoolPlan, open_pool

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def as_text(incidents: Iterable[Incident]) -> str:
    return json.dumps(sorted((incident.to_json() for incident in incidents), key=json.dumps))


def scanned(playlists: list[str], program: Program, runner: Runner) -> list[ScanEvent]:
    with read_sources(playlists, program.settings.fetch) as arrivals:
        return list(scan(arrivals, runner))


def closed(events: Iterable[ScanEvent]) -> list[Incident]:
    return [event.event.incident for event in events if isinstance(event.event, Closed)]


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
