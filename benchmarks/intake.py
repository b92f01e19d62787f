"""The cost of a durable PUT: processor time against a bare uvicorn, and segments a second against
one flush each.

Both servers run as processes of their own on loopback, and get the same bytes in turns. The bare
one computes SHA-256 and flushes each file; it has no journal.

With ``--flush-delay-ms`` every flush of all of them takes longer, as on a slower disk: strace
delays the return of the system calls. That is a simulation, and processor time means nothing then.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from scanner.store.database import open_journal

__all__ = ["main"]

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class ServerUnderLoad:
    """A server in a process of its own."""

    pid: int
    port: int

    @property
    def cpu_seconds(self) -> float:
        """Processor time so far, of all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def wait_until_ready(self) -> None:
        """Send a first request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        connection.close()


@dataclass(frozen=True, kw_only=True)
class FlushDelay:
    """A delay of every flush of a process, simulated by strace."""

    milliseconds: int

    @property
    def tracer(self) -> list[str]:
        """The words before a command whose flushes are delayed; none without a delay."""
        if self.milliseconds == 0:
            return []
        calls = "fsync,fdatasync,syncfs"
        inject = f"inject={calls}:delay_exit={1000 * self.milliseconds}"
        quiet = ["-qq", "-o", os.devnull]
        return ["strace", "-f", "--seccomp-bpf", *quiet, "-e", f"trace={calls}", "-e", inject]


@contextmanager
def started(*command: str, delay: FlushDelay) -> Iterator[ServerUnderLoad]:
    """Run a module as a server on a socket that it inherits."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        listener.set_inheritable(True)
        words = [sys.executable, "-m", command[0], "--fd", str(listener.fileno()), *command[1:]]
        process = psutil.Popen(
            [*delay.tracer, *words], pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL
        )
        server = ServerUnderLoad(pid=process.pid, port=listener.getsockname()[1])
    try:
        server.wait_until_ready()
        yield server
    finally:
        (traced,) = process.children() if delay.tracer else (process,)
        traced.terminate()
        process.wait(60)


class Load:
    """Streams of segments, each stream over a connection of its own."""

    def __init__(self, server: ServerUnderLoad, body: bytes, *, clients: int) -> None:
        self._server = server
        self._body = body
        self._clients = clients
        self._sent = 0

    def put(self, count: int) -> tuple[float, float]:
        """Put ``count`` segments; return processor seconds of the server and wall seconds, each."""
        each = count // self._clients
        cpu, begun = self._server.cpu_seconds, time.monotonic()
        threads = [
            threading.Thread(target=self._put_stream, args=(number, each))
            for number in range(self._clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._sent += each
        done = each * self._clients
        return (self._server.cpu_seconds - cpu) / done, (time.monotonic() - begun) / done

    def _put_stream(self, number: int, count: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        for sequence in range(self._sent, self._sent + count):
            path = f"/v1/streams/stream-{number}/segments/{sequence}?duration=4"
            connection.request("PUT", path, self._body)
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.client.ACCEPTED:
                raise RuntimeError(f"segment was answered {answer.status}")
        connection.close()


def one_flush_each(delay: FlushDelay, folder: Path, body: bytes, count: int) -> float:
    """Return the wall seconds of storing a segment with a flush of file, folder and row each."""
    folder.mkdir()
    words = ["benchmarks.one_flush", str(folder), str(len(body)), str(count)]
    command = [*delay.tracer, sys.executable, "-m", *words]
    seconds = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    shutil.rmtree(folder)
    return float(seconds)


@dataclass(frozen=True, kw_only=True)
class IntakeFigures:
    """Seconds of each round: processor time of a PUT by server, wall time by way to store."""

    cpu: dict[str, list[float]]
    """Empty where it means nothing."""
    wall: dict[str, list[float]]

    def print_all(self) -> bool:
        """Print medians and goals; return whether the goals are met."""
        for name, costs in self.wall.items():
            cpu = f"{1000 * median(self.cpu[name]):6.2f} CPU ms a PUT" if name in self.cpu else ""
            print(f"  {name:6} {1 / median(costs):6.0f} segments a second {cpu}")
        met = _check(
            "seconds a segment, web / one flush each", self.wall["web"], self.wall["naive"], 0.25
        )
        if self.cpu:
            met &= _check("processor time, web / bare", self.cpu["web"], self.cpu["bare"], 1.5)
        return met


def _check(name: str, mine: Sequence[float], theirs: Sequence[float], most: float) -> bool:
    """Print the median ratio of all rounds, and return whether it is at most ``most``."""
    ratios = sorted(one / other for one, other in zip(mine, theirs, strict=True))
    met = median(ratios) <= most
    spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
    word = "met" if met else "MISSED"
    print(f"{name}: {median(ratios):.2f} ({spread}), goal <= {most:g}: {word}")
    return met


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures and goals; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=500_000, help="size of a segment")
    parser.add_argument("--clients", type=int, default=32, help="streams at once")
    parser.add_argument("--count", type=int, default=320, help="segments of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--flush-delay-ms", type=int, default=0, help="simulate a disk whose flushes take longer"
    )
    arguments = parser.parse_args(argv)
    delay = FlushDelay(milliseconds=arguments.flush_delay_ms)
    body = (b"\x47" + os.urandom(187)) * (arguments.bytes // 188)
    slower = f", every flush {delay.milliseconds} ms longer (simulated)" if delay.tracer else ""
    print(f"{len(body)} bytes, {arguments.clients} clients{slower}")
    with tempfile.TemporaryDirectory() as folder:
        figures = _measure(
            Path(folder),
            body,
            delay,
            clients=arguments.clients,
            count=arguments.count,
            rounds=arguments.rounds,
        )
    return 0 if figures.print_all() else 1


def _measure(
    folder: Path, body: bytes, delay: FlushDelay, *, clients: int, count: int, rounds: int
) -> IntakeFigures:
    """Put the same segments to both servers, in turns."""
    servers = ("web", "bare")
    figures = IntakeFigures(
        cpu={} if delay.tracer else {name: [] for name in servers},
        wall={name: [] for name in (*servers, "naive")},
    )
    open_journal(folder / "data", create=True).close()
    (folder / "bare").mkdir()
    config = folder / "service.toml"
    config.write_text(
        f'[service]\ndata = "{folder / "data"}"\n[service.quota]\nbacklog_seconds = 1e6\n'
    )
    with (
        started("scanner.intake.server", "--config", str(config), delay=delay) as web,
        started("benchmarks.bare_put", str(folder / "bare"), delay=delay) as bare,
    ):
        loads = {
            "web": Load(web, body, clients=clients),
            "bare": Load(bare, body, clients=clients),
        }
        for load in loads.values():
            load.put(2 * clients)
        for _ in range(rounds):
            for name, load in loads.items():
                cpu, wall = load.put(count)
                figures.wall[name].append(wall)
                if figures.cpu:
                    figures.cpu[name].append(cpu)
            naive = one_flush_each(delay, folder / "naive", body, max(20, count // 8))
            figures.wall["naive"].append(naive)
            _empty(folder)
    return figures


def _empty(folder: Path) -> None:
    """Remove what was stored, so that the disk does not fill up."""
    for path in (folder / "bare").iterdir():
        path.unlink()
    shutil.rmtree(folder / "data" / "objects" / "segments", ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
