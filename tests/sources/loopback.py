"""A server on loopback and a clock, both controlled by a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scanner.sources.wall_clock import WallClock

PATIENCE_SECONDS = 30.0
"""Longest wait of a response that a test holds back; a test that needs it has failed."""


@dataclass
class Answer:
    """Response of the server to one request."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    released: threading.Event | None = None
    """Wait for this before the response."""
    promised: int | None = None
    """Content-Length, if it is not that of the body."""


@dataclass
class Server:
    """Responses of a server on loopback, and the requests that it got."""

    origin: str
    pages: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    """Path -> its answer, or its answers in turn, the last one repeatedly."""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range header of each, in order."""

    def answer(self, path: str, span: str | None) -> Answer:
        self.requests.append((path, span))
        found = self.pages.get(path, Answer(status=404))
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found


class Ranges(Answer):
    """A file whose ranges can be requested."""


@contextmanager
def run_server() -> Iterator[Server]:
    """Serve on a free port of loopback until the block ends."""
    server = Server(origin="")
    http = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(server))
    server.origin = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def make_handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            span = self.headers.get("Range")
            answer = server.answer(self.path, span)
            if answer.released is not None:
                answer.released.wait(PATIENCE_SECONDS)
            body, status, headers = answer.body, answer.status, dict(answer.headers)
            if isinstance(answer, Ranges) and span is not None:
                first, last = (int(edge) for edge in span.removeprefix("bytes=").split("-"))
                body, status = body[first : last + 1], 206
                headers.setdefault("Content-Range", f"bytes {first}-{last}/*")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header(
                "Content-Length", str(len(body) if answer.promised is None else answer.promised)
            )
            self.end_headers()
            with suppress(ConnectionError):  # a client that was stopped does not wait for it
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@dataclass
class FakeClock:
    """Time that passes only by sleeping."""

    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    @property
    def wall_clock(self) -> WallClock:
        return WallClock(now=lambda: self.seconds, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
