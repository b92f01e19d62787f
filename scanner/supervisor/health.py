"""Whether the processes of the service are well: web answers, the others report liveness."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

__all__ = ["HealthCheck"]

CHECK_SECONDS: Final = 5.0
"""Seconds between two checks."""
START_SECONDS: Final = 90.0
"""Seconds that a process may take until it is well for the first time: Ray starts within them."""
LONGEST_START_SECONDS: Final = 720.0
"""The same after several starts that took too long: a machine may be that busy."""
SILENT_SECONDS: Final = 30.0
"""Seconds without a liveness report after which a process is ended."""
ANSWER_SECONDS: Final = 3.0
"""Longest wait for an answer of web."""
REQUEST: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class HealthCheck:
    """Remembers when each process last showed that it is well; times are monotonic seconds."""

    def __init__(
        self,
        address: tuple[str, int],
        reports: Callable[[], Mapping[str, int]],
        *,
        is_tls: bool = False,
    ) -> None:
        """``address`` is that of web; ``reports`` returns the latest liveness report of each of the
        others, of which only changes count."""
        self._address = address
        self._latest_reports = reports
        self._tls = _own_context() if is_tls else None
        self._began: dict[str, float] = {}
        self._start_seconds: dict[str, float] = {}
        """Seconds for the next start of a process whose latest one took too long."""
        self._well: dict[str, float] = {}
        self._seen: dict[str, int] = {}
        self._checked = 0.0

    def began(self, name: str, now: float) -> None:
        """Note that a process has just started; one that was not well in time gets twice the time.

        On a machine that is too busy for the usual time it would otherwise never start.
        """
        if name in self._well:
            self._start_seconds.pop(name, None)
        elif name in self._began and self._is_silent(name, now):
            longer = min(2 * self._start_time(name), LONGEST_START_SECONDS)
            self._start_seconds[name] = longer
        self._began[name] = now
        self._well.pop(name, None)
        self._seen |= self._latest_reports()  # reports of its predecessor do not count

    def silent_processes(self, now: float) -> tuple[str, ...]:
        """Return the processes without a liveness report for too long; checks now and then."""
        if now - self._checked < CHECK_SECONDS:
            return ()
        self._checked = now
        for name in self._alive():
            self._well[name] = now
        return tuple(name for name in self._began if self._is_silent(name, now))

    def _is_silent(self, name: str, now: float) -> bool:
        well = self._well.get(name)
        if well is None:
            return now - self._began[name] > self._start_time(name)
        return now - well > SILENT_SECONDS

    def _start_time(self, name: str) -> float:
        return self._start_seconds.get(name, START_SECONDS)

    def _alive(self) -> Iterator[str]:
        if "web" in self._began and self._web_answers():
            yield "web"
        for name, report in self._latest_reports().items():
            if self._seen.get(name) != report:
                self._seen[name] = report
                yield name

    def _web_answers(self) -> bool:
        with (
            suppress(OSError),
            socket.create_connection(self._address, timeout=ANSWER_SECONDS) as connection,
        ):
            if self._tls is None:
                return _is_well(connection)
            with self._tls.wrap_socket(connection) as secured:
                return _is_well(secured)
        return False


def _is_well(connection: socket.socket) -> bool:
    connection.sendall(REQUEST)
    return b" 200 " in connection.recv(256)


def _own_context() -> ssl.SSLContext:
    """Return a context that accepts any certificate: the socket is our own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
