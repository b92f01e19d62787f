"""Ray, started quietly: on loopback only, with a token, in a folder of its own, and gone without a
trace.

``import ray`` stands inside functions, here and in ``actors``: much of its environment is read when
it is imported.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.errors import SetupError
from workers.traces import MARK, end_marked, private_folder, sweep

__all__ = ["ClusterSettings", "cluster"]

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # or it prints the deaths of workers to stdout, into our data
}
"""For Ray's environment: no telemetry, and nothing printed by itself."""
LOOPBACK = {
    # despite its name, what binds every listener to 127.0.0.1
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_worker_niceness": "0",  # Ray's default is +15, at which decoders starve
}
"""The same for a cluster of our own: nobody else reaches it."""
ATTEMPTS = 2
"""Ray gives its processes a fixed 30 s to start, which a busy machine may miss once."""

KNOCK_SECONDS = 5.0
"""For a cluster to accept a connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Which Ray to use."""

    cpus: int
    """Decode actors that the local cluster has room for."""
    gpus: int = 0
    object_store_bytes: int = 384 << 20
    """Shared memory at most, taken as it fills: what may be in flight of segments in memory, and
    arrays for an inference actor."""
    address: str | None = None
    """An existing cluster (``auto``, or host:port), which has these packages installed; None starts
    one here."""


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
    sweep()
    with private_folder() as folder, _environment(QUIET | LOOPBACK | _token(folder)):
        try:
            _start(settings, folder)
            yield
        finally:
            _stop(folder)


def _start(settings: ClusterSettings, folder: Path) -> None:
    import ray

    for attempt in range(1, ATTEMPTS + 1):
        try:
            with (
                _environment({MARK: str(folder), "PYTHONPATH": _path()}),
                _stderr_to(folder / "start.log"),
                _same_sigterm(),
            ):
                ray.init(
                    num_cpus=settings.cpus,
                    num_gpus=settings.gpus,
                    object_store_memory=settings.object_store_bytes,
                    _temp_dir=str(
                        folder / "ray"
                    ),  # made open to all by Ray, so it lies inside ours
                    **_SILENT,
                )
        except (
            Exception
        ) as why:  # a dozen classes of Ray and gRPC, and what its processes wrote as they died
            _stop(folder)
            if attempt == ATTEMPTS:
                raise SetupError(
                    f"Ray did not start on this machine ({why}); scan without --workers does not need it"
                ) from why
        else:
            return


_SILENT: Mapping[str, Any] = {
    "include_dashboard": False,
    "log_to_driver": False,
    "configure_logging": False,
}


def _stop(folder: Path) -> None:
    import ray

    with _stderr_to(folder / "stop.log"):
        ray.shutdown()
    end_marked(folder)


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
    except Exception as why:  # as above: nothing narrower holds them all
        raise SetupError(f"no Ray cluster answers at {address}: {why}") from why
    try:
        yield
    finally:
        ray.shutdown()


def _path() -> str:
    """Workers import what this process can, whatever their folder; a ``runtime_env`` would cost an
    agent and seconds."""
    return os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)


def _token(folder: Path) -> dict[str, str]:
    path = folder / "token"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    return {"RAY_AUTH_TOKEN_PATH": str(path)}


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
