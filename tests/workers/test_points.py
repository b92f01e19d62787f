"""Publishing points in the journal: what was pushed becomes streams, over ends of the driver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from scanner.sources.limits import FetchLimits
from scanner.sources.manifests import read_playlist
from scanner.store.database import Journal, open_journal
from scanner.store.ingest_schema import channel_changes, ingest_objects
from scanner.store.intake import Intake
from scanner.store.objects import ObjectStore, segment_name
from scanner.store.operation_queries import OperationQueries
from scanner.store.points import PointJournal
from scanner.store.publication import publish
from scanner.store.pushed import PushedKind, PushedObject, PushedQueries, report_uploads
from scanner.store.queries import Queries
from scanner.store.retention import RetentionJournal
from scanner.store.schema import inits, marks, segments, streams
from scanner.store.turns import FencedError, TurnJournal
from tests.workers.journal_runs import WallClock
from workers.points import PointKeeper


class Encoders:
    """Encoders that push to a journal, and drivers one after the other."""

    def __init__(self, folder: Path) -> None:
        self.clock = WallClock()
        self.monotonic = 0.0
        self.journal: Journal = open_journal(folder, create=True, clock=self.clock)
        self.objects = ObjectStore(folder / "objects")
        self.keeper = self.start()

    def start(self) -> PointKeeper:
        """Start a driver; the one before is fenced."""
        turns = TurnJournal(self.journal)
        turns.take_over()
        points = PointJournal(self.journal, turns, self.objects)
        self.keeper = PointKeeper(points, now=self.clock, monotonic=lambda: self.monotonic)
        return self.keeper

    def push(self, kind: PushedKind, path: str, body: bytes, **facts: object) -> None:
        incoming = self.objects.receive()
        incoming.write(body)
        name = segment_name("segments", "tv", f"pushed-{path[-4:]}", incoming.sha256)
        self.objects.put_many([(incoming, name)])
        with self.journal.write() as connection:
            intake = Intake(connection, now=self.clock(), shard_count=self.journal.shard_count)
            intake.add(
                PushedObject(
                    channel="tv",
                    kind=kind,
                    path=path,
                    key_id=None,
                    object=None if kind == "playlist" else name,
                    bytes=len(body),
                    sha256=incoming.sha256,
                    after=PushedQueries(self.journal).latest_number("tv"),
                    facts=facts,
                )
            )

    def playlist(self, *names: str, first: int = 0, ended: bool = False) -> None:
        entries = "".join(f"#EXTINF:2,\n{name}\n" for name in names)
        text = f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-TARGETDURATION:2\n{entries}"
        body = (text + ("#EXT-X-ENDLIST\n" if ended else "")).encode()
        offered, listings = read_playlist(body, path="i.m3u8", prefix="/", limits=FetchLimits())
        assert offered == ()
        self.push("playlist", "i.m3u8", body, listings=[one.to_json() for one in listings])

    def wait(self, seconds: float, *, is_received: bool = True) -> None:
        for _ in range(int(seconds * 4)):
            if is_received:
                report_uploads(self.journal, "web-1", {})
            self.clock.time += 0.25
            self.monotonic += 0.25
            self.keeper.fold_objects()
            self.keeper.pass_time()

    def rows(self, table: Any) -> list[Any]:
        with self.journal.read() as connection:
            return list(connection.execute(select(table)))


@pytest.fixture
def encoders(tmp_path: Path) -> Iterator[Encoders]:
    made = Encoders(tmp_path)
    yield made
    made.journal.close()


def test_pushed_segments_become_a_stream_with_gaps_and_an_end(encoders: Encoders) -> None:
    for number in (0, 1, 3):
        encoders.push("segment", f"s{number}.ts", b"bytes %d" % number)
        encoders.playlist(*(f"s{one}.ts" for one in range(number + 1)))
        encoders.wait(2.0)
    encoders.playlist(*(f"s{one}.ts" for one in range(4)), ended=True)
    encoders.wait(12.0)
    (stream,) = encoders.rows(streams)
    assert (stream.channel, stream.last_sequence, stream.end_reason) == ("tv", 3, "ended")
    assert [(one.sequence, one.duration) for one in encoders.rows(segments)] == [
        (0, "[2, 1]"),
        (1, "[2, 1]"),
        (3, "[2, 1]"),
    ]
    kinds = {one.kind: json.loads(one.body) for one in encoders.rows(marks)}
    assert (kinds["lost"]["sequence"], kinds["lost"]["duration"]) == (2, [2, 1])
    assert [one.state for one in encoders.rows(channel_changes)] == ["live", "ended"]


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
@pytest.mark.parametrize("waits", [False, True])
def test_a_stream_continues_when_the_wall_clock_is_set_between_two_objects(
    encoders: Encoders, jump: float, waits: bool
) -> None:
    """``waits``: one object arrived before the clock was set, and is folded after that."""
    for number in range(2):
        encoders.push("segment", f"s{number}.ts", b"bytes %d" % number)
        encoders.playlist("s0.ts", "s1.ts")
        encoders.wait(2.0)
    encoders.push("segment", "s2.ts", b"bytes 2")
    if not waits:
        encoders.wait(0.25)
    encoders.clock.time += jump
    encoders.playlist("s0.ts", "s1.ts", "s2.ts")
    encoders.keeper.fold_objects()
    encoders.wait(12.0)
    (stream,) = encoders.rows(streams)
    assert stream.end_reason is None
    assert [one.sequence for one in encoders.rows(segments)] == [0, 1, 2]
    assert [one.state for one in encoders.rows(channel_changes)] == ["live"]
    encoders.wait(6.0)
    assert [one.state for one in encoders.rows(channel_changes)] == ["live", "stalled"]


def test_uploads_of_an_ended_process_are_over_when_the_wall_clock_is_set_back(
    encoders: Encoders,
) -> None:
    encoders.push("segment", "s0.ts", b"bytes 0")
    report_uploads(encoders.journal, "web-0", {"tv": ["s1.ts"]})
    encoders.clock.time -= 3600
    encoders.playlist("s0.ts", "s1.ts")
    encoders.wait(6.0)
    (mark,) = encoders.rows(marks)
    assert json.loads(mark.body)["sequence"] == 1


def test_the_bytes_of_a_segment_are_those_that_were_pushed(encoders: Encoders) -> None:
    encoders.push("segment", "s0.ts", b"some bytes")
    encoders.playlist("s0.ts")
    encoders.wait(4.0)
    (segment,) = encoders.rows(segments)
    assert encoders.objects.path(segment.object).read_bytes() == b"some bytes"
    assert segment.received_at == 1_000_000.0


def test_each_stream_has_a_copy_of_its_init_segment(encoders: Encoders) -> None:
    encoders.push("init", "init.mp4", b"init")
    for number in range(2):
        encoders.push("segment", f"s{number}.m4s", b"%d" % number, needs_init=True)
        encoders.wait(3.0)
    encoders.wait(80.0)
    encoders.push("segment", "s2.m4s", b"2", needs_init=True)
    encoders.wait(4.0)
    names = [one.object for one in encoders.rows(inits)]
    assert len(set(names)) == 2
    assert {encoders.objects.path(name).read_bytes() for name in names} == {b"init"}
    assert set(names) <= RetentionJournal(encoders.journal).known_objects()


def test_an_object_that_is_no_segment_is_deleted_and_counted(encoders: Encoders) -> None:
    for name in ("s0.ts", "stray7.ts", "s1.ts"):
        encoders.push("segment", name, name.encode())
    stray = encoders.rows(ingest_objects)[1].object
    encoders.playlist("s0.ts", "s1.ts")
    encoders.wait(4.0)
    assert not encoders.objects.path(stray).exists()
    document = Queries(encoders.journal).channel("tv")
    assert document is not None
    assert document["state"] == "live"
    assert document["publication"]["objects"] == {"segment": 2, "unselected": 1, "used": 1}


def test_objects_that_wait_are_no_orphans(encoders: Encoders) -> None:
    encoders.push("segment", "s0.ts", b"0")
    name = encoders.rows(ingest_objects)[0].object
    assert name in RetentionJournal(encoders.journal).known_objects()


def test_drivers_that_end_at_any_moment_decide_the_same(tmp_path: Path) -> None:
    def run(folder: Path, ends_after: int | None) -> list[tuple[object, ...]]:
        encoders = Encoders(folder)
        for number in range(6):
            if number != 3:
                encoders.push("segment", f"s{number}.ts", b"%d" % number)
            encoders.playlist(*(f"s{one}.ts" for one in range(number + 1)))
            if number == ends_after:
                encoders.start()
            encoders.wait(2.0)
        encoders.wait(90.0)
        found = [
            *((one.sequence, one.sha256, one.discontinuity) for one in encoders.rows(segments)),
            *((one.kind, one.body) for one in encoders.rows(marks)),
        ]
        encoders.journal.close()
        return found

    whole = run(tmp_path / "whole", None)
    assert [run(tmp_path / str(number), number) for number in (1, 3)] == [whole] * 2


def test_a_driver_that_was_replaced_decides_nothing(encoders: Encoders) -> None:
    old = encoders.keeper
    encoders.start()
    encoders.push("segment", "s0.ts", b"0")
    with pytest.raises(FencedError):
        old.fold_objects()
    assert encoders.rows(segments) == []


def test_a_wall_clock_that_jumps_ends_nothing(encoders: Encoders) -> None:
    encoders.push("segment", "s0.ts", b"0")
    encoders.push("segment", "s1.ts", b"1")
    encoders.wait(4.0)
    encoders.clock.time += 3600.0
    encoders.wait(2.0)
    assert [one.state for one in encoders.rows(channel_changes)] == ["live"]


def test_while_nothing_is_received_silence_ends_nothing(encoders: Encoders) -> None:
    encoders.push("segment", "s0.ts", b"0")
    encoders.push("segment", "s1.ts", b"1")
    encoders.wait(4.0)
    encoders.wait(300.0, is_received=False)
    encoders.push("segment", "s2.ts", b"2")
    encoders.wait(4.0)
    assert [one.state for one in encoders.rows(channel_changes)] == ["live"]
    assert len(encoders.rows(streams)) == 1
    encoders.wait(16.0)
    assert [one.state for one in encoders.rows(channel_changes)] == ["live", "stalled"]


def test_changes_of_channels_are_published_once(encoders: Encoders) -> None:
    encoders.push("segment", "s0.ts", b"0")
    encoders.wait(4.0)
    publish(encoders.journal, lambda _: {})
    assert publish(encoders.journal, lambda _: {}) == 0
    events = OperationQueries(encoders.journal).events_after(0, limit=9)
    assert [one.kind for one in events].count("channel.live") == 1
