"""A web process within this one, on a real socket of loopback; started once a module."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import structlog
import uvicorn

from scanner.console.app import create_web_app
from scanner.intake.limits import IntakeLimits
from scanner.intake.server import server_config
from scanner.settings.service import ServiceSettings
from scanner.store.database import Journal, open_journal
from scanner.store.objects import ObjectStore


@dataclass(frozen=True, kw_only=True)
class RunningService:
    """A server, a client of it, and what it stores in."""

    client: httpx.Client
    address: tuple[str, int]
    journal: Journal
    objects: ObjectStore
    data: Path


@contextmanager
def run_service(folder: Path, settings: ServiceSettings | None = None) -> Iterator[RunningService]:
    """Run a web process in a thread, on a free port, until the block ends."""
    journal = open_journal(folder, create=True)
    objects = ObjectStore(folder / "objects")
    settings = settings or ServiceSettings(data=folder)
    limits = IntakeLimits(segment_bytes=200_000, init_bytes=100_000, image_bytes=100_000)
    app = create_web_app(settings, journal, objects, limits=limits)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(server_config(app, settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        address = listener.getsockname()
        thread.start()
        wait_for(lambda: server.started or not thread.is_alive())
        with httpx.Client(base_url=f"http://127.0.0.1:{address[1]}", timeout=30) as client:
            yield RunningService(
                client=client, address=address, journal=journal, objects=objects, data=folder
            )
        server.should_exit = True
        thread.join(30)
    journal.close()


def wait_for(condition: object, seconds: float = 20.0) -> None:
    """Return once a condition is true; fail after a deadline."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> Iterator[None]:
    """Write logs as the service does, and to the standard error of the moment."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service(tmp_path_factory.mktemp("service")) as running:
        yield running
