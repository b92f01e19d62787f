"""A receiver of webhooks on loopback that answers as a test wishes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook

SECRET = "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


@dataclass(kw_only=True)
class LoopbackReceiver:
    """Verifies every webhook and answers with the status that ``answer`` returns for its body; None
    closes the connection without an answer."""

    answer: Callable[[dict[str, Any]], int | None] = lambda _: 204
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Verified bodies that were answered with 2xx, in order."""
    ids: Counter[str] = field(default_factory=Counter)
    """Answers with 2xx by webhook-id."""
    requests: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    """Set at the end, for requests that stall until then."""

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self
        webhook = Webhook(SECRET)
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                body = webhook.verify(data, dict(self.headers.items()))
                with lock:
                    receiver.requests += 1
                    status = receiver.answer(body)
                if status is None:
                    self.close_connection = True
                    return
                if 200 <= status < 300:
                    with lock:
                        receiver.bodies.append(body)
                        receiver.ids[self.headers["webhook-id"]] += 1
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", receiver.url)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
