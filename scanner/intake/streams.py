"""Streams: their declaration and end, and what readers ask of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from scanner.intake.access import Caller
from scanner.intake.answers import (
    AcceptedEnd,
    AcceptedSignal,
    AcceptedStream,
    ChannelStatus,
    RiskOverTime,
    StreamList,
    StreamStatus,
)
from scanner.intake.context import WebContext, context_of, note
from scanner.intake.outcome import SUBMISSION_PROBLEMS, check_accepted
from scanner.intake.parameters import (
    LARGEST_SEQUENCE,
    NAME,
    EndOfStream,
    Page,
    SignalInput,
    StreamDeclaration,
    StreamName,
    cursor_of,
    epoch_seconds,
    read_cursor,
)
from scanner.intake.problems import Problem, problem_responses
from scanner.intake.restricting import hidden_labels, without_labels
from scanner.intake.segments import stream_of
from scanner.store.intake import NewEnd, NewStream
from scanner.store.signals import NewSignal
from scanner.store.submissions import Submission
from scanner.taxonomy import Taxonomy
from scanner.types import Label

__all__ = ["stream_routes"]

stream_routes = APIRouter(prefix="/v1", tags=["streams"])

_READ = problem_responses("unauthenticated", "forbidden", "not_found", "invalid_request")


@stream_routes.put(
    "/streams/{stream_id}",
    status_code=201,
    response_model=AcceptedStream,
    responses={
        200: {"model": AcceptedStream, "description": "Known already, declared the same"},
        **problem_responses(*SUBMISSION_PROBLEMS, "conflict", "wrong_channel"),
    },
)
async def put_stream(
    request: Request, stream_id: StreamName, declaration: StreamDeclaration | None = None
) -> JSONResponse:
    """Declare a stream before its first segment. Optional: its first segment declares it too."""
    context = context_of(request)
    note(request, stream=stream_id)
    caller = context.caller(request, "ingest")
    declared = declaration or StreamDeclaration()
    facts = {
        "started_at": epoch_seconds(declared.started_at),
        "expected_duration": declared.expected_duration,
    }
    row = NewStream(
        stream_id=stream_id,
        channel=caller.channel_for(declared.channel),
        key_id=caller.key_id,
        allowed_channels=caller.channels,
        first_sequence=declared.first_sequence,
        declared={name: value for name, value in facts.items() if value is not None},
    )
    acceptance = await context.submit(Submission(row=row))
    state = check_accepted(acceptance, f"stream {stream_id}")
    body = {"stream_id": stream_id, "channel": row.channel, "state": state}
    return JSONResponse(body, status_code=201 if state == "accepted" else 200)


@stream_routes.post(
    "/streams/{stream_id}/end",
    status_code=202,
    response_model=AcceptedEnd,
    responses={
        200: {"model": AcceptedEnd, "description": "Known already; nothing changed"},
        **problem_responses(*SUBMISSION_PROBLEMS, "not_found", "conflict"),
    },
)
async def end_stream(
    request: Request, stream_id: StreamName, end: EndOfStream | None = None
) -> JSONResponse:
    """End a stream. Segments up to ``last_sequence`` are still accepted, later ones are not."""
    context = context_of(request)
    note(request, stream=stream_id)
    caller = context.caller(request, "ingest")
    end = end or EndOfStream()
    row = NewEnd(
        stream=stream_of(caller, stream_id, None),
        last_sequence=end.last_sequence,
        reason=end.reason,
    )
    acceptance = await context.submit(Submission(row=row))
    state = check_accepted(acceptance, f"end of stream {stream_id}")
    body = {"stream_id": stream_id, "last_sequence": end.last_sequence, "state": state}
    return JSONResponse(body, status_code=202 if state == "accepted" else 200)


@stream_routes.post(
    "/streams/{stream_id}/signals",
    status_code=202,
    responses=problem_responses(*SUBMISSION_PROBLEMS, "not_found", "stream_ended", "busy"),
)
async def post_signal(
    request: Request, stream_id: StreamName, signal: SignalInput
) -> AcceptedSignal:
    """Add evidence that is not in the picture to the risk of a stream: a viewer's report, toxicity
    of the chat, a fact about the account. It moves the level of labels while it is in force."""
    context = context_of(request)
    note(request, stream=stream_id)
    caller = context.caller(request, "ingest")
    row = NewSignal(
        stream_id=stream_id,
        channels=caller.channels,
        name=signal.name,
        ratio=signal.ratio,
        seconds=signal.seconds,
        labels=None if signal.labels is None else _known_labels(signal.labels),
        at=signal.at,
    )
    acceptance = await context.submit(Submission(row=row))
    check_accepted(acceptance, f"signal {signal.name} of stream {stream_id}")
    return AcceptedSignal(stream_id=stream_id, name=signal.name, state="accepted")


def _known_labels(names: Iterable[str]) -> frozenset[Label]:
    """Return labels, all of which the taxonomy has."""
    known = Taxonomy.load().labels
    given = frozenset(map(Label, names))
    if unknown := sorted(given.difference(known)):
        raise Problem("invalid_request", f"body.labels: {unknown[0]} is not in the taxonomy")
    return given


class StreamFilter(Page):
    """A page of the streams that fit all of these."""

    channel: Annotated[str, Field(pattern=NAME)] | None = None
    state: Literal["live", "stalled", "ended", "finished"] | None = None
    kind: Literal["live", "image"] = "live"


@stream_routes.get(
    "/streams",
    responses=problem_responses("unauthenticated", "forbidden", "invalid_request"),
)
async def list_streams(request: Request, which: Annotated[StreamFilter, Query()]) -> StreamList:
    """List streams, the newest first."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = await context.read(
        context.queries.streams,
        channel=which.channel,
        state=which.state,
        kind=which.kind,
        channels=caller.channels,
        before=read_cursor(which.cursor),
        limit=which.limit + 1,
    )
    page = found[: which.limit]
    following = None
    if len(found) > which.limit:
        following = cursor_of(page[-1]["created_at"], page[-1]["stream_id"])
    shown = await _restricted(context, caller, page)
    return StreamList.model_validate({"streams": shown, "next": following})


@stream_routes.get("/streams/{stream_id}", responses=_READ)
async def get_stream(request: Request, stream_id: StreamName) -> StreamStatus:
    """Return a stream with its risk, coverage and how far it is scored."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = await context.read(context.queries.stream, stream_id)
    if found is None or not caller.sees(found["channel"]):
        raise Problem("not_found", f"stream {stream_id}: nothing of it was ever accepted")
    (shown,) = await _restricted(context, caller, [found])
    return StreamStatus.model_validate(shown)


@stream_routes.get("/streams/{stream_id}/risk", responses=_READ)
async def get_risk(
    request: Request,
    stream_id: StreamName,
    after_turn: Annotated[
        int, Query(ge=-1, le=LARGEST_SEQUENCE, description="`next_turn` of the page before")
    ] = -1,
    limit: Annotated[int, Query(ge=1, le=500, description="turns of a page")] = 100,
) -> RiskOverTime:
    """Return the levels of a stream at each sample, in the order in which they were folded."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = await context.read(
        context.queries.risk_over_time, stream_id, after_turn=after_turn, limit=limit
    )
    if found is None or not caller.sees(found["channel"]):
        raise Problem("not_found", f"stream {stream_id}: nothing of it was ever accepted")
    if hidden := hidden_labels(caller):
        found = {**found, "samples": [without_labels(one, hidden) for one in found["samples"]]}
    return RiskOverTime.model_validate(found)


@stream_routes.get("/channels/{channel}", responses=_READ)
async def get_channel(
    request: Request,
    channel: Annotated[str, Path(pattern=NAME, description="a lasting identity")],
) -> ChannelStatus:
    """Return the latest streams of a channel, and whether one of them is live."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = None
    if caller.sees(channel):
        found = await context.read(context.queries.channel, channel)
    if found is None:
        raise Problem("not_found", f"channel {channel}: no stream of it was ever accepted")
    shown = await _restricted(context, caller, found["streams"])
    return ChannelStatus.model_validate({**found, "streams": shown})


async def _restricted(
    context: WebContext, caller: Caller, documents: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return documents of streams without the labels and incidents that a reader does not see."""
    hidden = hidden_labels(caller)
    if not hidden:
        return list(documents)
    names = [one["stream_id"] for one in documents]
    opened = await context.read(
        context.incidents.count_open, names, without=caller.hidden_categories
    )
    return [
        {**without_labels(one, hidden), "open_incidents": opened.get(one["stream_id"], 0)}
        for one in documents
    ]
