"""The live service as an operator starts it, and a sender that retries."""

from __future__ import annotations

import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil
from pysqlite3 import dbapi2 as sqlite

from scanner.supervisor.supervise import MARK
from tests.processes import parent_of, processes_below
from tests.whole.facts import finished_streams, heartbeats, read_facts
from tests.whole.program import WITHOUT_MODELS, environment

__all__ = ["RunningService", "Sender", "is_settled", "random_victim", "running_service"]

READY_SECONDS = 90.0
RAY_PROGRAMS = {"gcs_server": "gcs", "raylet": "raylet", "ray::_RemoteDecode": "actor"}
"""Programs of Ray that are parts of their own, by the beginning of their names."""
PART_MODULES = {
    "web": "scanner.console.server",
    "driver": "workers.driver",
    "delivery": "scanner.delivery.server",
}
CHILD_MODULE = "scanner.sandbox"
"""The module that sandboxed processes and the process that they are copied from run."""
SETTLE_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class RunningService:
    """A service that runs; ``kill`` ends one of its processes as the kernel would."""

    process: subprocess.Popen[bytes]
    address: str
    data: Path
    log: Path

    def processes(self) -> dict[int, str]:
        """Return all processes below the supervisor with the name of their part."""
        found: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                marked = dict(
                    pair.split(b"=", 1)
                    for pair in (entry / "environ").read_bytes().split(b"\0")
                    if b"=" in pair
                )
                value = marked.get(MARK.encode())
                if value is not None and self._is_ours(int(entry.name)):
                    found[int(entry.name)] = value.decode().rpartition("/")[2]
        return found

    def _is_ours(self, pid: int) -> bool:
        folder = f"STREAMWARDEN_SERVICE__DATA={self.data}".encode()
        return folder in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")

    def victims(self) -> dict[int, str]:
        """Return all processes below the supervisor; those of the sandbox and of Ray are parts of
        their own, ``ray`` those of its processes that have no name here."""
        found = self.processes()
        for child, command in processes_below(self.process.pid).items():
            program = Path(command[0]).name
            if found.get(child.pid) == "driver" and "workers.driver" not in command:
                found[child.pid] = "ray"
            if CHILD_MODULE in command:
                found[child.pid] = "child"
            for beginning, name in RAY_PROGRAMS.items():
                if program.startswith(beginning):
                    found[child.pid] = name
        return found

    def main_process(self, part: str) -> int | None:
        """Return the process that the supervisor started for a part, or None while none runs."""
        module = PART_MODULES[part]
        for child, command in processes_below(self.process.pid).items():
            if module in command and parent_of(child) == self.process.pid:
                return int(child.pid)
        return None

    def kill(self, choose: Callable[[Sequence[tuple[int, str]]], tuple[int, str]]) -> str | None:
        """Kill one process; return its part, or None if there was none."""
        listed = sorted(self.victims().items())
        if not listed:
            return None
        pid, name = choose(listed)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return name

    def kill_all(self) -> None:
        """Kill the supervisor and everything below it."""
        below = list(processes_below(self.process.pid))
        self.process.kill()
        for child in below:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        while self.kill(lambda listed: listed[0]):
            pass

    def kill_program(self, beginning: str, number: int = signal.SIGKILL) -> bool:
        """Send a signal to a process below the supervisor whose name begins so; return whether
        there was one.

        Ray renames its workers, which overwrites the environment that they show.
        """
        for child, command in processes_below(self.process.pid).items():
            if Path(command[0]).name.startswith(beginning):
                with suppress(psutil.NoSuchProcess):
                    child.send_signal(number)
                    return True
        return False

    def wait_for(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until ``done``; a service that ended or takes too long fails the test."""
        deadline = time.monotonic() + seconds
        while not done():
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, f"{what}: {self.log.read_text()[-4000:]}"
            time.sleep(0.1)

    def is_ready(self) -> bool:
        """Return whether every part of the service works."""
        with suppress(httpx.HTTPError, sqlite.Error):
            answers = httpx.get(f"{self.address}/healthz", timeout=5).status_code == 200
            return answers and {"driver", "delivery"} <= heartbeats(self.data)
        return False


@contextmanager
def running_service(
    data: Path,
    *,
    workers: int = 0,
    extra: Mapping[str, str] | None = None,
    program: str = "workers.cli",
) -> Iterator[RunningService]:
    """Start the service on a free port, and stop it with SIGTERM at the end.

    ``program`` is the module that runs, with the command line of the console script.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data.mkdir(parents=True, exist_ok=True)
    log = data.parent / f"{data.name}.log"
    command = [sys.executable, "-m", program, "serve", "--data", str(data)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--workers", str(workers)],
            stdout=output,
            stderr=output,
            env=environment({**WITHOUT_MODELS, **(extra or {})}),
        )
    service = RunningService(
        process=process, address=f"http://127.0.0.1:{port}", data=data, log=log
    )
    try:
        yield service
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()


@dataclass
class Sender:
    """Puts segments until they are acknowledged, whatever happens meanwhile."""

    service: RunningService
    acknowledged: set[tuple[str, int]] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set by a test that kills the whole service: what is not acknowledged is then given up."""

    def send(
        self,
        stream: str,
        segments: Sequence[Path],
        *,
        pause: float = 0.0,
        order: Sequence[int] | None = None,
    ) -> None:
        """Put the segments of a stream, all or those of ``order``, then its end."""
        with httpx.Client(base_url=self.service.address, timeout=20) as client:
            for sequence in range(len(segments)) if order is None else order:
                url = f"/v1/streams/{stream}/segments/{sequence}"
                body = segments[sequence].read_bytes()
                if not self._until_accepted(partial(client.put, url, content=body)):
                    return
                self.acknowledged.add((stream, sequence))
                self.stopped.wait(pause)
            end = {"last_sequence": len(segments) - 1}
            self._until_accepted(partial(client.post, f"/v1/streams/{stream}/end", json=end))

    def send_all(
        self,
        streams: Mapping[str, Sequence[Path]],
        *,
        pause: float = 0.0,
        orders: Mapping[str, Sequence[int]] | None = None,
    ) -> list[threading.Thread]:
        """Send several streams side by side; return the threads."""
        threads = [
            threading.Thread(
                target=self.send,
                args=(name, paths),
                kwargs={"pause": pause, "order": (orders or {}).get(name)},
            )
            for name, paths in streams.items()
        ]
        for thread in threads:
            thread.start()
        return threads

    @contextmanager
    def sending_in_turn(
        self, scenes: Mapping[str, Sequence[Path]], *, pause: float
    ) -> Iterator[dict[str, Sequence[Path]]]:
        """Send each scene as one stream after the other while the context lasts, and finish the
        streams that were begun; yield the segments of each stream by its name."""
        over, sent = threading.Event(), dict[str, Sequence[Path]]()

        def send(scene: str, paths: Sequence[Path]) -> None:
            for number in itertools.count():
                if over.is_set():
                    return
                sent[f"{scene}-{number}"] = paths
                self.send(f"{scene}-{number}", paths, pause=pause)

        threads = [threading.Thread(target=send, args=one) for one in scenes.items()]
        for thread in threads:
            thread.start()
        try:
            yield sent
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _until_accepted(self, request: Callable[[], httpx.Response]) -> bool:
        """Send a request until it is acknowledged; return False if that was given up."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and not self.stopped.is_set():
            with suppress(httpx.HTTPError):
                answer = request()
                if answer.status_code in (200, 202):
                    return True
                self.refusals.append(f"{answer.status_code} {answer.text[:200]}")
                if answer.status_code < 500 and answer.status_code != 429:
                    raise AssertionError(self.refusals[-1])
            self.stopped.wait(0.1)
        if self.stopped.is_set():
            return False
        raise AssertionError(f"not acknowledged in time: {self.refusals[-3:]}")


def is_settled(service: RunningService, streams: Iterable[str]) -> bool:
    """Return whether all of these streams are finished, and their evidence is cut."""
    if not set(streams) <= finished_streams(service.data):
        return False
    facts = read_facts(service.data)
    opened = {incident for incident, _ in facts.revisions}
    cut = {incident for incident, _, status, _ in facts.evidence if status == "cut"}
    due = [one for one in facts.evidence if one[2] == "due"]
    return not due and opened <= cut


def random_victim(seed: int) -> Callable[[Sequence[tuple[int, str]]], tuple[int, str]]:
    """Return a choice of processes to kill, each part of the service as likely as the others."""
    dice = random.Random(seed)

    def choose(listed: Sequence[tuple[int, str]]) -> tuple[int, str]:
        part = dice.choice(sorted({name for _, name in listed}))
        return dice.choice([one for one in listed if one[1] == part])

    return choose
