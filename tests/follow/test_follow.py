"""What a source gives is pushed once, whenever its process ends and starts again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from scanner.cli.app import run
from scanner.errors import ScannerError
from scanner.follow.folders import find_complete, playlist_in, watch_folder
from scanner.follow.pusher import SourcePusher
from scanner.follow.server import follow_hls, follow_source
from scanner.settings.sections import Settings
from scanner.settings.service import ServiceSettings
from scanner.sources.cancellation import Cancellation, SourceCancelledError
from scanner.sources.limits import FetchLimits
from scanner.store.conditions import AlarmJournal
from scanner.store.database import Journal
from scanner.store.ingest_schema import ingest_objects
from scanner.store.objects import ObjectStore
from scanner.store.sources import MOST_SOURCES, Sources
from scanner.supervisor.followed import FollowedSources
from tests.intake.build import ts
from tests.store.conftest import FakeClock, journal, objects, wall_clock

__all__ = ["journal", "objects", "wall_clock"]

LIMITS = FetchLimits()


class Looks(Cancellation):
    """A cancellation that does something between looks, and cancels after them."""

    def __init__(self, *steps: Any) -> None:
        super().__init__()
        self._steps = list(steps)

    def sleep(self, seconds: float) -> None:
        if not self._steps:
            raise SourceCancelledError
        self._steps.pop(0)()


@pytest.fixture
def pusher(journal: Journal, objects: ObjectStore) -> SourcePusher:
    return SourcePusher(journal, objects, channel="tv", limits=LIMITS)


def pushed(journal: Journal, kind: str = "segment") -> list[Any]:
    query = select(ingest_objects).where(ingest_objects.c.kind == kind)
    with journal.read() as connection:
        return list(connection.execute(query.order_by(ingest_objects.c.number)))


def write_playlist(folder: Path, count: int, *, first: int = 0) -> Path:
    for number in range(first, first + count):
        (folder / f"s{number}.ts").write_bytes(ts(number))
    entries = "".join(f"#EXTINF:2,\ns{number}.ts\n" for number in range(first, first + count))
    head = f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-TARGETDURATION:2\n"
    playlist = folder / "index.m3u8"
    playlist.write_text(f"{head}{entries}#EXT-X-ENDLIST\n")
    return playlist


def test_a_playlist_is_pushed_with_its_numbers_and_its_end(
    tmp_path: Path, journal: Journal, objects: ObjectStore, pusher: SourcePusher
) -> None:
    follow_hls(str(write_playlist(tmp_path, 3, first=7)), pusher, LIMITS, Cancellation())
    found = pushed(journal)
    assert [one.path for one in found] == [f"follow/segment-{number}.ts" for number in (7, 8, 9)]
    assert objects.path(found[0].object).read_bytes() == ts(7)
    lists = [json.loads(one.facts)["listings"][0] for one in pushed(journal, "playlist")]
    assert [one["first"] for one in lists] == [7, 8, 9, 0]
    assert lists[0]["entries"] == [["follow/segment-7.ts", [2, 1], False, False, None]]
    assert [one["ended"] for one in lists] == [False, False, False, True]


def test_a_playlist_that_is_followed_again_pushes_only_what_is_new(
    tmp_path: Path, journal: Journal, pusher: SourcePusher
) -> None:
    follow_hls(str(write_playlist(tmp_path, 3)), pusher, LIMITS, Cancellation())
    follow_hls(str(write_playlist(tmp_path, 3, first=1)), pusher, LIMITS, Cancellation())
    assert [one.path[-4:-3] for one in pushed(journal)] == ["0", "1", "2", "3"]


def test_a_segment_that_is_not_there_is_a_gap(
    tmp_path: Path, journal: Journal, pusher: SourcePusher
) -> None:
    playlist = write_playlist(tmp_path, 3)
    (tmp_path / "s1.ts").unlink()
    follow_hls(str(playlist), pusher, LIMITS, Cancellation())
    lists = [json.loads(one.facts)["listings"][0] for one in pushed(journal, "playlist")]
    assert [one["entries"][0][3] for one in lists[:3]] == [False, True, False]


def test_a_file_of_a_folder_is_pushed_once_it_does_not_change(
    tmp_path: Path, journal: Journal, pusher: SourcePusher
) -> None:
    first, second = tmp_path / "a.ts", tmp_path / "b.ts"

    def write_more() -> None:
        first.write_bytes(ts(0) + ts(1))

    looks = Looks(
        lambda: first.write_bytes(ts(0)),
        write_more,
        lambda: second.write_bytes(ts(2)),
        lambda: (tmp_path / "notes.txt").write_text("no media"),
        lambda: (tmp_path / "c.ts").write_bytes(ts(3)),
        lambda: None,
    )
    with pytest.raises(SourceCancelledError):
        watch_folder(tmp_path, pusher, LIMITS, looks, since=0.0)
    assert [one.bytes for one in pushed(journal)] == [2 * len(ts(0)), len(ts(2))]


def test_files_from_before_and_links_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "old.ts").write_bytes(ts(0))
    (tmp_path / "link.ts").symlink_to(tmp_path / "old.ts")
    _, found = find_complete(tmp_path, frozenset(), since_ns=0, now_ns=0)
    assert [one.name for one in found] == ["old.ts"]
    assert find_complete(tmp_path, found, since_ns=2**63, now_ns=0) == ([], frozenset())
    assert playlist_in(tmp_path) is None


def test_a_source_says_what_became_of_it(
    tmp_path: Path, journal: Journal, objects: ObjectStore
) -> None:
    sources = Sources(journal)
    settings = Settings(service=ServiceSettings(data=tmp_path / "data"))
    ended = sources.add(str(write_playlist(tmp_path, 1)), channel="a", addresses="any")
    failed = sources.add(str(tmp_path / "none.m3u8"), channel="b", addresses="any")
    assert follow_source(ended.source_id, settings, journal, Cancellation()) == 0
    assert follow_source(failed.source_id, settings, journal, Cancellation()) == 1
    states = {one.channel: (one.state, one.detail is None) for one in sources.list_lasting()}
    assert states == {"a": ("ended", True), "b": ("failed", False)}


def test_sources_are_added_once_listed_and_removed(journal: Journal) -> None:
    sources = Sources(journal)
    one = sources.add("http://host/a.m3u8", channel="a", addresses="public")
    assert sources.add("http://host/a.m3u8", channel="a", addresses="public") == one
    assert [found.source_id for found in sources.list_lasting()] == [one.source_id]
    assert sources.remove(one.source_id)
    assert not sources.remove(one.source_id)
    assert sources.list_lasting() == []


def test_there_is_a_limit_on_sources(journal: Journal) -> None:
    sources = Sources(journal)
    for number in range(MOST_SOURCES):
        sources.add(f"http://host/{number}", channel="a", addresses="any")
    with pytest.raises(ScannerError, match="remove one first"):
        sources.add("http://host/one-more", channel="a", addresses="any")


def test_the_supervisor_wants_a_process_for_each_source_that_has_not_ended(
    tmp_path: Path, journal: Journal, wall_clock: FakeClock
) -> None:
    sources = Sources(journal)
    one = sources.add("http://host/a", channel="a", addresses="any")
    two = sources.add("http://host/b", channel="b", addresses="any")
    sources.note(two.source_id, "ended")
    followed = FollowedSources(tmp_path / "data", ("--config", "x"), clock=wall_clock)
    (process,) = followed.wanted()
    assert process.name == f"source-{one.source_id}"
    assert process.arguments == ("--source", one.source_id, "--config", "x")
    sources.remove(one.source_id)
    assert followed.wanted() == (process,)
    wall_clock.time += 2.0
    assert followed.wanted() == ()


def test_a_source_that_fails_at_every_start_is_failed_since_the_first_one_until_it_gives_something(
    tmp_path: Path, journal: Journal, wall_clock: FakeClock
) -> None:
    folder = tmp_path / "tv"
    folder.mkdir()
    playlist = write_playlist(folder, 1)
    settings = Settings(service=ServiceSettings(data=tmp_path / "data"))
    sources, rows = Sources(journal), AlarmJournal(journal)
    one = sources.add(str(playlist), channel="tv", addresses="any")
    playlist.rename(tmp_path / "away")
    first = wall_clock.time
    for _ in range(3):
        assert follow_source(one.source_id, settings, journal, Cancellation()) == 1
        wall_clock.time += 5
    (failing,) = rows.failing_sources()
    (tmp_path / "away").rename(playlist)
    assert follow_source(one.source_id, settings, journal, Cancellation()) == 0

    assert (failing.source_id, failing.channel, failing.since) == (one.source_id, "tv", first)
    assert rows.failing_sources() == ()


def test_the_command_refuses_a_folder_without_a_journal_where_nothing_would_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMWARDEN_SERVICE__DATA", str(tmp_path / "elsewhere"))

    assert run(["follow", "http://host/a.m3u8"]) == 2
    assert "name the settings of the service with --config" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()
