"""What a user names, as arrivals."""

from __future__ import annotations

from pathlib import Path

import pytest

from scanner.arrivals import Arrived, NoMore, Unreadable
from scanner.errors import InputError
from scanner.sources.limits import FetchLimits
from scanner.sources.paths import expand_path, read_sources

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n0.ts\n#EXTINF:4,\n1.ts\n#EXT-X-ENDLIST\n"


def create_files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def test_a_folder_is_its_media_in_order(tmp_path: Path) -> None:
    folder = create_files(tmp_path, "b.mp4", "a/c.MKV", "notes.txt", "z.jpg")

    assert [Path(name).name for name in expand_path(str(folder))] == ["c.MKV", "b.mp4", "z.jpg"]


def test_a_folder_with_a_playlist_is_that_stream_and_not_its_segments_again(tmp_path: Path) -> None:
    folder = create_files(tmp_path, "live/index.m3u8", "live/0.ts", "live/hd/1.ts", "other.ts")

    assert [Path(name).name for name in expand_path(str(folder))] == ["index.m3u8", "other.ts"]


def test_a_named_file_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    file = create_files(tmp_path, "notes.txt") / "notes.txt"

    (arrived,) = read_sources([str(file)], FetchLimits())

    assert isinstance(arrived, Arrived)
    assert arrived.windowed
    assert arrived.last


def test_a_playlist_is_a_stream_of_segments(tmp_path: Path) -> None:
    folder = create_files(tmp_path, "0.ts", "1.ts")
    (folder / "index.m3u8").write_text(PLAYLIST)

    *segments, ended = read_sources([str(folder)], FetchLimits())

    assert [one.segment.key.sequence for one in segments if isinstance(one, Arrived)] == [0, 1]
    assert isinstance(ended, NoMore)


def test_a_segment_that_is_gone_is_missing_and_not_an_error(tmp_path: Path) -> None:
    folder = create_files(tmp_path, "1.ts")
    (folder / "index.m3u8").write_text(PLAYLIST)

    *segments, _ = read_sources([str(folder / "index.m3u8")], FetchLimits())

    assert [one.segment.key.sequence for one in segments if isinstance(one, Arrived)] == [1]


def test_a_playlist_that_names_something_elsewhere_is_refused(tmp_path: Path) -> None:
    playlist = tmp_path / "index.m3u8"
    playlist.write_text(PLAYLIST.replace("1.ts", "/etc/passwd"))

    found = list(read_sources([str(playlist)], FetchLimits()))

    assert [one.error.kind for one in found if isinstance(one, Unreadable)] == ["refused"]


def test_a_missing_file_is_an_error_and_the_others_are_read(tmp_path: Path) -> None:
    file = create_files(tmp_path, "a.mp4") / "a.mp4"

    unreadable, arrived = read_sources([str(tmp_path / "gone.mp4"), str(file)], FetchLimits())

    assert isinstance(unreadable, Unreadable)
    assert isinstance(arrived, Arrived)


def test_a_path_that_is_named_twice_is_scanned_once(tmp_path: Path) -> None:
    file = str(create_files(tmp_path, "a.mp4") / "a.mp4")

    assert len(list(read_sources([file, file], FetchLimits()))) == 1


def test_a_file_that_is_named_beside_its_folder_is_scanned_once(tmp_path: Path) -> None:
    file = str(create_files(tmp_path, "a.mp4") / "a.mp4")

    assert len(list(read_sources([str(tmp_path), file], FetchLimits()))) == 1


@pytest.mark.parametrize("name", ["", "a" * 300, "a/" * 3000, "nul\0.mp4"])
def test_a_name_that_no_file_can_have_is_an_error(name: str) -> None:
    (unreadable,) = read_sources([name], FetchLimits())

    assert isinstance(unreadable, Unreadable)
    assert unreadable.error.kind in ("not_found", "input")


def test_a_playlist_without_a_segment_is_an_error(tmp_path: Path) -> None:
    playlist = tmp_path / "index.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n")

    unreadable, ended = read_sources([str(playlist)], FetchLimits())

    assert isinstance(unreadable, Unreadable)
    assert unreadable.error.kind == "no_video"
    assert isinstance(ended, NoMore)


def test_the_error_of_a_folder_without_media_names_the_suffixes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mkv"):
        expand_path(str(create_files(tmp_path, "notes.txt")))
