"""The whole program over all that is hostile, at once: each path ends in an error or a summary, and
nothing else is touched."""

from __future__ import annotations

import json
import socket
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samples.make_hostile import make_hostile
from samples.make_media import make_playlists

from .program import run

REACHING = {
    "segment": "#EXTINF:2,\n{there}\n",
    "scheme_relative": "#EXTINF:2,\n//{host}/a.ts\n",
    "upper_case": "#EXTINF:2,\nHTTP://{host}/a.ts\n",
    "spaced": "#EXTINF:2,\n  {there}  \n",
    "map": '#EXT-X-MAP:URI="{there}"\n#EXTINF:2,\n0.ts\n',
    "key": '#EXT-X-KEY:METHOD=AES-128,URI="{there}"\n#EXTINF:2,\n0.ts\n',
    "variant": "#EXT-X-STREAM-INF:BANDWIDTH=1\n{there}\n",
    "protocol": "#EXTINF:2,\nconcat:0.ts|{there}\n",
    "nested_protocol": "#EXTINF:2,\ncrypto+{there}\n",
    "file_url": "#EXTINF:2,\nfile://{secret}\n",
    "absolute": "#EXTINF:2,\n{secret}\n",
    "above": "#EXTINF:2,\n../secret.ts\n",
    "above_encoded": "#EXTINF:2,\n%2e%2e/secret.ts\n",
    "above_twice": "#EXTINF:2,\nx/../../secret.ts\n",
    "link": "#EXTINF:2,\nlink.ts\n",
    "folder": "#EXTINF:2,\n.\n",
    "itself": "#EXT-X-STREAM-INF:BANDWIDTH=1\nindex.m3u8\n",
    "after_a_good_one": "#EXTINF:2,\n0.ts\n#EXTINF:2,\n{there}\n",
}
"""Playlists that name what is not theirs."""


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def told(
    tmp_path_factory: pytest.TempPathFactory, listener: socket.socket
) -> dict[str, list[dict[str, Any]]]:
    """The lines of each path, from one run over everything."""
    folder = tmp_path_factory.mktemp("all")
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    files = [hostile.path for hostile in make_hostile(folder / "hostile", host).values()]
    reaching = list(_reaching(folder, host))
    playlists = [playlist.path for playlist in make_playlists(folder / "playlists").values()]
    given = [str(path) for path in (*files, *reaching, *playlists)]

    ended = run("scan", "--json", *given)

    assert ended.returncode == 1
    assert b"Traceback" not in ended.stderr
    lines = defaultdict(list)
    for row in ended.stdout.decode("ascii").splitlines():
        line = json.loads(row)
        lines[line["path"]].append(line)
    assert set(lines) == set(given)
    return lines


def _reaching(folder: Path, host: str) -> Iterator[Path]:
    (folder / "reaching").mkdir()
    secret = folder / "reaching" / "secret.ts"
    secret.write_bytes((folder / "hostile" / "canary.ts").read_bytes())
    for name, text in REACHING.items():
        home = folder / "reaching" / name
        home.mkdir()
        (home / "link.ts").symlink_to(secret)
        (home / "0.ts").write_bytes(secret.read_bytes())
        body = text.format(there=f"http://{host}/a.ts", host=host, secret=secret)
        (home / "index.m3u8").write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n{body}#EXT-X-ENDLIST\n"
        )
        yield home / "index.m3u8"


def test_each_path_ends_with_its_summary_or_has_an_error(
    told: dict[str, list[dict[str, Any]]],
) -> None:
    for path, lines in told.items():
        kinds = [line["type"] for line in lines]

        assert kinds[-1] == "summary" or "error" in kinds, path
        assert kinds.count("summary") <= 1, path
        assert "summary" not in kinds[:-1], path


def test_nothing_that_was_not_seen_at_all_passes_without_an_error(
    told: dict[str, list[dict[str, Any]]],
) -> None:
    for path, lines in told.items():
        if not any(line["type"] == "frame" for line in lines):
            assert any(line["type"] == "error" for line in lines), path


def test_each_error_is_one_short_line_that_begins_with_its_subject(
    told: dict[str, list[dict[str, Any]]],
) -> None:
    for lines in told.values():
        for line in (line for line in lines if line["type"] == "error"):
            assert line["message"].isprintable()
            assert len(line["message"]) - len(line["path"]) <= 400
            assert line["message"].startswith(str(Path(line["path"]).parent))


@pytest.mark.parametrize("name", REACHING)
def test_a_playlist_that_names_what_is_not_its_own_is_refused_whole(
    name: str, told: dict[str, list[dict[str, Any]]]
) -> None:
    (lines,) = (
        lines
        for path, lines in told.items()
        if Path(path).parent.name == name and "reaching" in path
    )

    (line,) = lines
    assert line["type"] == "error"
    assert line["kind"] in ("refused", "damaged")


def test_no_address_was_called(
    told: dict[str, list[dict[str, Any]]], listener: socket.socket
) -> None:
    assert told
    with pytest.raises(BlockingIOError):
        listener.accept()
