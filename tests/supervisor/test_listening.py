"""The service listens on its own socket, or on that of a service manager."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.errors import SetupError
from scanner.settings.sections import Settings
from scanner.supervisor.listening import notify_manager, open_listener
from scanner.supervisor.supervise import open_service

ROOT = Path(__file__).resolve().parents[2]
INHERITS = """
import os, sys
from scanner.errors import SetupError
from scanner.supervisor.listening import open_listener
os.environ["LISTEN_PID"] = str(os.getpid())
try:
    listener = open_listener("127.0.0.1", 0, os.environ)
    print(listener.getsockname()[1], "LISTEN_FDS" in os.environ, os.get_inheritable(3))
except SetupError as error:
    print(error)
"""


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def inherit(passed: socket.socket, count: str = "1") -> str:
    """Return what a process prints that has a socket as its descriptor 3."""
    done = subprocess.run(
        ["bash", "-c", f'exec 3<&{passed.fileno()}; exec "$0" -c "$1"', sys.executable, INHERITS],
        cwd=ROOT,
        env={**os.environ, "LISTEN_FDS": count},
        pass_fds=[passed.fileno()],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_socket_that_was_passed_is_used_and_hidden_from_children(bound: socket.socket) -> None:
    bound.listen()

    assert inherit(bound) == f"{bound.getsockname()[1]} False False"


def test_what_is_no_listening_socket_is_refused(bound: socket.socket) -> None:
    assert inherit(bound) == "service: descriptor 3 is not a listening TCP socket"
    bound.listen()
    assert inherit(bound, count="2") == "service: 2 sockets were passed, one is wanted"


def test_variables_for_another_process_are_removed_and_mean_nothing() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a", "HOME": "/"}

    with open_listener("127.0.0.1", 0, environment, pid=2) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    assert environment == {"HOME": "/"}


def test_a_port_in_use_is_named(bound: socket.socket) -> None:
    bound.listen()
    port = bound.getsockname()[1]

    with pytest.raises(SetupError, match=f"cannot listen on 127.0.0.1:{port}"):
        open_listener("127.0.0.1", port, {})


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings.model_validate({"service": {"data": tmp_path / "file" / "data"}})

    with (
        pytest.raises(SetupError, match="file/data: cannot be made: Not a directory"),
        open_service(settings, None),
    ):
        pass


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_is_told(tmp_path: Path, abstract: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"{tmp_path}/notify"
        manager.bind(f"\0{name}" if abstract else name)
        notify_manager("READY=1", f"@{name}" if abstract else name)
        assert manager.recv(64) == b"READY=1"


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    notify_manager("READY=1", f"{tmp_path}/gone")
    notify_manager("READY=1", None)
