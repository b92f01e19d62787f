"""Playlists on disk: their segments, and what they may not reference."""

from __future__ import annotations

import gzip
import os
from fractions import Fraction
from pathlib import Path

import pytest

from scanner.errors import DamagedError, FormatError, InputError, LimitError, RefusedError
from scanner.sources.hls import PlaylistSegment, follow_playlist
from scanner.sources.limits import FetchLimits
from scanner.types import FileBeneath


def write(folder: Path, *lines: str, name: str = "index.m3u8") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#EXTM3U", *lines)))
    os.utime(path, (0, 0))  # not one that an encoder is writing
    return path


def read(path: Path, limits: FetchLimits | None = None) -> list[PlaylistSegment]:
    return list(follow_playlist(path, limits))


def test_segments_come_in_order_with_their_numbers_and_paths(tmp_path: Path) -> None:
    for name in ("a.ts", "b.ts"):
        (tmp_path / name).write_bytes(b"media")
    playlist = write(
        tmp_path,
        "#EXT-X-MEDIA-SEQUENCE:7",
        "#EXTINF:4.2,",
        "a.ts",
        "#EXT-X-DISCONTINUITY",
        "#EXTINF:3,",
        "b.ts",
    )

    first, second = read(playlist)

    assert (first.sequence, first.source, first.duration, first.discontinuity) == (
        7,
        FileBeneath(tmp_path, "a.ts"),
        Fraction("4.2"),
        False,
    )
    assert (second.sequence, second.source, second.duration, second.discontinuity) == (
        8,
        FileBeneath(tmp_path, "b.ts"),
        Fraction(3),
        True,
    )
    assert first.init is None


def test_byte_ranges_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "all.mp4").write_bytes(bytes(range(100)))
    playlist = write(
        tmp_path,
        '#EXT-X-MAP:URI="all.mp4",BYTERANGE="10@0"',
        *("#EXTINF:4,", "#EXT-X-BYTERANGE:20@10", "all.mp4"),
        *("#EXTINF:4,", "#EXT-X-BYTERANGE:5", "all.mp4"),
    )

    first, second = read(playlist)

    assert first.init == second.init == bytes(range(10))
    assert first.source == bytes(range(10, 30))
    assert second.source == bytes(range(30, 35))


def test_a_range_beyond_the_file_is_an_error_of_its_segment(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"short")

    (segment,) = read(write(tmp_path, "#EXTINF:4,", "#EXT-X-BYTERANGE:10@2", "a.mp4"))

    assert segment.source is None
    assert isinstance(segment.problem, DamagedError)
    assert "a.mp4: ends before byte 12" in str(segment.problem)


def test_gaps_and_absent_files_are_missing_segments(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"media")
    playlist = write(
        tmp_path, "#EXT-X-GAP", "#EXTINF:4,", "a.ts", "#EXTINF:4,", "gone.ts", "#EXTINF:4,", "a.ts"
    )

    sources = [segment.source for segment in read(playlist)]

    assert sources == [None, None, FileBeneath(tmp_path, "a.ts")]


def test_a_segment_without_its_init_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"media")

    (segment,) = read(write(tmp_path, '#EXT-X-MAP:URI="gone.mp4"', "#EXTINF:4,", "a.mp4"))

    assert segment.source is None


def test_names_are_decoded_and_queries_dropped(tmp_path: Path) -> None:
    (tmp_path / "an odd name.ts").write_bytes(b"media")

    (segment,) = read(write(tmp_path, "#EXTINF:4,", "an%20odd%20name.ts?token=1"))

    assert segment.source == FileBeneath(tmp_path, "an odd name.ts")


@pytest.mark.parametrize(
    "name", ["take#1.ts", "100%.ts", "what?.ts", "an%20odd name.ts", "10:30.ts"]
)
def test_a_file_that_is_called_just_like_the_name_is_meant(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"media")

    (segment,) = read(write(tmp_path, "#EXTINF:4,", name))

    assert segment.source == FileBeneath(tmp_path, name)


def test_a_variant_that_cannot_be_had_falls_back_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"media")
    write(tmp_path, "#EXTINF:4,", "a.ts", name="low.m3u8")
    master = write(
        tmp_path,
        *("#EXT-X-STREAM-INF:BANDWIDTH=9,RESOLUTION=1280x720", "gone.m3u8"),
        *("#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360", "low.m3u8"),
    )

    (segment,) = read(master)

    assert segment.source == FileBeneath(tmp_path, "a.ts")


def test_a_compressed_playlist_is_unpacked_within_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"media")
    path = write(tmp_path, "#EXTINF:4,", "a.ts")
    path.write_bytes(gzip.compress(path.read_bytes() + b"\n#EXT-X-ENDLIST"))

    assert len(read(path)) == 1

    path.write_bytes(gzip.compress(path.read_bytes() + b"#EXTM3U" + b"\n" * 5_000_000))
    with pytest.raises((LimitError, FormatError)):
        read(path)


def test_the_best_variant_that_is_not_too_tall_is_followed(tmp_path: Path) -> None:
    (tmp_path / "mid").mkdir()
    (tmp_path / "mid" / "a.ts").write_bytes(b"media")
    write(tmp_path, "#EXTINF:4,", "a.ts", name="mid/index.m3u8")
    master = write(
        tmp_path,
        *("#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360", "low/index.m3u8"),
        *("#EXT-X-STREAM-INF:BANDWIDTH=6000000,RESOLUTION=1920x1080", "mid/index.m3u8"),
        *("#EXT-X-STREAM-INF:BANDWIDTH=20000000,RESOLUTION=3840x2160", "high/index.m3u8"),
    )

    (segment,) = read(master)

    assert segment.source == FileBeneath(tmp_path, "mid/a.ts")


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../secret.ts",
        "sub/../../secret.ts",
        "%2e%2e/secret.ts",
        "file:///etc/passwd",
        "http://127.0.0.1/a.ts",
        "//127.0.0.1/a.ts",
        "concat:a.ts|/etc/passwd",
        "link.ts",
        "linked/secret.ts",
        "a%00.ts",
    ],
)
@pytest.mark.parametrize(
    "form",
    [
        "#EXTINF:4,\n{}",
        '#EXT-X-MAP:URI="{}"\n#EXTINF:4,\na.ts',
        "#EXT-X-STREAM-INF:BANDWIDTH=1\n{}",
    ],
)
def test_a_playlist_may_not_reference_files_outside_of_its_folder(
    form: str, name: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "a.ts").write_bytes(b"media")
    (tmp_path / "secret.ts").write_bytes(b"secret")
    (home / "link.ts").symlink_to(tmp_path / "secret.ts")
    (home / "linked").symlink_to(tmp_path)

    with pytest.raises(RefusedError, match=r"index\.m3u8: names"):
        read(write(home, form.format(name)))


def test_a_playlist_that_references_one_file_elsewhere_yields_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"media")
    stream = follow_playlist(write(tmp_path, "#EXTINF:4,", "a.ts", "#EXTINF:4,", "/etc/passwd"))

    with pytest.raises(RefusedError, match="/etc/passwd"):
        next(stream)


def test_links_within_the_folder_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real.ts").write_bytes(b"media")
    (tmp_path / "link.ts").symlink_to("real.ts")

    (segment,) = read(write(tmp_path, "#EXTINF:4,", "link.ts"))

    assert segment.source == FileBeneath(tmp_path, "real.ts")


def test_encrypted_segments_are_refused(tmp_path: Path) -> None:
    playlist = write(tmp_path, '#EXT-X-KEY:METHOD=AES-128,URI="key.bin"', "#EXTINF:4,", "a.ts")

    with pytest.raises(RefusedError, match=r"segment 0 is encrypted \(AES-128\)"):
        read(playlist)


def test_a_key_with_method_none_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"media")

    (segment,) = read(write(tmp_path, "#EXT-X-KEY:METHOD=NONE", "#EXTINF:4,", "a.ts"))

    assert segment.source == FileBeneath(tmp_path, "a.ts")


def test_another_format_and_a_broken_playlist_are_different_errors(tmp_path: Path) -> None:
    (tmp_path / "text.m3u8").write_text("hello")

    with pytest.raises(FormatError, match="not a playlist"):
        read(tmp_path / "text.m3u8")
    with pytest.raises(DamagedError, match=r'line 2: EXT-X-MAP "x", URI of the init segment'):
        read(write(tmp_path, "#EXT-X-MAP:x", "#EXTINF:4,", "a.ts"))


def test_a_master_playlist_inside_a_master_playlist_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "#EXT-X-STREAM-INF:BANDWIDTH=1", "b.m3u8", name="a.m3u8")

    with pytest.raises(DamagedError, match="a master playlist where a media playlist belongs"):
        read(write(tmp_path, "#EXT-X-STREAM-INF:BANDWIDTH=1", "a.m3u8"))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (FetchLimits(playlist_bytes=20), "playlist over 20 bytes"),
        (FetchLimits(line_bytes=19), "a line of 20 bytes, limit is 19"),
        (FetchLimits(segments=1), "2 segments, limit is 1"),
    ],
)
def test_each_limit_has_its_message(limits: FetchLimits, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"media")
    playlist = write(tmp_path, "#EXTINF:4,", "a.ts", "#EXTINF:4,", "#EXT-X-BYTERANGE:4@0", "a.ts")

    with pytest.raises(LimitError, match=message):
        read(playlist, limits)


def test_a_segment_over_its_limit_is_missing_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"media")
    playlist = write(tmp_path, "#EXTINF:4,", "#EXT-X-BYTERANGE:4@0", "a.ts", "#EXTINF:4,", "a.ts")

    first, second = read(playlist, FetchLimits(segment_bytes=3))

    assert isinstance(first.problem, LimitError)
    assert "4 bytes, limit is 3" in str(first.problem)
    assert (second.source, second.problem) == (FileBeneath(tmp_path, "a.ts"), None)


@pytest.mark.parametrize(
    "name", ["segments", "segment_bytes", "attempts", "stale_seconds", "variant_height"]
)
def test_limits_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        FetchLimits(**{name: 0})


def test_a_playlist_that_is_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.m3u8")

    with pytest.raises(RefusedError, match="not a regular file"):
        read(tmp_path / "pipe.m3u8")


def test_a_playlist_that_is_not_there_is_the_senders_fault(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened: No such file"):
        read(tmp_path / "none.m3u8")
