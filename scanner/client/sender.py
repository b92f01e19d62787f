"""Requests to the service, repeated as long as it asks for that."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Final, Literal, Self

import httpx

from scanner.errors import InputError, TransientError

__all__ = ["SegmentSender", "Sent"]

AGAIN: Final = frozenset({429, 500, 502, 503, 504, 507})
"""Answers after which the same request may succeed later."""
LONGEST_WAIT: Final = 10.0
"""Longest wait in seconds between two attempts, unless the service asks for more."""
GIVE_UP_SECONDS: Final = 300.0

Sent = Literal["accepted", "known"]
"""``known``: the service had the same already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    url: str
    body: bytes | None = None
    query: Mapping[str, str] | None = None
    document: Mapping[str, Any] | None = None


class SegmentSender:
    """Sends streams to one service. A request that is lost is sent again: all are idempotent."""

    def __init__(
        self,
        address: str,
        *,
        key: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._client = httpx.Client(
            base_url=address.rstrip("/"), headers=headers, timeout=60, transport=transport
        )
        self._clock = clock
        self._wait = wait

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def put_stream(self, stream_id: str, *, channel: str | None, first_sequence: int) -> Sent:
        """Declare a stream before its first segment."""
        document: dict[str, Any] = {"first_sequence": first_sequence}
        if channel is not None:
            document["channel"] = channel
        return self._send("PUT", _Piece(url=f"/v1/streams/{stream_id}", document=document))

    def put_init(self, stream_id: str, init_id: str, data: bytes, *, channel: str | None) -> Sent:
        """Send an init segment."""
        query = {} if channel is None else {"channel": channel}
        url = f"/v1/streams/{stream_id}/init/{init_id}"
        return self._send("PUT", _Piece(url=url, body=data, query=query))

    def put_segment(
        self,
        stream_id: str,
        sequence: int,
        data: bytes,
        *,
        channel: str | None = None,
        init_id: str | None = None,
        discontinuity: bool = False,
        duration: Fraction | None = None,
    ) -> Sent:
        """Send a segment; it is durable when this returns."""
        query = {"channel": channel, "init": init_id}
        given = {name: value for name, value in query.items() if value is not None}
        if discontinuity:
            given["discontinuity"] = "true"
        if duration is not None and duration > 0:
            given["duration"] = f"{float(duration):.6f}"
        url = f"/v1/streams/{stream_id}/segments/{sequence}"
        return self._send("PUT", _Piece(url=url, body=data, query=given))

    def end_stream(self, stream_id: str, last_sequence: int) -> Sent:
        """Declare the end of a stream."""
        document = {"last_sequence": last_sequence}
        return self._send("POST", _Piece(url=f"/v1/streams/{stream_id}/end", document=document))

    def post_image(self, data: bytes, *, wait: float = 30.0) -> Any:
        """Send a picture and return what the service says of it, after ``wait`` seconds at most.

        Raises:
            InputError: the service refuses it.
            TransientError: the service cannot be reached.
        """
        try:
            answer = self._client.post(
                "/v1/images", content=data, params={"wait": f"{wait:.0f}"}, timeout=wait + 30
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise InputError(_reason(answer))
        return answer.json()

    def get(self, path: str) -> Any:
        """Return a document of the service.

        Raises:
            InputError: the service refuses it.
            TransientError: the service cannot be reached.
        """
        try:
            answer = self._client.get(path)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise InputError(_reason(answer))
        return answer.json()

    def _unreachable(self, error: httpx.HTTPError) -> TransientError:
        return TransientError(f"{self._client.base_url}: {str(error) or type(error).__name__}")

    def _send(self, method: str, piece: _Piece) -> Sent:
        """Send a request until it is answered for good.

        Raises:
            InputError: the service refuses it.
            TransientError: the service cannot be reached, or asked for too much patience.
        """
        give_up = self._clock() + GIVE_UP_SECONDS
        attempt, reason = 0, ""
        while self._clock() < give_up:
            asked = 0.0
            try:
                answer = self._client.request(
                    method, piece.url, content=piece.body, params=piece.query, json=piece.document
                )
                if not answer.is_error:
                    return "accepted" if answer.status_code == httpx.codes.ACCEPTED else "known"
                reason = _reason(answer)
                if answer.status_code not in AGAIN:
                    raise InputError(reason)
                asked = _seconds(answer.headers.get("Retry-After", ""))
            except httpx.HTTPError as error:
                reason = f"{self._client.base_url}: {error or type(error).__name__}"
            attempt += 1
            backoff = min(LONGEST_WAIT, 0.2 * 2**attempt)
            self._wait(max(asked, backoff * random.uniform(0.5, 1.0)))
        raise TransientError(f"{reason}; given up after {GIVE_UP_SECONDS:.0f} s")


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 0.0


def _reason(answer: httpx.Response) -> str:
    """Return what an error answer says."""
    try:
        problem = answer.json()
        return f"{problem['title']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.request.method} {answer.request.url.path}: answered {answer.status_code}"
