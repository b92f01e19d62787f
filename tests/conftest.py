"""Fixtures that every part of the suite may use."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from samples.facts import SampleFile
from samples.make_media import make_demo_media, make_media
from scanner.doctor import IDENTITY
from scanner.errors import SetupError
from scanner.scoring.onnx import open_session
from scanner.scoring.options import Provider
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"

# Nothing in the suite is timed: a busy machine must not fail a property.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what checks a machine without a GPU on a machine that has one."""
    if item.get_closest_marker("no_gpu") is not None and Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has an NVIDIA GPU")


@pytest.fixture(scope="session", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the models that the developer has added, and let child processes cache bytecode.

    Compiling our modules and their libraries anew takes 0.5 s of each start of the program, so
    where ``PYTHONDONTWRITEBYTECODE`` is set, as in many images, the cache is a temporary folder.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        if os.environ.get("PYTHONDONTWRITEBYTECODE"):
            environment.delenv("PYTHONDONTWRITEBYTECODE")
            environment.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        yield


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    """Give each test our loggers as they are at first: a command that runs in this process, also in
    a fixture of a module, configures them for good."""
    _reset_loggers()
    yield
    _reset_loggers()


def _reset_loggers() -> None:
    for name in ("scanner", "workers"):
        log = logging.getLogger(name)
        log.setLevel(logging.NOTSET)
        log.handlers, log.propagate = [], True


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of footage and weights that is not part of this repository; the test is skipped
    where it is absent."""
    folder = Path(os.environ.get("STREAMWARDEN_SHARED", SHARED))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; STREAMWARDEN_SHARED names the folder of shared data")
    return folder


@pytest.fixture(scope="session")
def sample_media(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], SampleFile]:
    """Gives a sample of ``samples.make_media.MAKERS`` by its name; each is made once a session,
    when it is first asked for."""
    folder = tmp_path_factory.mktemp("media")
    return cache(lambda name: make_media(folder, [name])[name])


@pytest.fixture(scope="session")
def demo_media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo's streams, 18 s each: ``test-card/index.m3u8`` shows the test card
    from 6 s to 12 s. A test that changes a file works on a copy."""
    folder = tmp_path_factory.mktemp("demo")
    make_demo_media(folder, seconds=18)
    return folder


@pytest.fixture(scope="session")
def gpu() -> Provider:
    """The provider of a GPU that works here; else the test is skipped, or fails where
    ``FAIL_WITHOUT_GPU=1`` says that there is one."""
    try:
        open_session(IDENTITY, provider="cuda", name="probe")
    except SetupError as error:
        if os.environ.get("FAIL_WITHOUT_GPU") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    return "cuda"
