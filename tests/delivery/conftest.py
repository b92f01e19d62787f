"""A journal, an object store and the segments of a stream that shows the test card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from samples.demo import CARD_STREAM, make_demo_media
from scanner.compose import open_score_job
from scanner.pipeline.worker import ScoreJob
from scanner.risk.policy import Policies
from scanner.scoring.test_card import TestCard
from scanner.settings.policies import compose_policies
from scanner.settings.sections import Settings
from scanner.store.database import Journal, open_journal
from scanner.store.objects import ObjectStore
from tests.delivery.build import FakeDriver
from tests.store.conftest import FakeClock


@pytest.fixture(scope="session")
def card_segments(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The segments of a stream of 18 s that shows the test card from 6 to 12."""
    playlist = make_demo_media(tmp_path_factory.mktemp("delivery"), seconds=18)[CARD_STREAM]
    names = [line for line in playlist.read_text().splitlines() if not line.startswith("#")]
    return [playlist.parent / name for name in names]


@pytest.fixture(scope="session")
def score() -> Iterator[ScoreJob]:
    with open_score_job(Settings(), Policies(labels={}), lambda: (TestCard(),)) as score:
        yield score


@pytest.fixture
def policies() -> Policies:
    return compose_policies(Settings(), [])


@pytest.fixture
def wall_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def journal(data: Path, wall_clock: FakeClock) -> Iterator[Journal]:
    journal = open_journal(data, create=True, clock=wall_clock)
    yield journal
    journal.close()


@pytest.fixture
def objects(data: Path) -> ObjectStore:
    return ObjectStore(data / "objects")


@pytest.fixture
def driver(
    journal: Journal, objects: ObjectStore, score: ScoreJob, policies: Policies
) -> FakeDriver:
    return FakeDriver(
        journal=journal, objects=objects, score=score, policies=policies, sinks=("hook",)
    )
