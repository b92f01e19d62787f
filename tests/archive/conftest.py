"""A recorded run of a service in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.store.database import open_journal
from tests.archive.build import RecordedRun
from tests.store.conftest import FakeClock

START = 1_764_374_400.0
"""2025-11-29 00:00 UTC, when every recorded run begins."""


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[RecordedRun]:
    clock = FakeClock()
    clock.time = START
    journal = open_journal(tmp_path / "data", create=True, clock=clock)
    yield RecordedRun(data=tmp_path / "data", journal=journal, clock=clock)
    journal.close()
