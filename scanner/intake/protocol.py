"""HTTP/1.1 with deadlines: uvicorn has none for receiving a request.

    state of a connection          ends after
    waiting for headers            header_seconds since the connection or the first byte of them
    receiving a body               idle_seconds without a byte, while the application wants more
    refused, body still coming     header_seconds in all
    response waits for its reader  idle_seconds without a byte taken
    between requests               uvicorn's own keep-alive time; header_seconds where it has none

A sender may close the connection as soon as its request is complete, without waiting for an answer,
as FFmpeg does. uvicorn then reports a disconnection in place of what arrived; here the body comes
first. With a connection that it keeps, FFmpeg sends its last playlist behind a segment that is not
answered yet, and closes it: requests that wait behind another one are read ahead, and are taken
after the connection was lost, too.

One timer runs for each connection and checks what has happened since: setting it anew for each
packet would cost more than handling the packet.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from scanner.intake.problems import MEDIA_TYPE, Problem, problem_document

__all__ = ["DeadlineProtocol", "protocol_with"]

LOOKS: Final = 4
"""Looks at a connection within one deadline: it ends at most a quarter late."""
AHEAD: Final = 64 << 10
"""Bytes of later requests that are read while one is in hand."""


class DeadlineProtocol(H11Protocol):
    """One connection, with a deadline."""

    header_seconds = 10.0
    idle_seconds = 40.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.app = _WholeBodies(self.app, self._on_end)
        self._is_closed_by_sender = False
        self._left = b""
        self._timer: asyncio.TimerHandle | None = None
        self._phase = ""
        self._since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._enter("headers")
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the connection's timer; take the requests that were left behind an answered one."""
        if (exc is not None or self._is_closed_by_sender) and self.conn.their_state is h11.DONE:
            self._left = self.conn.trailing_data[0]
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()
        if self.cycle is not None and self.cycle.response_complete:
            self._take_requests_left()

    def eof_received(self) -> None:
        """Note that it is the sender who closes the connection."""
        self._is_closed_by_sender = True

    def data_received(self, data: bytes) -> None:
        """Take bytes of the sender."""
        was_idle = self._phase == "between"
        super().data_received(data)
        waiting = len(self.conn.trailing_data[0]) if self.conn.their_state is h11.DONE else AHEAD
        if waiting < AHEAD:
            self.flow.resume_reading()
        phase = self._current_phase()
        if phase != self._phase or phase == "body" or was_idle:
            self._enter(phase)

    def on_response_complete(self) -> None:
        """Note that what the sender still sends is not wanted."""
        super().on_response_complete()
        self._enter(self._current_phase())

    def pause_writing(self) -> None:
        """Note that the reader does not take what is sent."""
        super().pause_writing()
        self._since = self.loop.time()

    def shutdown(self) -> None:
        """Finish the request in hand, and accept no other."""
        context = self.app_state.get("context")
        if context is not None:
            context.closing = True
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is no HTTP, and close the connection."""
        self._send_problem(Problem("bad_request", msg))
        self.transport.close()

    def _on_end(self, cycle: RequestResponseCycle) -> None:
        """Take the requests behind one that has ended without a reader of its answer."""
        if cycle is self.cycle and cycle.disconnected:
            self._take_requests_left()

    def _take_requests_left(self) -> None:
        """Take the next request that a sender left; nobody reads its answer."""
        if not self._left:
            return
        self.conn = h11.Connection(h11.SERVER, self.config.h11_max_incomplete_event_size or 16384)
        self.conn.receive_data(self._left)
        self.handle_events()
        self._left = self.conn.trailing_data[0] if self.conn.their_state is h11.DONE else b""
        self.cycle.disconnected = True

    def _current_phase(self) -> str:
        """Return what the connection waits for, from the states of both sides."""
        theirs, ours = self.conn.their_state, self.conn.our_state
        if theirs is h11.IDLE:
            begun = self._phase == "headers" or bool(self.conn.trailing_data[0])
            return "headers" if begun else "between"
        if theirs is h11.SEND_BODY:
            return "refused" if ours in (h11.DONE, h11.MUST_CLOSE) else "body"
        return "response"

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._since = self.loop.time()

    def _look_later(self) -> None:
        wait = min(self.header_seconds, self.idle_seconds) / LOOKS
        self._timer = self.loop.call_later(wait, self._look)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        if self._is_overdue():
            self._end()
            return
        self._look_later()

    def _is_overdue(self) -> bool:
        waited = self.loop.time() - self._since
        if self.flow.write_paused:
            return waited > self.idle_seconds
        if self._phase == "body":
            if self.flow.read_paused:  # the application is slow, not the sender
                self._since = self.loop.time()
                return False
            return waited > self.idle_seconds
        return self._phase in ("headers", "refused", "between") and waited > self.header_seconds

    def _end(self) -> None:
        """Answer 408 if the sender can still read one, and close the connection."""
        readable = self._phase in ("headers", "body") and not self.flow.write_paused
        if not readable or self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.scope["state"]["timed_out"] = True
        wanted = "headers" if self._phase == "headers" else "a part of the body"
        self._send_problem(Problem("receive_timeout", f"{wanted} did not arrive in time"))
        self.transport.close()

    def _send_problem(self, problem: Problem) -> None:
        body = json.dumps(problem_document(problem, "")).encode()
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        status = problem.type.status
        reason = HTTPStatus(status).phrase.encode()
        response = h11.Response(status_code=status, headers=headers, reason=reason)
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")


class _WholeBodies:
    """An application that gets every body that arrived whole, also if its sender has gone."""

    def __init__(self, app: Any, on_end: Callable[[RequestResponseCycle], None]) -> None:
        self._app = app
        self._on_end = on_end

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run one request."""
        cycle: Any = getattr(receive, "__self__", None)
        is_delivered = False

        async def receive_body() -> Any:
            nonlocal is_delivered
            message = await receive()
            if message["type"] == "http.disconnect" and not is_delivered and not cycle.more_body:
                message = {"type": "http.request", "body": bytes(cycle.body), "more_body": False}
            if message["type"] == "http.request" and not message["more_body"]:
                is_delivered = True
            return message

        if not isinstance(cycle, RequestResponseCycle):
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive_body, send)
        finally:
            self._on_end(cycle)


def protocol_with(*, header_seconds: float, idle_seconds: float) -> type[DeadlineProtocol]:
    """Return the protocol with these deadlines, as uvicorn takes it."""
    deadlines = {"header_seconds": header_seconds, "idle_seconds": idle_seconds}
    return type("ConfiguredProtocol", (DeadlineProtocol,), deadlines)
