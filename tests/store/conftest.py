"""A journal and an object store in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.store.database import Journal, open_journal
from scanner.store.objects import ObjectStore


class FakeClock:
    """A wall clock that tests move."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def wall_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def journal(tmp_path: Path, wall_clock: FakeClock) -> Iterator[Journal]:
    journal = open_journal(tmp_path / "data", create=True, clock=wall_clock)
    yield journal
    journal.close()


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "data" / "objects")
