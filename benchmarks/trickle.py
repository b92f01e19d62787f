"""Health while many senders trickle: ``python -m benchmarks.trickle [--connections 1000]``.

Half of the connections send headers byte by byte, half a body. Another process asks for
``/healthz``. Exits with status 1 if the 99th percentile of its answers is 250 ms or more.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from scanner.background import background_thread
from tests.intake.processes import WebProcess

HEAD = b"PUT /v1/streams/slow/segments/0 HTTP/1.1\r\nHost: localhost\r\n"
GOAL = 0.25
ASK = """
import http.client, sys, time
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
connection = http.client.HTTPConnection(host, port, timeout=60)
delays = []
for _ in range(count):
    begun = time.monotonic()
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    delays.append(time.monotonic() - begun)
    time.sleep(0.02)
delays.sort()
print(*(delays[round(share * (count - 1))] for share in (0.5, 0.99, 1.0)))
"""


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=500)
    given = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder, WebProcess(Path(folder)) as web:
        web.wait_until_ready()
        alone = _ask(web.url, given.requests)
        with _trickling(web.url, given.connections):
            median, slow, slowest = _ask(web.url, given.requests)
        print(f"alone: p50 {1000 * alone[0]:.0f} ms, p99 {1000 * alone[1]:.0f} ms")
    print(
        f"{given.connections} connections: p50 {1000 * median:.0f} ms, p99 {1000 * slow:.0f} ms,"
        f" slowest {1000 * slowest:.0f} ms of {given.requests}; goal < {1000 * GOAL:.0f} ms"
    )
    return int(slow >= GOAL)


def _ask(url: str, count: int) -> Sequence[float]:
    address = urlsplit(url)
    words = [sys.executable, "-c", ASK, str(address.hostname), str(address.port), str(count)]
    answer = subprocess.run(words, capture_output=True, text=True, check=True)
    return [float(word) for word in answer.stdout.split()]


@contextmanager
def _trickling(url: str, count: int) -> Iterator[None]:
    """Keep connections open that send one byte each half second."""
    address = urlsplit(url)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((address.hostname, address.port)))
            for _ in range(count)
        ]
        for number, connection in enumerate(connections):
            connection.sendall(HEAD if number % 2 else HEAD + b"Content-Length: 99999\r\n\r\n")

        def trickle(over: threading.Event) -> None:
            while not over.wait(0.5):
                for connection in connections:
                    with suppress(OSError):
                        connection.send(b"X")

        with background_thread(trickle, name="trickle"):
            yield


if __name__ == "__main__":
    sys.exit(main())
