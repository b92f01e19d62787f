"""A private Ray: on loopback only, with a token, in a folder of its own, without output, and
removed at the end.

``ray`` is imported inside functions, here and in ``actors``, because it reads much of its
environment at import.
"""

from __future__ import annotations

import atexit
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.errors import SetupError
from workers.heartbeat import ClusterWatch
from workers.leftovers import (
    CLUSTER_VARIABLE,
    end_processes,
    private_folder,
    processes_named,
    remove_leftovers,
)

__all__ = ["ClusterSettings", "cluster"]

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # otherwise deaths of workers are printed to stdout
    "RAY_ENABLE_AUTO_CONNECT": "0",  # otherwise a call after the end starts another, open cluster
    # Ray's default is 60 s without its control process, and then it ends this process
    "RAY_gcs_rpc_server_reconnect_timeout_s": "86400",
}
"""Environment of Ray: no telemetry, no output of its own, no start that was not asked
for, and it ends no process but its own."""
WATCHED = frozenset({"gcs_server", "raylet"})
"""Processes without which the local cluster cannot continue."""
LOOPBACK = {
    # despite its name, this binds every listener to 127.0.0.1
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_worker_niceness": "0",  # Ray's default is +15, at which decoders starve
}
"""Environment of a cluster that this process starts: it is reachable by this user only."""
ATTEMPTS = 2
"""Attempts to start Ray: its processes have a fixed 30 s, which a busy machine may exceed."""
STOP_SECONDS = 15.0
"""Longest wait for Ray to disconnect, which takes 5 s where a process of it has failed."""
CONNECT_SECONDS = 5.0
"""Timeout for a connection to an existing cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """The Ray to use."""

    cpus: int
    """Decode actors for which the local cluster has capacity."""
    gpus: int = 0
    """GPUs of the local cluster."""
    object_store_bytes: int = 384 << 20
    """Most shared memory, allocated as it fills: for segments in flight that are in memory, and for
    arrays on their way to an inference actor."""
    address: str | None = None
    """Address of an existing cluster that has these packages (``auto`` or host:port); None starts
    one on this machine."""


@contextmanager
def cluster(settings: ClusterSettings) -> Iterator[ClusterWatch]:
    """Connect this process to Ray, and start it if no address is given; give the watch that tells
    when it cannot continue.

    A process has at most one connection.

    Raises:
        SetupError: Ray cannot be reached or did not start.
    """
    if settings.address is not None:
        _check_reachable(settings.address)
        with _environment(QUIET), _connect(settings.address), ClusterWatch({}, _ask) as watch:
            yield watch
        return
    remove_leftovers()
    with private_folder() as folder, _environment(QUIET | LOOPBACK | _token(folder)):
        try:
            _start(settings, folder)
            with ClusterWatch(processes_named(folder, WATCHED), _ask) as watch:
                # The others would wait for the one that failed, and this process for them
                watch.add_callback(lambda _: end_processes(folder))
                yield watch
        finally:
            _stop(folder)


def _start(settings: ClusterSettings, folder: Path) -> None:
    import ray

    for attempt in range(1, ATTEMPTS + 1):
        try:
            with (
                _environment({CLUSTER_VARIABLE: str(folder), "PYTHONPATH": _import_path()}),
                _stderr_to(folder / "start.log"),
                _keep_sigterm_handler(),
            ):
                ray.init(
                    num_cpus=settings.cpus,
                    num_gpus=settings.gpus,
                    object_store_memory=settings.object_store_bytes,
                    # Ray makes this folder readable by all users, so it lies in a private one.
                    _temp_dir=str(folder / "ray"),
                    **_SILENT,
                )
        except Exception as error:  # Ray and gRPC raise a dozen classes without a common base
            _stop(folder)
            if attempt == ATTEMPTS:
                raise SetupError(
                    f"Ray did not start on this machine ({error});"
                    " scan without --workers does not need it"
                ) from error
        else:
            return


_SILENT: Mapping[str, Any] = {
    "include_dashboard": False,
    "log_to_driver": False,
    "configure_logging": False,
}


def _ask() -> None:
    """Ask the control process of Ray something, which it answers in milliseconds."""
    import ray

    nodes: Callable[[], object] = ray.nodes
    nodes()


def _stop(folder: Path) -> None:
    """Disconnect from Ray, and end its processes, whether or not it answers."""
    import ray

    with _stderr_to(folder / "stop.log"):
        thread = threading.Thread(target=ray.shutdown, name="streamwarden-ray-stop", daemon=True)
        thread.start()
        thread.join(STOP_SECONDS)
    if thread.is_alive():
        atexit.unregister(ray.shutdown)
    end_processes(folder)


def _check_reachable(address: str) -> None:
    """Check that something listens at the address; Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():  # ``auto``: Ray finds the cluster at once or not at all
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or error
        raise SetupError(f"no Ray cluster answers at {address}: {reason}") from error


@contextmanager
def _connect(address: str) -> Iterator[None]:
    import ray

    try:
        with _keep_sigterm_handler():
            ray.init(address=address, log_to_driver=False, configure_logging=False)
    except Exception as error:  # as above
        raise SetupError(f"no Ray cluster answers at {address}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _import_path() -> str:
    """Return this process's import path for the workers, whose working directory differs.

    A ``runtime_env`` would need another process and several seconds.
    """
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
    """Redirect the descriptor of standard error: Ray's programs inherit it and write to it."""
    original = os.dup(2)
    with open(path, "ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)


@contextmanager
def _keep_sigterm_handler() -> Iterator[None]:
    """Restore the handler of SIGTERM, which Ray replaces."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
