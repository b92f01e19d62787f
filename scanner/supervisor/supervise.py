"""The supervisor of ``streamwarden serve``: it holds the listening socket and its processes.

    supervisor    this module; no Ray, no threads; adopts the orphans of its processes
     |- web       answers requests on the socket, which survives its restarts
     |- driver    scores what is pending, with Ray below it
     `- delivery  clips, webhooks, retention

Each process ends when the supervisor does, by its signal of the parent's death. What a killed
driver leaves of Ray is found by a mark in the environment.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextlib import closing as ending
from pathlib import Path
from typing import Final

import structlog

from scanner.console.links import admin_link
from scanner.errors import SetupError
from scanner.liveness import VARIABLE, LivenessBoard
from scanner.settings.sections import Settings
from scanner.settings.service import ServiceSettings
from scanner.store.database import lock_folder, open_journal
from scanner.supervisor.followed import FollowedSources
from scanner.supervisor.health import HealthCheck
from scanner.supervisor.listening import notify_manager, open_listener
from scanner.supervisor.marked import end_marked
from scanner.supervisor.plan import ProcessPlan, after_end, after_start, is_due
from scanner.supervisor.process import ServiceProcess
from scanner.supervisor.reach import check_reach, reach_variables

__all__ = ["MARK", "Supervisor", "first_link", "open_service"]

log = structlog.get_logger(__name__)

MARK: Final = "STREAMWARDEN_SERVICE_PROCESS"
"""Environment variable of each process and its descendants: data folder and name."""
TICK_SECONDS: Final = 0.1
DRAIN_SECONDS: Final = 30.0
"""Longest wait for a process to finish what it has in hand."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


class Supervisor:
    """Starts, watches and restarts processes until ``stop``; then drains them in their order."""

    def __init__(
        self,
        processes: Sequence[ServiceProcess],
        *,
        service: str,
        listener: socket.socket,
        environment: dict[str, str],
        health: HealthCheck,
        liveness: LivenessBoard | None = None,
        check: Sequence[str] = (),
        further: Callable[[], Sequence[ServiceProcess]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``liveness`` is where processes report, ``check`` the command that says by
        its status whether the settings are valid, ``further`` returns processes that come and
        go."""
        self._processes = {one.name: one for one in processes}
        self._service = service
        self._listener = listener
        self._environment = environment
        self._health = health
        self._liveness = liveness or LivenessBoard(())
        self._further = further
        self._clock = clock
        self._plans = {one.name: ProcessPlan(name=one.name) for one in processes}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._check = check
        self._checking: subprocess.Popen[bytes] | None = None
        self._to_restart: list[str] = []
        self._restart_deadline = 0.0
        self._stopping = False
        self._reload_wanted = False

    def reload(self) -> None:
        """Ask ``run`` to check the settings and, if they are valid, to restart all processes one
        after the other; safe in a signal handler."""
        self._reload_wanted = True

    def stop(self) -> None:
        """Ask ``run`` to drain and return; safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Keep all processes running until ``stop``, then end them."""
        _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            while not self._stopping:
                self._reap()
                self._follow_reload()
                self._follow_wanted()
                self._start_due()
                self._end_silent()
                time.sleep(TICK_SECONDS)
        finally:
            self._drain()

    def _follow_wanted(self) -> None:
        """Plan the processes that are wanted now, and end those that are wanted no more."""
        wanted = {one.name: one for one in self._further()}
        for name, process in wanted.items():
            if name not in self._plans:
                self._processes[name] = process
                self._plans[name] = ProcessPlan(name=name)
        gone = [n for n, one in self._processes.items() if not one.is_watched and n not in wanted]
        for name in gone:
            if name in self._running:
                self._running[name].terminate()
                continue
            del self._processes[name], self._plans[name]

    def _start_due(self) -> None:
        now = self._clock()
        for name, plan in self._plans.items():
            if is_due(plan, now):
                self._plans[name] = after_start(plan, now)
                self._running[name] = self._start(self._processes[name])
                if self._processes[name].is_watched:
                    self._health.began(name, now)

    def _start(self, process: ServiceProcess) -> subprocess.Popen[bytes]:
        environment = {**self._environment, MARK: self._mark(process.name)}
        passed = [self._listener.fileno()] if process.is_watched else []
        if (reports := self._liveness.descriptor(process.name)) is not None:
            environment[VARIABLE] = str(reports)
            passed.append(reports)
        running = subprocess.Popen(
            [sys.executable, "-m", process.module, *process.arguments],
            stdin=subprocess.DEVNULL,
            env=environment,
            pass_fds=passed,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
        )
        log.info("process started", name=process.name, pid=running.pid)
        return running

    def _reap(self) -> None:
        """Note which processes ended, and collect the orphans that this process has adopted."""
        for name, process in [*self._running.items()]:
            if process.poll() is not None:
                self._note_end(name, process.returncode)
        known = {process.pid for process in self._running.values()}
        if self._checking is not None:
            known.add(self._checking.pid)
        _reap_orphans(known)

    def _follow_reload(self) -> None:
        """Take the next step of a reload: check the settings, then restart process after process.

        The last one to restart is web: connections wait for it.
        """
        if self._reload_wanted and self._checking is None and not self._to_restart:
            self._reload_wanted = False
            self._checking = subprocess.Popen(
                self._check, stdin=subprocess.DEVNULL, env=self._environment
            )
        if self._checking is not None and (status := self._checking.poll()) is not None:
            self._checking = None
            if status:
                log.error("settings are not valid, nothing is reloaded", status=status)
            else:
                log.info("settings are reloaded")
                self._to_restart = [n for n, one in self._processes.items() if one.is_watched]
                for name in self._running.keys() - {*self._to_restart}:
                    self._running[name].terminate()
                self._restart_next()
        elif self._to_restart and self._clock() > self._restart_deadline:
            log.warning("process did not drain", name=self._to_restart[-1])
            self._running[self._to_restart[-1]].kill()

    def _restart_next(self) -> None:
        while self._to_restart and self._to_restart[-1] not in self._running:
            self._to_restart.pop()  # it waits to be started, with the new settings
        if self._to_restart:
            self._restart_deadline = self._clock() + DRAIN_SECONDS
            self._running[self._to_restart[-1]].terminate()

    def _note_end(self, name: str, status: int) -> None:
        del self._running[name]
        if self._to_restart and name == self._to_restart[-1]:
            self._to_restart.pop()
            self._plans[name] = ProcessPlan(name=name)
            end_marked(MARK, self._mark(name))
            log.info("process restarts", name=name, status=status)
            self._restart_next()
            return
        self._plans[name] = after_end(self._plans[name], self._clock())
        left = end_marked(MARK, self._mark(name))
        log.warning(
            "process ended",
            name=name,
            status=status,
            left=left,
            failures=self._plans[name].failures,
        )

    def _end_silent(self) -> None:
        for name in self._health.silent_processes(self._clock()):
            process = self._running.get(name)
            if process is not None:
                log.warning("process silent", name=name, pid=process.pid)
                process.kill()

    def _drain(self) -> None:
        """End the processes one after the other, so that what one has accepted, the next finds."""
        if self._checking is not None:
            self._checking.kill()
            self._checking.wait()
        for name in sorted(self._processes, key=lambda name: self._processes[name].is_watched):
            process = self._running.get(name)
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(DRAIN_SECONDS)
            except subprocess.TimeoutExpired:
                log.warning("process did not drain", name=name, pid=process.pid)
                process.kill()
                process.wait()
            end_marked(MARK, self._mark(name))
        self._running.clear()

    def _mark(self, name: str) -> str:
        return f"{self._service}/{name}"


@contextmanager
def open_service(settings: Settings, config: Path | None) -> Iterator[tuple[Supervisor, str]]:
    """Prepare the data folder and the listening socket; yield the supervisor and its address.

    Raises:
        SetupError: the folder is in use by another service, the journal cannot be opened, the
            address cannot be listened on, or it is reachable from other machines in the clear.
    """
    service = settings.service
    data = service.data.absolute()
    manager = os.environ.pop("NOTIFY_SOCKET", None)
    with ExitStack() as closing:
        _make_folder(data)
        closing.enter_context(lock_folder(data))
        listener = closing.enter_context(open_listener(service.host, service.port, os.environ))
        host, port = listener.getsockname()[:2]
        check_reach(host, service)
        _prepare_journal(data)
        mark = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        for name in PROCESS_NAMES:
            end_marked(MARK, f"{mark}/{name}")
        common = () if config is None else ("--config", str(config.absolute()))
        scheme = "http" if service.tls_cert is None else "https"
        address = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        liveness = closing.enter_context(ending(LivenessBoard(("driver", "delivery"))))
        supervisor = Supervisor(
            _processes(listener.fileno(), common),
            service=mark,
            listener=listener,
            environment=_environment(service, data),
            health=HealthCheck((host, port), liveness.latest, is_tls=service.tls_cert is not None),
            liveness=liveness,
            check=(sys.executable, "-m", "workers.cli", "config", "check", *common),
            further=FollowedSources(data, common).wanted,
        )
        notify_manager("READY=1", manager)
        yield supervisor, address


def _environment(service: ServiceSettings, data: Path) -> dict[str, str]:
    """Return the environment of all processes."""
    return {
        **os.environ,
        "STREAMWARDEN_SERVICE__DATA": str(data),
        "STREAMWARDEN_SERVICE__WORKERS": str(service.workers),
        **reach_variables(service),
    }


def first_link(settings: Settings, address: str) -> str | None:
    """Return a one-use link that creates the administrator, or None if there is a user."""
    journal = open_journal(settings.service.data)
    try:
        return admin_link(journal, settings.service.public_url or address)
    finally:
        journal.close()


PROCESS_NAMES: Final = ("web", "driver", "delivery")


def _processes(descriptor: int, common: tuple[str, ...]) -> tuple[ServiceProcess, ...]:
    web = ("--fd", str(descriptor), *common)
    return (
        ServiceProcess(name="web", module="scanner.console.server", arguments=web),
        ServiceProcess(name="driver", module="workers.driver", arguments=common),
        ServiceProcess(name="delivery", module="scanner.delivery.server", arguments=common),
    )


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"{data}: cannot be made: {error.strerror}; name another folder with --data"
        ) from error


def _prepare_journal(data: Path) -> None:
    """Create or upgrade the journal."""
    open_journal(data, create=True).close()


def _reap_orphans(known: set[int]) -> None:
    """Collect children that ended and are not of this program: orphans that it has adopted."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in known:
            return
        os.waitpid(found.si_pid, 0)


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the supervisor ends, however it does."""
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
