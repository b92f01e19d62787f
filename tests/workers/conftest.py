from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.processes import processes_below
from workers.cluster import ClusterSettings, cluster


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Start one Ray for all tests that need it, because a start costs ten seconds of processor
    time.

    It has capacity for two pools and one worker more.
    """
    with cluster(ClusterSettings(cpus=5)):
        yield


@pytest.fixture
def ray_pids() -> Callable[[str], list[int]]:
    """Return a function that finds the processes of actors by the name of their class."""

    def find(name: str) -> list[int]:
        return [
            process.pid
            for process, command in processes_below().items()
            if command[0].startswith(f"ray::{name}")
        ]

    return find
