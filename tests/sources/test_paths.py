"""Paths that a user names become arrivals."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from samples.encoding import encode_file
from samples.playlists import make_fragmented
from samples.videos import MP4
from scanner.sources.limits import FetchLimits
from scanner.sources.paths import read_sources
from scanner.stream.inputs import (
    Arrival,
    FilesSkipped,
    SegmentArrived,
    SegmentLost,
    SourceFailed,
    StreamEnded,
    StreamStarted,
)
from tests.sources.loopback import Answer, FakeClock, Server

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n0.ts\n#EXTINF:4,\n1.ts\n#EXT-X-ENDLIST\n"


def create_files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def read_names(path: Path) -> list[str]:
    """Return the names of the files that are read by themselves, and of playlists."""
    names = []
    for arrival in read_sources([str(path)], FetchLimits()):
        if isinstance(arrival, StreamStarted) or (
            isinstance(arrival, SegmentArrived) and arrival.windowed
        ):
            names.append(Path(arrival.path).name)
    return names


def skipped_files(path: Path) -> dict[str, int]:
    """Return the number of files that are reported as skipped, by kind."""
    arrivals = read_sources([str(path)], FetchLimits())
    return {one.kind: one.files for one in arrivals if isinstance(one, FilesSkipped)}


def test_a_folder_is_its_media_in_order(tmp_path: Path) -> None:
    folder = create_files(tmp_path, "b.mp4", "a/c.MKV", "notes.txt", "z.jpg")

    assert read_names(folder) == ["c.MKV", "b.mp4", "z.jpg"]


def test_a_folder_with_a_playlist_is_that_stream_and_not_its_segments_again(tmp_path: Path) -> None:
    folder = create_files(tmp_path, "live/0.ts", "live/hd/1.ts", "other.ts")
    (folder / "live/index.m3u8").write_text(PLAYLIST.replace("1.ts", "hd/1.ts"))

    assert read_names(folder) == ["index.m3u8", "other.ts"]
    assert skipped_files(folder) == {"in_playlist": 2}


def test_a_playlist_silences_no_file_that_it_does_not_name(tmp_path: Path) -> None:
    folder = create_files(tmp_path, "0.ts", "1.ts", "victim.mp4", "below/victim.mp4")
    (folder / "index.m3u8").write_text(PLAYLIST)

    assert read_names(folder) == ["index.m3u8", "victim.mp4", "victim.mp4"]


@pytest.mark.parametrize(
    "text",
    [
        "not a playlist",
        PLAYLIST.replace("0.ts", "/etc/passwd"),
        PLAYLIST.replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXTINF', 1),
        PLAYLIST.replace("#EXTINF:4,", "#EXT-X-BYTERANGE:x\n#EXTINF:4,", 1),
    ],
)
def test_a_playlist_that_is_refused_silences_nothing(tmp_path: Path, text: str) -> None:
    folder = create_files(tmp_path, "0.ts", "1.ts")
    (folder / "index.m3u8").write_text(text)

    assert read_names(folder) == ["0.ts", "1.ts"]


def test_a_file_of_which_a_playlist_read_a_part_is_read_by_itself(tmp_path: Path) -> None:
    folder = create_files(tmp_path)
    (folder / "whole.ts").write_bytes(b"x" * 100)
    (folder / "part.ts").write_bytes(b"x" * 100)
    entries = [
        "#EXTINF:4,\n#EXT-X-BYTERANGE:40@0\nwhole.ts",
        "#EXTINF:4,\n#EXT-X-BYTERANGE:60@40\nwhole.ts",
        "#EXTINF:4,\n#EXT-X-BYTERANGE:40@0\npart.ts",
        "#EXTINF:4,\n#EXT-X-BYTERANGE:40@60\npart.ts",
    ]
    (folder / "index.m3u8").write_text("\n".join(["#EXTM3U", *entries, "#EXT-X-ENDLIST"]))

    assert read_names(folder) == ["index.m3u8", "part.ts"]


def test_a_segment_that_its_playlist_calls_a_gap_is_read_by_itself(tmp_path: Path) -> None:
    folder = create_files(tmp_path, "0.ts", "1.ts")
    (folder / "index.m3u8").write_text(PLAYLIST.replace("#EXTINF", "#EXT-X-GAP\n#EXTINF", 1))

    assert read_names(folder) == ["index.m3u8", "0.ts"]


def test_only_an_init_without_samples_is_not_read_by_itself(tmp_path: Path) -> None:
    (tmp_path / "stream").mkdir()
    make_fragmented(tmp_path / "stream")
    playlist = tmp_path / "stream/index.m3u8"
    whole = encode_file(replace(MP4, ticks=MP4.ticks[:4]))
    (tmp_path / "stream/victim.mp4").write_bytes(whole)
    (tmp_path / "evil.m3u8").write_text(
        playlist.read_text().replace("init.mp4", "stream/victim.mp4").replace("0.m4s", "0.ts")
    )
    create_files(tmp_path, "0.ts")
    for name in ("1.m4s", "2.m4s"):
        (tmp_path / name).write_bytes((tmp_path / "stream" / name).read_bytes())

    assert read_names(tmp_path) == ["evil.m3u8", "index.m3u8", "0.ts", "victim.mp4"]


@pytest.mark.parametrize("extra", ["", "#EXT-X-BYTERANGE:{size}@0\n"])
def test_a_file_behind_an_init_of_another_one_is_read_by_itself(extra: str, tmp_path: Path) -> None:
    """A demuxer that is given both reads what the first one begins, and nothing of the other."""
    make_fragmented(tmp_path)
    whole = encode_file(replace(MP4, ticks=MP4.ticks[:4]))
    (tmp_path / "victim.mp4").write_bytes(whole)
    entry = '#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:4,\n' + extra.format(size=len(whole))
    (tmp_path / "evil.m3u8").write_text(f"{entry}victim.mp4\n#EXT-X-ENDLIST\n")

    assert read_names(tmp_path) == ["evil.m3u8", "index.m3u8", "victim.mp4"]


def test_what_has_a_name_of_media_and_is_no_file_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "broken.ts").symlink_to(tmp_path / "gone.ts")

    assert read_names(tmp_path) == ["broken.ts", "pipe.mp4"]


def test_what_is_skipped_in_a_folder_is_reported(tmp_path: Path) -> None:
    folder = create_files(tmp_path / "in", "a.mp4", "b.mp4.part", "c")
    (folder / "elsewhere").symlink_to(create_files(tmp_path / "out", "d.mp4"))

    assert skipped_files(folder) == {"other_name": 2, "linked_folder": 1}


def test_a_named_file_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    file = create_files(tmp_path, "notes.txt") / "notes.txt"

    (arrived,) = read_sources([str(file)], FetchLimits())

    assert isinstance(arrived, SegmentArrived)
    assert arrived.windowed
    assert arrived.last


def test_a_playlist_is_a_stream_of_segments(tmp_path: Path) -> None:
    folder = create_files(tmp_path, "0.ts", "1.ts")
    (folder / "index.m3u8").write_text(PLAYLIST)

    started, *segments, ended, _ = read_sources([str(folder)], FetchLimits())

    assert isinstance(started, StreamStarted)
    assert [one.segment.key.sequence for one in segments if isinstance(one, SegmentArrived)] == [
        0,
        1,
    ]
    assert isinstance(ended, StreamEnded)


def test_a_playlist_begins_with_the_sequence_that_it_names_first(tmp_path: Path) -> None:
    folder = create_files(tmp_path, "0.ts", "1.ts")
    numbered = PLAYLIST.replace("#EXTINF", "#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF", 1)
    (folder / "index.m3u8").write_text(numbered)

    started, *_ = read_sources([str(folder)], FetchLimits())

    assert isinstance(started, StreamStarted)
    assert started.first_sequence == 7


def test_a_segment_that_is_gone_is_missing_and_not_an_error(tmp_path: Path) -> None:
    folder = create_files(tmp_path, "1.ts")
    (folder / "index.m3u8").write_text(PLAYLIST)

    _, *segments, _ = read_sources([str(folder / "index.m3u8")], FetchLimits())

    lost, arrived = segments
    assert isinstance(lost, SegmentLost)
    assert (lost.duration, lost.discontinuity) == (4, False)
    assert (lost.key.sequence, lost.error) == (0, None)
    assert isinstance(arrived, SegmentArrived)
    assert arrived.segment.key.sequence == 1


def test_a_playlist_that_names_something_elsewhere_is_refused(tmp_path: Path) -> None:
    playlist = tmp_path / "index.m3u8"
    playlist.write_text(PLAYLIST.replace("1.ts", "/etc/passwd"))

    found = list(read_sources([str(playlist)], FetchLimits()))

    assert [one.error.kind for one in found if isinstance(one, SourceFailed)] == ["refused"]


def test_a_missing_file_is_an_error_and_the_others_are_read(tmp_path: Path) -> None:
    file = create_files(tmp_path, "a.mp4") / "a.mp4"

    unreadable, arrived = read_sources([str(tmp_path / "gone.mp4"), str(file)], FetchLimits())

    assert isinstance(unreadable, SourceFailed)
    assert isinstance(arrived, SegmentArrived)


def test_a_path_that_is_named_twice_is_scanned_once(tmp_path: Path) -> None:
    file = str(create_files(tmp_path, "a.mp4") / "a.mp4")

    assert len(list(read_sources([file, file], FetchLimits()))) == 1


def test_a_file_that_is_named_beside_its_folder_is_scanned_once(tmp_path: Path) -> None:
    file = str(create_files(tmp_path, "a.mp4") / "a.mp4")

    assert len(list(read_sources([str(tmp_path), file], FetchLimits()))) == 1


@pytest.mark.parametrize("name", ["", "a" * 300, "a/" * 3000, "nul\0.mp4"])
def test_a_name_that_no_file_can_have_is_an_error(name: str) -> None:
    (unreadable,) = read_sources([name], FetchLimits())

    assert isinstance(unreadable, SourceFailed)
    assert unreadable.error.kind in ("not_found", "input")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("rtmp://camera.example/live", "ffmpeg -i ADDRESS -c copy -f hls"),
        ("RTSP://camera.example/live", "ffmpeg -i ADDRESS -c copy -f hls"),
        ("srt://camera.example:9000", "ffmpeg -i ADDRESS -c copy -f hls"),
        ("file:///tmp/a.mp4", "without file://"),
        ("-", "ffmpeg -i - -c copy -f hls"),
        ("/dev/null", "save it to a file"),
    ],
)
def test_a_source_of_another_kind_is_refused_with_what_to_do(name: str, remedy: str) -> None:
    (refused,) = read_sources([name], FetchLimits())

    assert isinstance(refused, SourceFailed)
    assert refused.error.kind == "refused"
    assert str(refused.error).startswith(f"{name}: ")
    assert remedy in str(refused.error)


def test_a_pipe_is_refused_with_what_to_do(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    (refused,) = read_sources([str(tmp_path / "pipe")], FetchLimits())

    assert isinstance(refused, SourceFailed)
    assert "FIFO" in str(refused.error)
    assert "ffmpeg" in str(refused.error)


def test_a_playlist_without_a_segment_is_an_error(tmp_path: Path) -> None:
    playlist = tmp_path / "index.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n")

    unreadable, ended = read_sources([str(playlist)], FetchLimits())

    assert isinstance(unreadable, SourceFailed)
    assert unreadable.error.kind == "no_video"
    assert isinstance(ended, StreamEnded)


def test_the_error_of_a_folder_without_media_names_the_suffixes(tmp_path: Path) -> None:
    (failed,) = read_sources([str(create_files(tmp_path, "notes.txt"))], FetchLimits())

    assert isinstance(failed, SourceFailed)
    assert "mkv" in str(failed.error)


def live_playlist(first: int, count: int, *, ended: bool = False) -> bytes:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:4", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    for sequence in range(first, first + count):
        lines += ["#EXTINF:4,", f"{sequence}.ts"]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if ended else [])]).encode()


def serve_live(server: Server, name: str, *versions: Answer) -> str:
    """Serve a playlist in versions, one for each request; return its URL."""
    server.pages[f"/{name}/index.m3u8"] = list(versions)
    server.pages |= {f"/{name}/{n}.ts": Answer(f"{name}{n}".encode()) for n in range(9)}
    return f"{server.origin}/{name}/index.m3u8"


def sources_of(arrivals: list[Arrival], url: str) -> list[object]:
    return [
        one.segment.source
        for one in arrivals
        if isinstance(one, SegmentArrived) and one.path == url
    ]


def test_two_live_playlists_are_followed_at_once(server: Server, clock: FakeClock) -> None:
    """Each playlist grows only after a segment of the other has arrived."""
    seen = {"a": threading.Event(), "b": threading.Event()}
    urls = {
        name: serve_live(
            server,
            name,
            Answer(live_playlist(0, 1)),
            Answer(live_playlist(0, 2, ended=True), released=seen[other]),
        )
        for name, other in (("a", "b"), ("b", "a"))
    }
    arrivals = list[Arrival]()

    for arrival in read_sources(urls.values(), FetchLimits(), clock=clock.wall_clock):
        arrivals.append(arrival)
        if isinstance(arrival, SegmentArrived):
            seen["a" if arrival.path == urls["a"] else "b"].set()

    assert sources_of(arrivals, urls["a"]) == [b"a0", b"a1"]
    assert sources_of(arrivals, urls["b"]) == [b"b0", b"b1"]
    assert sum(isinstance(arrival, StreamEnded) for arrival in arrivals) == 2
    assert not any(isinstance(arrival, SourceFailed) for arrival in arrivals)


def test_a_live_playlist_and_files_are_read_side_by_side(
    server: Server, clock: FakeClock, tmp_path: Path
) -> None:
    """The playlist grows only after the file that is named after it has arrived."""
    file, file_seen = str(create_files(tmp_path, "a.mp4") / "a.mp4"), threading.Event()
    url = serve_live(server, "live", Answer(live_playlist(0, 2, ended=True), released=file_seen))
    paths = []

    for arrival in read_sources([url, file], FetchLimits(), clock=clock.wall_clock):
        if isinstance(arrival, SegmentArrived):
            paths.append(arrival.path)
            file_seen.set()

    assert paths == [file, url, url]


def test_a_source_that_stalls_does_not_hold_back_the_others_and_can_be_closed(
    server: Server, clock: FakeClock
) -> None:
    stalls = threading.Event()
    stalled = serve_live(server, "stalled", Answer(live_playlist(0, 1), released=stalls))
    url = serve_live(server, "live", Answer(live_playlist(0, 3, ended=True)))
    arrivals = read_sources([stalled, url], FetchLimits(idle_seconds=600), clock=clock.wall_clock)

    with arrivals:
        got = [next(arrivals) for _ in range(4)]
    stalls.set()

    assert sources_of(got, url) == [b"live0", b"live1", b"live2"]
    assert list(arrivals) == []
    assert not any(t.name.startswith("streamwarden-source") for t in threading.enumerate())


def test_a_source_that_fails_does_not_affect_the_others(server: Server, clock: FakeClock) -> None:
    url = serve_live(server, "live", Answer(live_playlist(0, 3, ended=True)))
    names = [f"{server.origin}/gone.m3u8", url, "http://127.0.0.1:9/a.m3u8", "http:///a.m3u8"]

    arrivals = list(read_sources(names, FetchLimits(), clock=clock.wall_clock))

    assert sources_of(arrivals, url) == [b"live0", b"live1", b"live2"]
    kinds = {one.path: one.error.kind for one in arrivals if isinstance(one, SourceFailed)}
    assert kinds == {names[0]: "missing", names[2]: "transient", names[3]: "refused"}


def test_more_urls_than_are_followed_at_once_are_all_read(server: Server, clock: FakeClock) -> None:
    urls = [serve_live(server, str(n), Answer(live_playlist(0, 2, ended=True))) for n in range(5)]

    arrivals = list(read_sources(urls, FetchLimits(concurrent_sources=2), clock=clock.wall_clock))

    assert [len(sources_of(arrivals, url)) for url in urls] == [2] * 5


def test_a_url_that_is_named_twice_is_followed_once(server: Server, clock: FakeClock) -> None:
    url = serve_live(server, "live", Answer(live_playlist(0, 1, ended=True)))

    arrivals = list(read_sources([url, url], FetchLimits(), clock=clock.wall_clock))

    assert sources_of(arrivals, url) == [b"live0"]
