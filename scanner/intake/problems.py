"""The errors that the HTTP interface answers: RFC 9457 documents of a fixed list of types.

``PROBLEMS`` is the only list: answers, the OpenAPI document and the page ``docs/service.md`` are
made from it or compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import JSONResponse

__all__ = [
    "MEDIA_TYPE",
    "PROBLEMS",
    "Problem",
    "ProblemType",
    "problem_document",
    "problem_response",
    "problem_responses",
]

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:streamwarden:problem:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemType:
    """One type of error."""

    name: str
    status: int
    title: str
    retryable: bool = False
    """Whether the same request may succeed later."""

    @property
    def uri(self) -> str:
        """The ``type`` of the document."""
        return URN + self.name


def _table(*types: ProblemType) -> dict[str, ProblemType]:
    return {one.name: one for one in types}


PROBLEMS: Final[Mapping[str, ProblemType]] = _table(
    ProblemType(name="bad_request", status=400, title="Not a valid HTTP request"),
    ProblemType(name="unauthenticated", status=401, title="No valid API key or session"),
    ProblemType(name="forbidden", status=403, title="The sender may not do this"),
    ProblemType(name="not_found", status=404, title="There is no such thing here"),
    ProblemType(name="method_not_allowed", status=405, title="Not a method of this address"),
    ProblemType(
        name="receive_timeout", status=408, title="The request arrived too slowly", retryable=True
    ),
    ProblemType(name="conflict", status=409, title="Known already, and different"),
    ProblemType(name="claimed", status=409, title="Somebody else works on it", retryable=True),
    ProblemType(name="decided", status=409, title="There is nothing to decide or undo"),
    ProblemType(name="second_person", status=409, title="Another person has to look at it"),
    ProblemType(name="grew", status=409, title="More was flagged in it meanwhile"),
    ProblemType(name="too_late", status=409, title="It can no longer be undone"),
    ProblemType(name="stream_ended", status=409, title="The stream has ended"),
    ProblemType(
        name="init_unknown", status=409, title="The init segment is not there", retryable=True
    ),
    ProblemType(name="wrong_channel", status=409, title="The stream belongs to another channel"),
    ProblemType(name="held", status=409, title="It is held against deletion"),
    ProblemType(name="not_ready", status=409, title="It is still being made", retryable=True),
    ProblemType(name="gone", status=410, title="It failed, or is no longer kept"),
    ProblemType(name="too_large", status=413, title="The body is too large"),
    ProblemType(name="invalid_request", status=422, title="The request is not valid"),
    ProblemType(name="url_refused", status=422, title="The URL may not be fetched"),
    ProblemType(name="unsupported_media", status=422, title="Not a format that can be scanned"),
    ProblemType(name="backlog", status=429, title="Too much waits to be scanned", retryable=True),
    ProblemType(name="busy", status=429, title="Too much is being received", retryable=True),
    ProblemType(name="internal", status=500, title="The service has a defect"),
    ProblemType(name="url_failed", status=502, title="The URL cannot be fetched", retryable=True),
    ProblemType(name="journal_busy", status=503, title="The journal is locked", retryable=True),
    ProblemType(
        name="unready", status=503, title="A part of the service does not work", retryable=True
    ),
    ProblemType(name="disk_full", status=507, title="The disk is nearly full", retryable=True),
)


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A request that is answered with an error of ``PROBLEMS``."""

    def __init__(
        self, name: str, detail: str, *, retry_after: int | None = None, **facts: Any
    ) -> None:
        super().__init__(f"{name}: {detail}")
        self.type = PROBLEMS[name]
        self.detail = detail
        self.retry_after = retry_after
        """Seconds after which another attempt makes sense; None where that is not known."""
        self.facts = facts
        """Further members of the document."""


def problem_document(problem: Problem, request_id: str) -> dict[str, Any]:
    """Return the body of an error."""
    kind = problem.type
    return {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
        "request_id": request_id,
        "retryable": kind.retryable,
        **problem.facts,
    }


def problem_response(problem: Problem, request_id: str) -> JSONResponse:
    """Return the answer to a request that failed."""
    headers = {}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.type.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="streamwarden", Bearer'
    return JSONResponse(
        problem_document(problem, request_id),
        status_code=problem.type.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def problem_responses(*names: str) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says of these errors, and of those of every request that
    uses the journal, by status."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for name in dict.fromkeys((*names, "journal_busy", "internal")):
        kind = PROBLEMS[name]
        known = by_status.get(kind.status)
        text = f"`{kind.name}`: {kind.title.lower()}"
        by_status[kind.status] = {
            "description": text if known is None else f"{known['description']}; {text}",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
    return by_status
