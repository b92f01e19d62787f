"""The sample corpus, scanned once with the test card as the only scorer.

``tests/golden/scan-0.1.jsonl`` holds the lines that version 0.1 wrote, and what was added to them
since; texts of messages, and ids, are not compared. It is recorded again only in a commit of its
own that lists what changed and why.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from samples.make_media import make_demo_media, make_media, make_playlists
from scanner.compose import Program, compose, event_lines, local_runner
from scanner.pipeline.scan import PathFailed, ScanEvent, scan
from scanner.records.recording import input_of, read_record, record_line
from scanner.report.line_text import dumps
from scanner.settings.sections import ModelSettings, Settings
from scanner.sources.paths import read_sources
from scanner.stream.advance import advance
from scanner.stream.events import StreamEvent
from scanner.stream.state import StreamState
from scanner.types import StreamId

GOLDEN = Path(__file__).parent.parent / "golden" / "scan-0.1.jsonl"
TOLERANCE = 1e-6
"""Tolerance of scores and shares: other processors round differently."""
OUTSIDE = ("playlists/canary.ts", "playlists/hls_absolute_path/index.m3u8")
"""Paths whose lines depend on the folder that they were made in."""
NOT_COMPARED = ("message", "id", "stream_id")
"""Ids are hashes of files, whose bytes depend on the encoder, and of addresses, which depend on the
folder."""
Row = dict[str, Any]


@pytest.fixture(scope="module")
def program() -> Program:
    return compose(Settings(models=ModelSettings(names=())))


@pytest.fixture(scope="module")
def corpus_events(tmp_path_factory: pytest.TempPathFactory, program: Program) -> list[ScanEvent]:
    """Events of a scan of all sample media, playlists and the stream with the test card."""
    folder = tmp_path_factory.mktemp("corpus")
    make_media(folder / "media")
    make_playlists(folder / "playlists")
    make_demo_media(folder / "demo", 12)
    with pytest.MonkeyPatch.context() as patch, local_runner(program) as runner:
        patch.chdir(folder)
        paths = ["media", "playlists", "demo/test-card"]
        with read_sources(paths, program.settings.fetch) as arrivals:
            return list(scan(arrivals, runner))


def by_path(rows: Iterable[str]) -> dict[str, list[Row]]:
    """Return the lines of each path in their order, without messages and ids."""
    found: dict[str, list[Row]] = defaultdict(list)
    for text in rows:
        row = json.loads(text)
        for key in NOT_COMPARED:
            row.pop(key, None)
        found[row.pop("path")].append(row)
    return dict(found)


def approximately(value: Any) -> Any:
    """Return the value so that numbers inside compare with the tolerance."""
    if isinstance(value, float):
        return pytest.approx(value, abs=TOLERANCE)
    if isinstance(value, dict):
        return {key: approximately(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [approximately(inner) for inner in value]
    return value


def test_the_sample_corpus_gives_the_lines_of_version_0_1(corpus_events: list[ScanEvent]) -> None:
    found = by_path(dumps(line) for event in corpus_events for line in event_lines(event))

    expected = by_path(GOLDEN.read_text("utf-8").splitlines())
    for path in OUTSIDE:
        found.pop(path, None)
    assert found.keys() == expected.keys()
    different = [path for path in expected if found[path] != approximately(expected[path])]
    assert different == []
    assert any(row["type"] == "incident" for row in found["demo/test-card/index.m3u8"])


def test_every_stream_continues_from_any_checkpoint_to_the_same_events(
    corpus_events: list[ScanEvent], program: Program
) -> None:
    streams: dict[tuple[str, StreamId], list[StreamEvent]] = defaultdict(list)
    for one in corpus_events:
        if one.stream_id is not None and not isinstance(one.event, PathFailed):
            streams[one.path, one.stream_id].append(one.event)

    for (path, stream_id), events in streams.items():
        rows = [record_line(path, stream_id, event) for event in events]
        state, again = StreamState.new(stream_id), list[StreamEvent]()
        for _, _, event in read_record(rows):
            given = input_of(event, path=path)
            if given is not None:
                state = StreamState.from_json(json.loads(json.dumps(state.to_json())))
                state, caused = advance(state, given, program.policies)
                again += caused
        assert [record_line(path, stream_id, event) for event in again] == rows

    assert len(streams) > 100
