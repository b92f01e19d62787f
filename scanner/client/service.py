"""The client of the service for programs with threads.

>>> from scanner.client.service import ServiceClient
>>> with ServiceClient("http://127.0.0.1:8090") as service:  # doctest: +SKIP
...     service.put_segment("my-stream", 0, segment, channel="studio")
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
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

__all__ = ["ServiceClient", "event_of", "key_headers"]

Result = TypeVar("Result")
RECONNECT_SECONDS = 2.0
"""Wait before a lost stream of events is opened again."""
SILENT_SECONDS = 45.0
"""Longest silence of a stream of events: the service sends a comment every 15 s."""


class ServiceClient:
    """Requests to one service, safe to use from several threads.

    A request that is lost, or that the service asks to send again, is sent again for up to five
    minutes: all are idempotent. Every method raises:

    - ``ServiceProblemError``: the service refuses the request; ``problem`` names the error.
    - ``TransientError``: the service cannot be reached, or asks for too much patience.
    """

    def __init__(
        self,
        address: str,
        *,
        key: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._client = httpx.Client(
            base_url=address.rstrip("/"), headers=key_headers(key), transport=transport
        )
        self._clock = clock
        self._wait = wait

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def put_stream(
        self, stream_id: str, *, channel: str | None = None, first_sequence: int | None = None
    ) -> Sent:
        """Declare a stream before its first segment, which is optional."""
        return self.send(
            requests.put_stream(stream_id, channel=channel, first_sequence=first_sequence)
        )

    def put_init(
        self, stream_id: str, init_id: str, data: bytes, *, channel: str | None = None
    ) -> Sent:
        """Send an init segment."""
        return self.send(requests.put_init(stream_id, init_id, data, channel=channel))

    def put_segment(
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
        return self.send(
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

    def post_segment_url(
        self, stream_id: str, sequence: int, url: str, *, channel: str | None = None
    ) -> Sent:
        """Name a segment that the service fetches; it is durable when this returns."""
        return self.send(requests.post_segment_url(stream_id, sequence, url, channel=channel))

    def post_signal(
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
        return self.send(
            requests.post_signal(stream_id, name, ratio, seconds=seconds, labels=labels, at=at)
        )

    def end_stream(self, stream_id: str, last_sequence: int | None = None) -> Sent:
        """Declare the end of a stream, after the segment ``last_sequence``."""
        return self.send(requests.end_stream(stream_id, last_sequence))

    def post_image(self, data: bytes, *, wait: float = 30.0) -> PictureDocument:
        """Send a picture, and return its scores if they are there within ``wait`` seconds."""
        return self.send(requests.post_image(data, wait=wait))

    def get_stream(self, stream_id: str) -> StreamDocument:
        """Return a stream with its risk and coverage."""
        return self.send(requests.get_stream(stream_id))

    def get_segment(self, stream_id: str, sequence: int) -> SegmentDocument:
        """Return the state of a segment."""
        return self.send(requests.get_segment(stream_id, sequence))

    def get_risk(self, stream_id: str, after_turn: int | None = None) -> RiskDocument:
        """Return a page of a stream's risk over time."""
        return self.send(requests.get_risk(stream_id, after_turn))

    def list_streams(self, **filters: str) -> Iterator[StreamDocument]:
        """Yield streams, the newest first; ``filters`` are parameters of ``GET /v1/streams``."""
        return self._pages("/v1/streams", "streams", filters)

    def list_incidents(self, **filters: str) -> Iterator[IncidentDocument]:
        """Yield incidents, those that opened last first; ``filters`` are parameters of
        ``GET /v1/incidents``, such as ``detection="open"``."""
        return self._pages("/v1/incidents", "incidents", filters)

    def get_incident(self, incident_id: str) -> IncidentDetailDocument:
        """Return an incident with its revisions, evidence, deliveries, and why it was opened."""
        return self.send(requests.get_incident(incident_id))

    def get_evidence(self, incident_id: str, piece: str = "clip-1") -> bytes:
        """Return the media of a piece of evidence, which shows what was found."""
        return self.send(requests.get_evidence(incident_id, piece))

    def get(self, path: str, *, patience: float = GIVE_UP_SECONDS) -> Any:
        """Return any document of the service, after ``patience`` seconds at most."""
        return self.send(requests.get(path, patience=patience))

    def events(self, after: int | None = None) -> Iterator[ServiceEvent]:
        """Yield events as they happen, after the number ``after`` or from now on.

        A lost connection is opened again, and no event is left out. This never ends by itself.
        """
        while True:
            try:
                for event in self._read_events(after):
                    after = int(event.id)
                    if event.data:  # without, it tells where the answer begins, or is a comment
                        yield event_of(event)
            except (httpx.HTTPError, SSEError):
                pass
            self._wait(RECONNECT_SECONDS)

    def send(self, request: ServiceRequest[Result]) -> Result:
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
                self._wait(seconds)
                answer = None
                continue
            try:
                answer = self._client.request(**request.options())
            except httpx.HTTPError as error:
                answer = error

    def _read_events(self, after: int | None) -> Iterator[ServerSentEvent]:
        query = None if after is None else {"after": str(after)}
        timeout = httpx.Timeout(SILENT_SECONDS)
        with self._client.stream("GET", "/v1/events", params=query, timeout=timeout) as answer:
            if answer.is_client_error and answer.status_code not in AGAIN:
                answer.read()
                raise read_problem(answer)
            yield from EventSource(answer).iter_sse()

    def _pages(self, path: str, name: str, filters: Mapping[str, str]) -> Iterator[Any]:
        query = dict(filters)
        while True:
            page = self.send(requests.get(path, query))
            yield from page[name]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]


def key_headers(key: str | None) -> dict[str, str]:
    """Return the headers that carry an API key."""
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def event_of(sent: ServerSentEvent) -> ServiceEvent:
    """Return an event, given its fields as they were sent."""
    return ServiceEvent(number=int(sent.id), kind=sent.event, data=json.loads(sent.data))
