from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.sources.loopback import FakeClock, Server, run_server


@pytest.fixture
def make_server() -> Iterator[Callable[[], Server]]:
    with ExitStack() as running:
        yield lambda: running.enter_context(run_server())


@pytest.fixture
def server(make_server: Callable[[], Server]) -> Server:
    return make_server()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
