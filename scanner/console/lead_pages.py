"""The page of a lead: throughput, quality, what waits, near misses, and policies tried out."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from scanner.console.lead_figures import (
    WANTED_CLEARED,
    WANTED_SECONDS,
    LeadFigures,
    lead_figures,
)
from scanner.console.precision import PrecisionRow
from scanner.console.queue_pages import people_names
from scanner.console.rendering import render
from scanner.console.reviewing import sight_of, taxonomy_labels
from scanner.console.session import (
    Person,
    Role,
    check_csrf,
    console_router,
    form_of,
    require_role,
)
from scanner.console.unsent_pages import read_unsent, sent_notice
from scanner.intake.context import WebContext, context_of
from scanner.intake.parameters import FrozenInput, example
from scanner.intake.problems import Problem, problem_responses
from scanner.store.lead_queries import LeadQueries

__all__ = ["lead_api", "lead_routes"]

lead_routes = console_router()
lead_api = APIRouter(prefix="/v1/reviews", tags=["reviews"], dependencies=[Depends(check_csrf)])

DAY: Final = 86400.0
PERIODS: Final = {"1h": 3600.0, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY}
STEPS: Final = {"1h": 600.0, "1d": 10800.0, "7d": DAY, "30d": DAY, "90d": 7 * DAY}
"""Seconds of each part of a period, for figures over time."""
REPLAY_SECONDS: Final = 300.0
"""Longest time of a comparison of policies."""
MOST_TEXT: Final = 20_000
_READ = ("unauthenticated", "forbidden", "invalid_request")
_comparing = asyncio.Semaphore(1)


class PeriodQuery(FrozenInput):
    """The time up to now that figures are about."""

    period: Literal["1h", "1d", "7d", "30d", "90d"] = "7d"


class PolicyTrial(
    PeriodQuery, json_schema_extra=example(period="7d", policy="[policy.fire]\nopen = 4.0\n")
):
    """Changes to policies that are tried out on what was recorded."""

    policy: Annotated[str, Field(max_length=MOST_TEXT)] = Field(
        description="TOML in the form of a settings file: `[policy.fire]` with `open = 4.0`"
    )


@lead_routes.get("/lead")
async def show_lead(request: Request) -> Response:
    """Show the figures of the team."""
    person = require_role(request, Role.LEAD)
    return await _page(request, person, request.query_params.get("period", "7d"))


@lead_routes.post("/lead")
async def try_policy(request: Request) -> Response:
    """Show what other policies would have done."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    form = await form_of(request)
    text, period = form.text("policy")[:MOST_TEXT], form.text("period", "7d")
    try:
        result = await _compare(context, person, text, period)
    except Problem as problem:
        return await _page(request, person, period, text=text, refusal=problem.detail)
    return await _page(request, person, period, text=text, result=result)


@lead_api.get("/figures", responses=problem_responses(*_READ))
async def get_figures(request: Request, which: Annotated[PeriodQuery, Query()]) -> dict[str, Any]:
    """Return throughput, times and precision of decisions; for leads."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    figures = await _figures(context, person, which.period)
    return {
        "decided": figures.decided,
        "by_people": figures.by_people,
        "cleared_share": figures.cleared_share,
        "median_seconds": figures.median_seconds,
        "slow_seconds": figures.slow_seconds,
        "in_time_share": figures.in_time,
        "stream_hours": figures.hours,
        "false_per_stream_hour": figures.false_per_hour,
        "coverage": figures.coverage,
        "precision": [_precision_document(row) for row in figures.precision],
        "precision_over_time": [
            {"since": point.since, **_precision_document(point)}
            for series in figures.over_time
            for point in series.points
        ],
    }


@lead_api.get("/near-misses", responses=problem_responses(*_READ))
async def get_near_misses(
    request: Request, which: Annotated[PeriodQuery, Query()]
) -> list[dict[str, Any]]:
    """List the highest scores of labels that opened no incident; for leads."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    return await _near_misses(context, person, which.period)


@lead_api.post("/what-if", responses=problem_responses(*_READ, "busy"))
async def compare(request: Request, given: PolicyTrial) -> dict[str, Any]:
    """Return the incidents that other policies gain, lose and move on what was recorded; for
    leads."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    return await _compare(context, person, given.policy, given.period)


def _precision_document(row: PrecisionRow) -> dict[str, Any]:
    return {
        "label": row.label,
        "generations": list(row.generations),
        "violations": row.violations,
        "decided": row.decided,
        "share": row.share,
        "interval": list(row.interval),
    }


async def _page(request: Request, person: Person, period: str, **more: Any) -> Response:
    context = context_of(request)
    period = period if period in PERIODS else "7d"
    queries = LeadQueries(context.journal)
    severe = await context.read(queries.waiting_severe, sight_of(person))
    values = {
        "period": period,
        "periods": tuple(PERIODS),
        "part": STEPS[period],
        "figures": await _figures(context, person, period),
        "severe": severe,
        "counts": await context.read(context.review_queries.counts, sight_of(person)),
        "misses": (await _near_misses(context, person, period))[:15],
        "unsent": await read_unsent(context, person),
        "sent": sent_notice(request),
        "names": await people_names(context),
        "now": context.journal.now(),
        "wait_limit": context.settings.review.severe_wait_seconds,
        "wanted_seconds": WANTED_SECONDS,
        "wanted_cleared": WANTED_CLEARED,
        "text": "",
        "result": None,
        "refusal": None,
    }
    return render(request, "lead.html", **{**values, **more})


async def _figures(context: WebContext, person: Person, period: str) -> LeadFigures:
    queries, now, sight = LeadQueries(context.journal), context.journal.now(), sight_of(person)
    since = now - PERIODS[period]
    verdicts = await context.read(queries.verdicts, sight, since=since)
    seen = await context.read(queries.seen, sight, since=since)
    return lead_figures(verdicts, seen, since=since, until=now, step=STEPS[period])


async def _near_misses(context: WebContext, person: Person, period: str) -> list[dict[str, Any]]:
    since = context.journal.now() - PERIODS[period]
    hidden = person.hidden_categories
    return await context.read(
        LeadQueries(context.journal).near_misses,
        sight_of(person),
        since=since,
        without=[label for label, category in taxonomy_labels().items() if category in hidden],
    )


async def _compare(context: WebContext, person: Person, text: str, period: str) -> dict[str, Any]:
    """Run the comparison in a process of its own.

    Raises:
        Problem: ``invalid_request``, or ``busy`` while another one runs or if it takes too long.
    """
    if _comparing.locked():
        raise Problem("busy", "another comparison runs; try again when it is over")
    since = context.journal.now() - PERIODS.get(period, PERIODS["7d"])
    await context.audit(person, "what_if", "", period=period)
    async with _comparing:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "scanner.console.what_if"),
            *("--data", str(context.settings.data), "--since", str(since)),
            *("--channels", json.dumps(None if person.channels is None else [*person.channels])),
            *("--hidden", json.dumps([*person.hidden_categories])),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(REPLAY_SECONDS):
                output, _ = await process.communicate(text.encode())
        except TimeoutError as error:
            raise Problem("busy", f"the comparison took over {REPLAY_SECONDS:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    result: dict[str, Any] = json.loads(output or b"{}")
    if "error" in result or not result:
        raise Problem("invalid_request", result.get("error", "the comparison failed"))
    return result
