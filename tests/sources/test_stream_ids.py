"""Ids of streams: of content and of addresses, whatever the spelling."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scanner.errors import SetupError
from scanner.sources.limits import FetchLimits
from scanner.sources.paths import read_sources
from scanner.sources.stream_ids import HASHED_BYTES, StreamIds, normalised_address
from scanner.stream.inputs import SegmentArrived, StreamStarted
from scanner.types import StreamId

MIB = HASHED_BYTES


def ids_of(*names: str | Path, stream_id: StreamId | None = None) -> list[StreamId]:
    """Return the ids of all streams, in the order in which they arrive."""
    with read_sources(map(str, names), FetchLimits(), stream_id=stream_id) as arrivals:
        return list(
            dict.fromkeys(
                one.stream_id if isinstance(one, StreamStarted) else one.segment.key.stream_id
                for one in arrivals
                if isinstance(one, StreamStarted | SegmentArrived)
            )
        )


def test_a_file_has_the_same_id_under_every_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.ts", "sub/b.mp4"):
        (tmp_path / name).write_bytes(b"content")
    monkeypatch.chdir(tmp_path)

    names = ["a.ts", "./a.ts", tmp_path / "a.ts", "sub/b.mp4"]

    assert len({one for name in names for one in ids_of(name)}) == 1


@pytest.mark.parametrize("at", [0, MIB - 1, 2 * MIB, 3 * MIB - 1])
def test_a_change_in_the_first_or_the_last_mib_is_another_id(at: int, tmp_path: Path) -> None:
    data = bytearray(3 * MIB)
    (tmp_path / "a.ts").write_bytes(data)
    data[at] = 1
    (tmp_path / "b.ts").write_bytes(data)

    assert len(set(ids_of(tmp_path))) == 2


def test_another_size_is_another_id(tmp_path: Path) -> None:
    for name, size in (("a.ts", 3 * MIB), ("b.ts", 4 * MIB)):
        (tmp_path / name).write_bytes(bytes(size))

    assert len(set(ids_of(tmp_path))) == 2


def test_an_equal_file_in_one_scan_is_numbered(tmp_path: Path) -> None:
    for name in ("a.ts", "b.ts", "c.ts"):
        (tmp_path / name).write_bytes(b"content")

    first, second, third = ids_of(tmp_path)

    assert (second, third) == (f"{first}-2", f"{first}-3")


@pytest.mark.parametrize(
    "spelling",
    [
        "https://cdn.example/live/index.m3u8",
        "HTTPS://CDN.example:443/live/index.m3u8",
        "https://user:secret@cdn.example/live/index.m3u8?token=1#t=5",
        "https://cdn.example/live/./old/../index.m3u8",
        "https://cdn.example/%6Cive/index%2em3u8",
    ],
)
def test_every_spelling_of_an_address_is_one_id(spelling: str) -> None:
    expected = StreamIds().of_playlist("https://cdn.example/live/index.m3u8")

    assert StreamIds().of_playlist(spelling) == expected


@pytest.mark.parametrize(
    "other",
    [
        "http://cdn.example/live/index.m3u8",
        "https://cdn.example:8443/live/index.m3u8",
        "https://cdn.example/Live/index.m3u8",
        "https://cdn.example/live%2Findex.m3u8",
    ],
)
def test_another_address_is_another_id(other: str) -> None:
    assert StreamIds().of_playlist(other) != StreamIds().of_playlist(
        "https://cdn.example/live/index.m3u8"
    )


@pytest.mark.parametrize("address", ["http://[::1]:8080/a", "http://[bad/a", "http://a:99999/a"])
def test_an_address_of_any_form_has_an_id(address: str) -> None:
    assert normalised_address(address)


def test_a_playlist_on_disk_is_identified_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)

    names = ["a.m3u8", "./x/../a.m3u8", str(tmp_path / "a.m3u8"), "link/a.m3u8"]

    assert len({StreamIds().of_playlist(name) for name in names}) == 1


def test_a_file_that_cannot_be_read_has_an_id_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert StreamIds().of_file(tmp_path / "pipe") != StreamIds().of_file(tmp_path / "gone")


def test_a_chosen_id_is_that_of_the_only_stream(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"content")

    assert ids_of(tmp_path / "a.ts", stream_id=StreamId("channel-7")) == ["channel-7"]


def test_a_chosen_id_of_several_streams_is_refused(tmp_path: Path) -> None:
    for names in (["a.ts", "b.ts"], [str(tmp_path)], []):
        with pytest.raises(SetupError, match="one stream"):
            ids_of(*names, stream_id=StreamId("channel-7"))
