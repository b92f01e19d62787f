"""Ray, started quietly: on loopback only, with a token, in a folder of its own, and gone without a trace.

``import ray`` stands inside functions, here and in ``actors``: much of its environment is read when it is imported.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.errors import SetupError

__all__ = ["ClusterSettings", "cluster"]

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # or it prints the deaths of workers to stdout, into our data
}
LOOPBACK = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # despite its name, what binds every listener to 127.0.0.1
    "RAY_AUTH_MODE": "token",
    "RAY_worker_niceness": "0",  # Ray's default is +15, at which decoders starve
}
MARK = "STREAMWARDEN_CLUSTER"
"""In the environment of every process that a cluster of ours started, and of theirs: the folder of that cluster."""

LONGEST_FOLDER = 16
"""Characters, of the folder in which ours is made; Ray puts sockets some 75 characters deeper, and a socket's path ends at 107."""

ATTEMPTS = 2
"""Ray gives its processes a fixed 30 s to start, which a busy machine may miss once."""

KNOCK_SECONDS = 5.0
"""For a cluster to accept a connection."""

GONE_SECONDS = 5.0
"""How long processes that were ended may take to vanish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Which Ray to use."""

    cpus: int
    """Decode actors that the local cluster has room for."""
    gpus: int = 0
    object_store_bytes: int = 128 << 20
    """Shared memory at most; only arrays on their way to an inference actor, and large leases, pass through it."""
    address: str | None = None
    """An existing cluster (``auto``, or host:port), which has these packages installed; None starts one here."""


@contextmanager
def cluster(settings: ClusterSettings) -> Iterator[None]:
    """Be connected to Ray, one connection in a process.

    Raises:
        SetupError: Ray cannot be reached, or did not start.
    """
    if settings.address is not None:
        _knock(settings.address)
        with _environment(QUIET), _connected(settings.address):
            yield
        return
    with _folder() as folder, _environment(QUIET | LOOPBACK | _token(folder)):
        try:
            _start(settings, folder)
            yield
        finally:
            _stop(folder)


def _start(settings: ClusterSettings, folder: Path) -> None:
    import ray

    for attempt in range(1, ATTEMPTS + 1):
        try:
            with _environment({MARK: str(folder), "PYTHONPATH": _path()}), _stderr_to(folder / "start.log"), _same_sigterm():
                ray.init(
                    num_cpus=settings.cpus,
                    num_gpus=settings.gpus,
                    object_store_memory=settings.object_store_bytes,
                    _temp_dir=str(folder / "ray"),  # made open to all by Ray, so it lies inside ours
                    **_SILENT,
                )
        except Exception as why:
            _stop(folder)
            if attempt == ATTEMPTS:
                raise SetupError(f"Ray did not start on this machine ({why}); scan without --workers does not need it") from why
        else:
            return


_SILENT: Mapping[str, Any] = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}


def _stop(folder: Path) -> None:
    import ray

    with _stderr_to(folder / "stop.log"):
        ray.shutdown()
    _end_marked(str(folder))


def _knock(address: str) -> None:
    """Ask whether anybody is there; Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():  # ``auto``, which Ray finds at once or not at all
        return
    try:
        socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()
    except OSError as why:
        raise SetupError(f"no Ray cluster answers at {address}: {why.strerror or why}") from why


@contextmanager
def _connected(address: str) -> Iterator[None]:
    import ray

    try:
        with _same_sigterm():
            ray.init(address=address, log_to_driver=False, configure_logging=False)
    except Exception as why:
        raise SetupError(f"no Ray cluster answers at {address}: {why}") from why
    try:
        yield
    finally:
        ray.shutdown()


def _path() -> str:
    """Workers import what this process can, whatever their folder; a ``runtime_env`` would cost an agent and seconds."""
    return os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)


def _token(folder: Path) -> dict[str, str]:
    path = folder / "token"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    return {"RAY_AUTH_TOKEN_PATH": str(path)}


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for us alone (0700), removed at the end."""
    usual = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="sw-", dir=usual if len(usual) <= LONGEST_FOLDER else "/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """Ray's own programs write to the descriptor itself, and keep it."""
    kept = os.dup(2)
    with open(path, "ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _same_sigterm() -> Iterator[None]:
    """Ray replaces the handler; ours stays."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _end_marked(mark: str) -> None:
    """End whatever a cluster left behind: its agents, workers, and their children."""
    deadline = time.monotonic() + GONE_SECONDS
    while (left := _marked(mark)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _marked(mark: str) -> list[int]:
    entry = f"{MARK}={mark}".encode()
    return [pid for pid in _processes() if entry in _environ(pid).split(b"\0")]


def _processes() -> list[int]:
    proc = Path("/proc")
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()] if proc.is_dir() else []


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # gone, or another user's
        return b""
