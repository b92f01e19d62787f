from __future__ import annotations

from pathlib import Path

import pytest

from scanner.arrivals import Arrived, NoMore, Unreadable
from scanner.errors import InputError
from scanner.fetch.limits import FetchLimits
from scanner.targets import arrivals, expand

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n0.ts\n#EXTINF:4,\n1.ts\n#EXT-X-ENDLIST\n"


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def test_a_folder_is_its_media_in_order(tmp_path: Path) -> None:
    folder = touched(tmp_path, "b.mp4", "a/c.MKV", "notes.txt", "z.jpg")

    assert [Path(name).name for name in expand(str(folder))] == ["c.MKV", "b.mp4", "z.jpg"]


def test_a_folder_with_a_playlist_is_that_stream_and_not_its_segments_again(tmp_path: Path) -> None:
    folder = touched(tmp_path, "live/index.m3u8", "live/0.ts", "live/hd/1.ts", "other.ts")

    assert [Path(name).name for name in expand(str(folder))] == ["index.m3u8", "other.ts"]


def test_a_file_that_is_named_is_tried_whatever_it_is_called(tmp_path: Path) -> None:
    file = touched(tmp_path, "notes.txt") / "notes.txt"

    (arrived,) = arrivals([str(file)], FetchLimits())

    assert isinstance(arrived, Arrived)
    assert arrived.windowed
    assert arrived.last


def test_a_playlist_is_a_stream_of_segments(tmp_path: Path) -> None:
    folder = touched(tmp_path, "0.ts", "1.ts")
    (folder / "index.m3u8").write_text(PLAYLIST)

    *segments, ended = arrivals([str(folder)], FetchLimits())

    assert [one.segment.key.sequence for one in segments if isinstance(one, Arrived)] == [0, 1]
    assert isinstance(ended, NoMore)


def test_a_segment_that_is_gone_is_missing_and_not_an_error(tmp_path: Path) -> None:
    folder = touched(tmp_path, "1.ts")
    (folder / "index.m3u8").write_text(PLAYLIST)

    *segments, _ = arrivals([str(folder / "index.m3u8")], FetchLimits())

    assert [one.segment.key.sequence for one in segments if isinstance(one, Arrived)] == [1]


def test_a_playlist_that_names_something_elsewhere_is_refused(tmp_path: Path) -> None:
    playlist = tmp_path / "index.m3u8"
    playlist.write_text(PLAYLIST.replace("1.ts", "/etc/passwd"))

    told = list(arrivals([str(playlist)], FetchLimits()))

    assert [one.error.kind for one in told if isinstance(one, Unreadable)] == ["refused"]


def test_what_is_not_there_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    file = touched(tmp_path, "a.mp4") / "a.mp4"

    gone, there = arrivals([str(tmp_path / "gone.mp4"), str(file)], FetchLimits())

    assert isinstance(gone, Unreadable)
    assert isinstance(there, Arrived)


def test_a_path_that_is_named_twice_is_scanned_once(tmp_path: Path) -> None:
    file = str(touched(tmp_path, "a.mp4") / "a.mp4")

    assert len(list(arrivals([file, file], FetchLimits()))) == 1


def test_a_file_that_is_named_beside_its_folder_is_scanned_once(tmp_path: Path) -> None:
    file = str(touched(tmp_path, "a.mp4") / "a.mp4")

    assert len(list(arrivals([str(tmp_path), file], FetchLimits()))) == 1


@pytest.mark.parametrize("name", ["", "a" * 300, "a/" * 3000, "nul\0.mp4"])
def test_a_name_that_no_file_can_have_is_told(name: str) -> None:
    (told,) = arrivals([name], FetchLimits())

    assert isinstance(told, Unreadable)
    assert told.error.kind in ("not_found", "input")


def test_a_playlist_without_a_segment_is_told(tmp_path: Path) -> None:
    playlist = tmp_path / "index.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n")

    told, ended = arrivals([str(playlist)], FetchLimits())

    assert isinstance(told, Unreadable)
    assert told.error.kind == "no_video"
    assert isinstance(ended, NoMore)


def test_a_folder_without_media_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mkv"):
        expand(str(touched(tmp_path, "notes.txt")))
