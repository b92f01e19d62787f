"""The application: routes, errors, and what requests share while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware import Middleware

from scanner.errors import TransientError
from scanner.intake.answers import ProblemDocument
from scanner.intake.context import WebContext
from scanner.intake.events import event_routes
from scanner.intake.failures import AnswerProblem, RequestLog, add_failures
from scanner.intake.fast_path import SegmentFastPath
from scanner.intake.hooks import hook_routes
from scanner.intake.images import image_routes
from scanner.intake.incidents import incident_routes
from scanner.intake.limits import IntakeLimits
from scanner.intake.operation import operation_routes
from scanner.intake.push import push_routes
from scanner.intake.segments import segment_routes
from scanner.intake.sessions import SessionReader
from scanner.intake.sources import source_routes
from scanner.intake.streams import stream_routes
from scanner.settings.service import ServiceSettings
from scanner.sources.limits import FetchLimits
from scanner.store.database import Journal
from scanner.store.objects import ObjectStore

__all__ = ["create_app"]

log = structlog.get_logger(__name__)

ROUTES: Final = (
    segment_routes,
    stream_routes,
    image_routes,
    incident_routes,
    event_routes,
    push_routes,
    hook_routes,
    source_routes,
    operation_routes,
)
DESCRIBED: Final[Mapping[str, Any]] = {
    "title": "Streamwarden",
    "version": "1",
    "description": "Content-safety scanner for live video: segments in, incidents out.",
}
"""How the OpenAPI document names the interface."""


def create_app(
    settings: ServiceSettings,
    journal: Journal,
    objects: ObjectStore,
    *,
    limits: IntakeLimits | None = None,
    fetch_limits: FetchLimits | None = None,
    further: Sequence[APIRouter] = (),
    prepare: Callable[[WebContext], None] | None = None,
    answer: AnswerProblem | None = None,
) -> FastAPI:
    """Return the HTTP interface of the service, with ``further`` routes that share its context; it
    opens its threads when a server starts it, and is ready once ``prepare`` is over. A request that
    fails because of a defect is answered by ``answer``."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, WebContext]]:
        context = WebContext(
            settings=settings,
            limits=limits or IntakeLimits(),
            fetch_limits=fetch_limits or FetchLimits(),
            journal=journal,
            objects=objects,
        )
        async with _open(context, prepare):
            yield {"context": context}

    app = FastAPI(
        **DESCRIBED,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # it looks at each request
        middleware=_middleware(answer),
    )
    _add_routes(app, (*ROUTES, *further))
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _middleware(answer: AnswerProblem | None) -> list[Middleware]:
    log_requests = Middleware(RequestLog, answer=answer)
    return [log_requests, Middleware(SessionReader), Middleware(SegmentFastPath)]


@asynccontextmanager
async def _open(
    context: WebContext, prepare: Callable[[WebContext], None] | None
) -> AsyncIterator[None]:
    """Prepare what is to be prepared while requests are answered, and close the context."""
    if prepare is not None:
        context.preparation = asyncio.create_task(_prepare(context, prepare))
    try:
        yield
    finally:
        if context.preparation is not None:
            await asyncio.wait([context.preparation])
        context.close()


async def _prepare(context: WebContext, prepare: Callable[[WebContext], None]) -> None:
    """Prepare what is slow the first time; where that fails it is slow once."""
    try:
        await context.read(prepare, context)
    except TransientError as error:
        log.warning("pages are not prepared", error=type(error).__name__, detail=str(error))


def _add_routes(app: FastAPI, all_routes: Sequence[APIRouter]) -> None:
    for routes in all_routes:
        app.include_router(routes)
    add_failures(app)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with errors and keys as they are."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            servers=[{"url": "/"}],
        )
        _drop_validation_errors(document)
        schemas = document["components"]["schemas"]
        schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "basic": {"type": "http", "scheme": "basic", "description": "the key as password"},
        }
        document["security"] = [{"bearer": []}, {"basic": []}, {}]
        app.openapi_schema = document
    return app.openapi_schema


def _drop_validation_errors(document: dict[str, Any]) -> None:
    """Remove the framework's own form of an invalid request, which is never answered, and every
    answer that it adds by itself."""
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in content:
                del operation["responses"]["422"]
