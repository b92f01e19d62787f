"""Health, readiness and metrics of the service."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from scanner.intake.context import WebContext, context_of
from scanner.intake.metrics import CONTENT_TYPE, ServiceReading, render_metrics
from scanner.intake.problems import Problem, problem_responses
from scanner.store.operation_queries import Heartbeat

__all__ = ["operation_routes"]

operation_routes = APIRouter(tags=["operation"])

FRESH_SECONDS: Final = 15.0
"""Age of a heartbeat above which its process counts as dead."""
PROCESSES: Final = ("driver", "delivery")


class Readiness(BaseModel):
    """That every part of the service works."""

    status: str = Field(description="`ready`")


@operation_routes.get("/healthz", response_class=PlainTextResponse)
async def healthz() -> PlainTextResponse:
    """Answer that this process is alive."""
    return PlainTextResponse("ok\n")


@operation_routes.get("/readyz", response_model=Readiness, responses=problem_responses("unready"))
async def readyz(request: Request) -> Response:
    """Answer whether every part of the service works. Segments are accepted even if not."""
    context = context_of(request)
    reasons = await _reasons(context)
    if reasons:
        raise Problem("unready", "; ".join(reasons), retry_after=1, reasons=reasons)
    return JSONResponse({"status": "ready"})


async def _reasons(context: WebContext) -> list[str]:
    """Return why the service is not ready; none if it is."""
    if context.watch.failed_since is not None:
        return ["the journal cannot be read"]
    try:
        beats = await context.read(context.operation.heartbeats)
    except Exception:  # noqa: BLE001 - whatever it is, the journal cannot be read
        return ["the journal cannot be read"]
    now, preparation = context.journal.now(), context.preparation
    found: list[str | None] = []
    if preparation is not None and not preparation.done():
        found.append("the pages are being prepared")
    found += [_problem_of(name, beats.get(name), now) for name in PROCESSES]
    limit = context.settings.retention.refuse_watermark
    if context.watch.now.free_share < limit:
        found.append(f"less than {100 * limit:g} % of the disk are free")
    return [reason for reason in found if reason is not None]


def _problem_of(name: str, beat: Heartbeat | None, now: float) -> str | None:
    if beat is None:
        return f"the process {name} has not started"
    age = now - beat.at
    if age > FRESH_SECONDS:
        return f"the process {name} sent no heartbeat for {age:.0f} s"
    return None


@operation_routes.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=problem_responses("unauthenticated", "forbidden"),
)
async def metrics(request: Request) -> Response:
    """Return metrics in the text format of Prometheus."""
    context = context_of(request)
    context.caller(request, "read")
    observed = context.watch.now
    beats = await context.read(context.operation.heartbeats)
    reading = ServiceReading(
        gauges={
            "segments_waiting": ("Segments without a verdict.", observed.backlog.count),
            "oldest_waiting_seconds": ("Age of the oldest of them.", observed.oldest_age),
            "requests_in_flight": ("Requests being received.", context.in_flight.requests),
            "bytes_in_flight": ("Bytes of them.", context.in_flight.bytes),
            "disk_free_ratio": ("Share of the disk that is free.", observed.free_share),
            "last_backup_timestamp_seconds": (
                "When the latest complete backup was begun, 0 if there is none.",
                await context.read(context.operation.backed_up_at),
            ),
        },
        totals=await context.read(context.operation.totals),
        heartbeats=list(beats.values()),
        alarms=await context.read(context.operation.alarms),
        now=context.journal.now(),
    )
    return Response(render_metrics(context.requests, reading), media_type=CONTENT_TYPE)
