"""The fast path of segments: most requests of the service deliver one.

Routing, validation and the layers of the framework cost more for such a request than its own work.
A request that is plainly valid is taken here. Any other one passes through the framework to the
same function, which is where errors of addresses and parameters are described.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from scanner.errors import TransientError
from scanner.intake.failures import transient_response
from scanner.intake.parameters import NAME, SegmentMetadata
from scanner.intake.problems import Problem, problem_response
from scanner.intake.segments import put_segment

__all__ = ["SegmentFastPath", "delivery_of"]

_ADDRESS: Final = re.compile(rf"/v1/streams/({NAME[1:-1]})/segments/([0-9]{{1,15}})")
_METHODS: Final = ("PUT", "POST")
_LONGEST_QUERY: Final = 400
"""Longest query that is taken here, and kept with its meaning, in bytes."""
_ROUTE: Final = Route(
    "/v1/streams/{stream_id}/segments/{sequence}", put_segment, methods=list(_METHODS)
)
"""The route under which metrics count these requests, as the framework would set it."""


class SegmentFastPath:
    """Takes the requests that deliver a segment, and passes on all others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request."""
        found = delivery_of(scope) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        request_id = scope["state"]["request_id"]
        try:
            answer: Response = await put_segment(Request(scope, receive), *found)
        except Problem as error:
            answer = problem_response(error, request_id)
        except TransientError as error:
            answer = transient_response(error, request_id)
        await answer(scope, receive, send)


def delivery_of(scope: Scope) -> tuple[str, int, SegmentMetadata] | None:
    """Return stream, sequence and metadata of a request that plainly delivers a segment."""
    if scope["method"] not in _METHODS or len(scope["query_string"]) > _LONGEST_QUERY:
        return None
    address = _ADDRESS.fullmatch(scope["path"])
    metadata = None if address is None else _read_metadata(scope["query_string"])
    if address is None or metadata is None:
        return None
    return address[1], int(address[2]), metadata


@lru_cache(maxsize=1024)  # senders declare the same of many segments
def _read_metadata(query: bytes) -> SegmentMetadata | None:
    """Return what a query declares of a segment; None if that is not plain."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    facts = dict(pairs)
    if len(facts) < len(pairs) or "" in facts.values():
        return None
    try:
        return SegmentMetadata.model_validate(facts)
    except ValidationError:
        return None
