"""A receiver of webhooks on loopback that answers as a test wishes."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


@dataclass(kw_only=True)
class LoopbackReceiver:
    """Verifies every webhook and answers with the status that ``answer`` returns for its body; None
    closes the connection without an answer."""

    answer: Callable[[dict[str, Any]], int | None] = lambda _: 204
    behave: Callable[[], int | str | None] = lambda: 204
    """Chooses an answer if ``answer`` says 204: a status, None, ``lost`` for a webhook that is
    taken in before the connection is closed, or ``stall`` for one that gets no answer."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Verified bodies that were answered with 2xx, in order."""
    ids: Counter[str] = field(default_factory=Counter)
    """Answers with 2xx by webhook-id."""
    order: list[str] = field(default_factory=list)
    """Every webhook-id that was taken in, in order."""
    refused: list[str] = field(default_factory=list)
    """Webhooks whose signature is wrong; leaving the block with one is an error."""
    requests: int = 0
    retry_after: int | str | None = None
    """Seconds, or the date, that answers other than 2xx ask for."""
    cookie: str | None = None
    """Cookie that every answer sets."""
    now: Callable[[], float] | None = None
    """The clock that time stamps have to agree with; None for the real one."""
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
        assert self.refused == []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def verify(self, webhook: Webhook, data: bytes, headers: dict[str, str]) -> Any:
        """Return the body of a webhook whose signature and time stamp are right; note the error of
        every other one in ``refused``."""
        try:
            if self.now is None:
                return webhook.verify(data, headers)
            stamp = int(headers["webhook-timestamp"])
            at = datetime.fromtimestamp(stamp, UTC)
            signature = webhook.sign(headers["webhook-id"], at, data.decode())
            if signature != headers["webhook-signature"] or abs(stamp - self.now()) > 300:
                raise WebhookVerificationError(f"{signature} at {self.now()}: {headers}")
        except WebhookVerificationError as error:
            self.refused.append(f"{error}: {data!r}")
            return None
        return json.loads(data)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self
        webhook = Webhook(SECRET)
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                data = self.rfile.read(size)
                if len(data) < size:  # its sender was killed
                    self.close_connection = True
                    return
                body = receiver.verify(webhook, data, dict(self.headers.items()))
                if body is None:
                    self.send_error(401)
                    return
                message = self.headers["webhook-id"]
                with lock:
                    receiver.requests += 1
                status: int | str | None = receiver.answer(body)
                with lock:
                    status = receiver.behave() if status == 204 else status
                    if status == "lost" or (isinstance(status, int) and 200 <= status < 300):
                        receiver.bodies.append(body)
                        receiver.ids[message] += 1
                        receiver.order.append(message)
                if status == "stall":
                    receiver.released.wait()
                if not isinstance(status, int):
                    self.close_connection = True
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", receiver.url)
                if receiver.cookie is not None:
                    self.send_header("Set-Cookie", receiver.cookie)
                if status >= 300 and receiver.retry_after is not None:
                    self.send_header("Retry-After", str(receiver.retry_after))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
