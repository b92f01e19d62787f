"""What a scan leaves is for its owner alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.report.private import make_folder, private_opener, write_file


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_private_and_those_that_exist_stay(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path)

    assert [mode(path) for path in (tmp_path / "a/b", tmp_path / "a", tmp_path)] == [
        *(0o700, 0o700, 0o755),
    ]


def test_a_file_is_private_also_where_a_public_one_was(tmp_path: Path) -> None:
    for path in (tmp_path / "new", tmp_path / "old"):
        if path.name == "old":
            path.write_bytes(b"longer than the new one")
            path.chmod(0o644)

        write_file(path, b"secret")

        assert (path.read_bytes(), mode(path)) == (b"secret", 0o600)


def test_a_pipe_stays_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o644)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    with open(pipe, "w", opener=private_opener) as file:
        file.write("line")

    assert (os.read(reader, 10), mode(pipe)) == (b"line", 0o644)
    os.close(reader)
