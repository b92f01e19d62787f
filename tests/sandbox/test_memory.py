"""Sources as descriptors that can only be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scanner.sandbox.memory import Lender, shared_memory
from scanner.types import Source


@pytest.fixture
def lender() -> Iterator[Lender]:
    with closing(Lender()) as lender:
        yield lender


def contents(lender: Lender, *sources: Source) -> list[bytes]:
    with lender.lend(sources, name="x") as descriptors:
        return [os.read(descriptor, 1 << 20) for descriptor in descriptors]


def test_each_source_is_lent_whole_and_in_its_place(lender: Lender, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"file")

    assert contents(lender, b"one", path, b"three", b"four") == [b"one", b"file", b"three", b"four"]


@pytest.mark.parametrize("then", [b"", b"short", b"longer than before"])
def test_nothing_of_an_earlier_source_is_left(lender: Lender, then: bytes) -> None:
    assert contents(lender, b"before that") == [b"before that"]
    assert contents(lender, then) == [then]


def test_a_source_larger_than_what_is_kept_is_lent_all_the_same(lender: Lender) -> None:
    with lender.lend([bytes(17 << 20)], name="x") as (descriptor,):
        assert os.fstat(descriptor).st_size == 17 << 20


@pytest.mark.parametrize("place", [0, 3])
def test_what_is_lent_cannot_be_changed(lender: Lender, place: int) -> None:
    with lender.lend([b"x"] * 4, name="x") as descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(descriptors[place], b"y")
        with pytest.raises(OSError, match="Invalid argument"):
            os.ftruncate(descriptors[place], 0)


def test_lending_again_takes_no_more_descriptors(lender: Lender) -> None:
    contents(lender, b"a", b"b", b"c")
    before = len(os.listdir("/proc/self/fd"))

    contents(lender, b"a", b"b", b"c")

    assert len(os.listdir("/proc/self/fd")) == before


def test_shared_memory_cannot_be_shrunk_under_its_reader() -> None:
    with shared_memory(1 << 20) as memory, pytest.raises(PermissionError):
        os.ftruncate(memory, 0)
