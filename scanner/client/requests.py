"""Requests to the service without input or output: what is sent, when it is sent again, what an
answer means. The clients for threads and for asyncio send them.

    answer                                        then
    --------------------------------------------  --------------------------------------------------
    2xx                                           the result
    429, 500, 502, 503, 504, 507, lost connection wait, at least ``Retry-After``; send again
    the same for longer than ``patience``         TransientError
    any other                                     ServiceProblemError
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx

from scanner.client.documents import (
    IncidentDetailDocument,
    PictureDocument,
    RiskDocument,
    SegmentDocument,
    StreamDocument,
)
from scanner.errors import InputError, TransientError

__all__ = ["AGAIN", "GIVE_UP_SECONDS", "Sent", "ServiceProblemError", "ServiceRequest", "exchange"]

AGAIN: Final = frozenset({429, 500, 502, 503, 504, 507})
"""Answers after which the same request may succeed later."""
LONGEST_WAIT: Final = 10.0
"""Longest wait in seconds between two attempts, unless the service asks for more."""
GIVE_UP_SECONDS: Final = 300.0
TIMEOUT_SECONDS: Final = 60.0
_PROBLEM: Final = "urn:streamwarden:problem:"

Sent = Literal["accepted", "known"]
"""``known``: the service had the same already."""
Result = TypeVar("Result")


class ServiceProblemError(InputError):
    """The service refused a request, and would refuse it again."""

    def __init__(self, message: str, *, problem: str, status: int) -> None:
        super().__init__(message)
        self.problem = problem
        """Name of the error in the service's documentation, such as ``stream_ended``; empty if the
        answer was not the service's own."""
        self.status = status
        """HTTP status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest(Generic[Result]):
    """One request, with what its answer means."""

    method: str
    url: str
    read: Callable[[httpx.Response], Result]
    """Makes the result of an answer that is no error."""
    body: bytes | None = None
    query: Mapping[str, str] | None = None
    document: Mapping[str, Any] | None = None
    timeout: float = TIMEOUT_SECONDS
    patience: float = GIVE_UP_SECONDS
    """Seconds for which it is sent again; 0 sends it once."""

    def options(self) -> dict[str, Any]:
        """Return the arguments with which httpx sends the request."""
        return {
            "method": self.method,
            "url": self.url,
            "content": self.body,
            "params": self.query,
            "json": self.document,
            "timeout": self.timeout,
        }


Step = float | None
"""Seconds to wait; None to send the request."""


def exchange(
    request: ServiceRequest[Result], address: str, clock: Callable[[], float]
) -> Generator[Step, httpx.Response | httpx.HTTPError | None, Result]:
    """Yield what to do next, and return the result of the request.

    ``clock`` returns seconds that never go back.

    Raises:
        ServiceProblemError: the service refuses it.
        TransientError: the service cannot be reached, or asked for too much patience.
    """
    give_up, attempt = clock() + request.patience, 0
    while True:
        answer, asked = (yield None), 0.0
        if isinstance(answer, httpx.Response):
            if not answer.is_error:
                return request.read(answer)
            problem = read_problem(answer)
            if answer.status_code not in AGAIN:
                raise problem
            reason, asked = str(problem), _seconds(answer.headers.get("Retry-After", ""))
        else:
            reason = f"{address}: {str(answer) or type(answer).__name__}"
        if clock() >= give_up:
            tried = f"; given up after {request.patience:.0f} s" if request.patience else ""
            raise TransientError(f"{reason}{tried}")
        attempt += 1
        backoff = min(LONGEST_WAIT, 0.2 * 2**attempt)
        yield max(asked, backoff * random.uniform(0.5, 1.0))


def read_problem(answer: httpx.Response) -> ServiceProblemError:
    """Return the error that an answer says."""
    text = f"{answer.request.method} {answer.request.url.path}: answered {answer.status_code}"
    name = ""
    try:
        document = answer.json()
        text = f"{document['title']}: {document['detail']}"
        name = str(document.get("type", "")).removeprefix(_PROBLEM)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return ServiceProblemError(text, problem=name, status=answer.status_code)


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 0.0


def _sent(answer: httpx.Response) -> Sent:
    return "known" if answer.status_code == httpx.codes.OK else "accepted"


def _json(answer: httpx.Response) -> Any:
    return answer.json()


def stream_url(stream_id: str) -> str:
    """Return the path of a stream."""
    return f"/v1/streams/{quote(stream_id, safe='')}"


def put_stream(
    stream_id: str, *, channel: str | None, first_sequence: int | None
) -> ServiceRequest[Sent]:
    """Declare a stream."""
    given = {"channel": channel, "first_sequence": first_sequence}
    document = {name: value for name, value in given.items() if value is not None}
    return ServiceRequest(method="PUT", url=stream_url(stream_id), document=document, read=_sent)


def put_init(
    stream_id: str, init_id: str, data: bytes, *, channel: str | None
) -> ServiceRequest[Sent]:
    """Send an init segment."""
    query = {} if channel is None else {"channel": channel}
    url = f"{stream_url(stream_id)}/init/{quote(init_id, safe='')}"
    return ServiceRequest(method="PUT", url=url, body=data, query=query, read=_sent)


def put_segment(
    stream_id: str,
    sequence: int,
    data: bytes,
    *,
    channel: str | None,
    init_id: str | None,
    discontinuity: bool,
    duration: Fraction | float | None,
) -> ServiceRequest[Sent]:
    """Send a segment."""
    query = {"channel": channel, "init": init_id}
    given = {name: value for name, value in query.items() if value is not None}
    if discontinuity:
        given["discontinuity"] = "true"
    if duration is not None and duration > 0:
        given["duration"] = f"{float(duration):.6f}"
    url = f"{stream_url(stream_id)}/segments/{sequence}"
    return ServiceRequest(method="PUT", url=url, body=data, query=given, read=_sent)


def post_segment_url(
    stream_id: str, sequence: int, url: str, *, channel: str | None
) -> ServiceRequest[Sent]:
    """Name a segment that the service fetches."""
    document = {"sequence": sequence, "url": url}
    if channel is not None:
        document["channel"] = channel
    return ServiceRequest(
        method="POST", url=f"{stream_url(stream_id)}/segments", document=document, read=_sent
    )


def post_signal(
    stream_id: str,
    name: str,
    ratio: float,
    *,
    seconds: float,
    labels: Collection[str] | None,
    at: float | None,
) -> ServiceRequest[Sent]:
    """Send a signal."""
    document: dict[str, Any] = {"name": name, "ratio": ratio, "seconds": seconds}
    if labels is not None:
        document["labels"] = sorted(labels)
    if at is not None:
        document["at"] = at
    url = f"{stream_url(stream_id)}/signals"
    return ServiceRequest(method="POST", url=url, document=document, read=_sent)


def end_stream(stream_id: str, last_sequence: int | None) -> ServiceRequest[Sent]:
    """Declare the end of a stream."""
    document = {} if last_sequence is None else {"last_sequence": last_sequence}
    url = f"{stream_url(stream_id)}/end"
    return ServiceRequest(method="POST", url=url, document=document, read=_sent)


def post_image(data: bytes, *, wait: float) -> ServiceRequest[PictureDocument]:
    """Send a picture and wait for its scores."""
    return ServiceRequest(
        method="POST",
        url="/v1/images",
        body=data,
        query={"wait": f"{wait:.0f}"},
        read=_json,
        timeout=wait + 30,
    )


def get(
    path: str, query: Mapping[str, str] | None = None, *, patience: float = GIVE_UP_SECONDS
) -> ServiceRequest[Any]:
    """Read any document."""
    return ServiceRequest(method="GET", url=path, query=query, read=_json, patience=patience)


def get_stream(stream_id: str) -> ServiceRequest[StreamDocument]:
    """Read a stream."""
    return get(stream_url(stream_id))


def get_segment(stream_id: str, sequence: int) -> ServiceRequest[SegmentDocument]:
    """Read the state of a segment."""
    return get(f"{stream_url(stream_id)}/segments/{sequence}")


def get_risk(stream_id: str, after_turn: int | None) -> ServiceRequest[RiskDocument]:
    """Read a page of a stream's risk over time."""
    query = None if after_turn is None else {"after_turn": str(after_turn)}
    return get(f"{stream_url(stream_id)}/risk", query)


def get_incident(incident_id: str) -> ServiceRequest[IncidentDetailDocument]:
    """Read an incident."""
    return get(f"/v1/incidents/{quote(incident_id, safe='')}")


def get_evidence(incident_id: str, piece: str) -> ServiceRequest[bytes]:
    """Read the media of a piece of evidence."""
    url = f"/v1/incidents/{quote(incident_id, safe='')}/clip"
    return ServiceRequest(
        method="GET", url=url, query={"piece": piece}, read=lambda answer: answer.content
    )
