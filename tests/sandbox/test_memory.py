"""Sources are opened as descriptors that can only be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scanner.sandbox.memory import SourceOpener, create_shared_memory
from scanner.types import Source


@pytest.fixture
def opener() -> Iterator[SourceOpener]:
    with closing(SourceOpener()) as opener:
        yield opener


def contents(opener: SourceOpener, *sources: Source) -> list[bytes]:
    with opener.open_sources(sources, name="x") as descriptors:
        return [os.read(descriptor, 1 << 20) for descriptor in descriptors]


def test_each_source_is_opened_whole_and_in_its_place(opener: SourceOpener, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"file")

    assert contents(opener, b"one", path, b"three", b"four") == [b"one", b"file", b"three", b"four"]


@pytest.mark.parametrize("then", [b"", b"short", b"longer than before"])
def test_nothing_of_an_earlier_source_remains(opener: SourceOpener, then: bytes) -> None:
    assert contents(opener, b"before that") == [b"before that"]
    assert contents(opener, then) == [then]


def test_a_source_too_large_for_reused_memory_is_opened_too(opener: SourceOpener) -> None:
    with opener.open_sources([bytes(17 << 20)], name="x") as (descriptor,):
        assert os.fstat(descriptor).st_size == 17 << 20


@pytest.mark.parametrize("place", [0, 3])
def test_an_opened_source_cannot_be_changed(opener: SourceOpener, place: int) -> None:
    with opener.open_sources([b"x"] * 4, name="x") as descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(descriptors[place], b"y")
        with pytest.raises(OSError, match="Invalid argument"):
            os.ftruncate(descriptors[place], 0)


def test_opening_again_uses_no_more_descriptors(opener: SourceOpener) -> None:
    contents(opener, b"a", b"b", b"c")
    before = len(os.listdir("/proc/self/fd"))

    contents(opener, b"a", b"b", b"c")

    assert len(os.listdir("/proc/self/fd")) == before


def test_shared_memory_cannot_be_shrunk_under_its_reader() -> None:
    with create_shared_memory(1 << 20) as memory, pytest.raises(PermissionError):
        os.ftruncate(memory, 0)
