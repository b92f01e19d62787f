"""The application: routes, errors, and what requests share while it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from scanner.intake.context import WebContext
from scanner.intake.failures import RequestLog, add_failures
from scanner.intake.segments import segment_routes
from scanner.settings.service import ServiceSettings
from scanner.sources.limits import FetchLimits
from scanner.store.database import Journal
from scanner.store.objects import ObjectStore

__all__ = ["create_app"]


def create_app(
    settings: ServiceSettings,
    journal: Journal,
    objects: ObjectStore,
    *,
    limits: FetchLimits | None = None,
) -> FastAPI:
    """Return the HTTP interface of the service; it opens its threads when a server starts it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.context = context = WebContext(
            settings=settings, limits=limits or FetchLimits(), journal=journal, objects=objects
        )
        try:
            yield
        finally:
            context.close()

    app = FastAPI(
        title="Streamwarden",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(RequestLog)],
    )
    app.add_api_route("/healthz", _healthz, tags=["operation"])
    app.include_router(segment_routes)
    add_failures(app)
    return app


async def _healthz() -> PlainTextResponse:
    """Answer that the process is alive."""
    return PlainTextResponse("ok\n")
