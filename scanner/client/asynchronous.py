"""The client of the service for programs with asyncio; its methods are those of ``ServiceClient``.

>>> from scanner.client.asynchronous import AsyncServiceClient
>>> async def deliver(segment: bytes) -> None:
...     async with AsyncServiceClient("http://127.0.0.1:8090") as service:
...         await service.put_segment("my-stream", 0, segment, channel="studio")
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from fractions import Fraction
from typing import Any, Self, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from scanner.client import requests
from scanner.client.documents import (
    IncidentDetailDocument,
    IncidentDocument,
    PictureDocument,
    RiskDocument,
    SegmentDocument,
    ServiceEvent,
    StreamDocument,
)
from scanner.client.requests import (
    AGAIN,
    GIVE_UP_SECONDS,
    Sent,
    ServiceRequest,
    exchange,
    read_problem,
)
from scanner.client.service import RECONNECT_SECONDS, SILENT_SECONDS, event_of, key_headers

__all__ = ["AsyncServiceClient"]

Result = TypeVar("Result")


class AsyncServiceClient:
    """Requests to one service from one event loop; retries and errors are those of
    ``ServiceClient``."""

    def __init__(
        self,
        address: str,
        *,
        key: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url=address.rstrip("/"), headers=key_headers(key), transport=transport
        )
        self._clock = clock
        self._wait = wait

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def put_stream(
        self, stream_id: str, *, channel: str | None = None, first_sequence: int | None = None
    ) -> Sent:
        """Declare a stream before its first segment, which is optional."""
        return await self.send(
            requests.put_stream(stream_id, channel=channel, first_sequence=first_sequence)
        )

    async def put_init(
        self, stream_id: str, init_id: str, data: bytes, *, channel: str | None = None
    ) -> Sent:
        """Send an init segment."""
        return await self.send(requests.put_init(stream_id, init_id, data, channel=channel))

    async def put_segment(
        self,
        stream_id: str,
        sequence: int,
        data: bytes,
        *,
        channel: str | None = None,
        init_id: str | None = None,
        discontinuity: bool = False,
        duration: Fraction | float | None = None,
    ) -> Sent:
        """Send a segment of ``duration`` seconds; it is durable when this returns."""
        return await self.send(
            requests.put_segment(
                stream_id,
                sequence,
                data,
                channel=channel,
                init_id=init_id,
                discontinuity=discontinuity,
                duration=duration,
            )
        )

    async def post_segment_url(
        self, stream_id: str, sequence: int, url: str, *, channel: str | None = None
    ) -> Sent:
        """Name a segment that the service fetches; it is durable when this returns."""
        return await self.send(requests.post_segment_url(stream_id, sequence, url, channel=channel))

    async def post_signal(
        self,
        stream_id: str,
        name: str,
        ratio: float,
        *,
        seconds: float = 300.0,
        labels: Collection[str] | None = None,
        at: float | None = None,
    ) -> Sent:
        """Add evidence that is not in the picture, such as viewers' reports, to a stream's risk.

        ``ratio`` is its likelihood ratio, ``seconds`` the time for which it is in force, ``labels``
        what it concerns (all without them), ``at`` the second of the stream (now without it).
        """
        return await self.send(
            requests.post_signal(stream_id, name, ratio, seconds=seconds, labels=labels, at=at)
        )

    async def end_stream(self, stream_id: str, last_sequence: int | None = None) -> Sent:
        """Declare the end of a stream, after the segment ``last_sequence``."""
        return await self.send(requests.end_stream(stream_id, last_sequence))

    async def post_image(self, data: bytes, *, wait: float = 30.0) -> PictureDocument:
        """Send a picture, and return its scores if they are there within ``wait`` seconds."""
        return await self.send(requests.post_image(data, wait=wait))

    async def get_stream(self, stream_id: str) -> StreamDocument:
        """Return a stream with its risk and coverage."""
        return await self.send(requests.get_stream(stream_id))

    async def get_segment(self, stream_id: str, sequence: int) -> SegmentDocument:
        """Return the state of a segment."""
        return await self.send(requests.get_segment(stream_id, sequence))

    async def get_risk(self, stream_id: str, after_turn: int | None = None) -> RiskDocument:
        """Return a page of a stream's risk over time."""
        return await self.send(requests.get_risk(stream_id, after_turn))

    def list_streams(self, **filters: str) -> AsyncIterator[StreamDocument]:
        """Yield streams, the newest first; ``filters`` are parameters of ``GET /v1/streams``."""
        return self._pages("/v1/streams", "streams", filters)

    def list_incidents(self, **filters: str) -> AsyncIterator[IncidentDocument]:
        """Yield incidents, those that opened last first; ``filters`` are parameters of
        ``GET /v1/incidents``, such as ``detection="open"``."""
        return self._pages("/v1/incidents", "incidents", filters)

    async def get_incident(self, incident_id: str) -> IncidentDetailDocument:
        """Return an incident with its revisions, evidence, deliveries, and why it was opened."""
        return await self.send(requests.get_incident(incident_id))

    async def get_evidence(self, incident_id: str, piece: str = "clip-1") -> bytes:
        """Return the media of a piece of evidence, which shows what was found."""
        return await self.send(requests.get_evidence(incident_id, piece))

    async def get(self, path: str, *, patience: float = GIVE_UP_SECONDS) -> Any:
        """Return any document of the service, after ``patience`` seconds at most."""
        return await self.send(requests.get(path, patience=patience))

    async def events(self, after: int | None = None) -> AsyncIterator[ServiceEvent]:
        """Yield events as they happen, after the number ``after`` or from now on.

        A lost connection is opened again, and no event is left out. This never ends by itself.
        """
        while True:
            try:
                async for event in self._read_events(after):
                    after = int(event.id)
                    if event.data:  # without, it tells where the answer begins, or is a comment
                        yield event_of(event)
            except (httpx.HTTPError, SSEError):
                pass
            await self._wait(RECONNECT_SECONDS)

    async def send(self, request: ServiceRequest[Result]) -> Result:
        """Send a request until it is answered for good, and return its result."""
        steps = exchange(request, str(self._client.base_url), self._clock)
        answer: httpx.Response | httpx.HTTPError | None = None
        while True:
            try:
                seconds = steps.send(answer)
            except StopIteration as end:
                result: Result = end.value
                return result
            if seconds is not None:
                await self._wait(seconds)
                answer = None
                continue
            try:
                answer = await self._client.request(**request.options())
            except httpx.HTTPError as error:
                answer = error

    async def _read_events(self, after: int | None) -> AsyncIterator[ServerSentEvent]:
        query = None if after is None else {"after": str(after)}
        timeout = httpx.Timeout(SILENT_SECONDS)
        async with self._client.stream(
            "GET", "/v1/events", params=query, timeout=timeout
        ) as answer:
            if answer.is_client_error and answer.status_code not in AGAIN:
                await answer.aread()
                raise read_problem(answer)
            async for event in EventSource(answer).aiter_sse():
                yield event

    async def _pages(self, path: str, name: str, filters: Mapping[str, str]) -> AsyncIterator[Any]:
        query = dict(filters)
        while True:
            page = await self.send(requests.get(path, query))
            for row in page[name]:
                yield row
            if page["next"] is None:
                return
            query["cursor"] = page["next"]
