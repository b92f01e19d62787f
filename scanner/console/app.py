"""The application of the web process: the HTTP interface of the intake, and the review console.

Errors of its pages are pages, those of the API are documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from scanner.console.account_pages import account_routes
from scanner.console.admin_pages import admin_routes
from scanner.console.change_streams import change_routes
from scanner.console.item_pages import item_routes
from scanner.console.lead_pages import lead_api, lead_routes
from scanner.console.login_pages import login_routes, logout_routes
from scanner.console.preparing import prepare_pages
from scanner.console.queue_pages import queue_routes
from scanner.console.records_api import record_routes
from scanner.console.rendering import asset_routes, render
from scanner.console.review_api import review_routes
from scanner.console.review_media import media_routes
from scanner.console.session import (
    ConfirmationNeededError,
    SecondFactorNeededError,
    SignInNeededError,
    answer_confirmation,
    answer_second_factor,
    answer_sign_in,
)
from scanner.console.unsent_pages import unsent_api, unsent_routes
from scanner.errors import TransientError
from scanner.intake.app import create_app
from scanner.intake.failures import headers_of, problem_of, transient_problem
from scanner.intake.problems import Problem, problem_response
from scanner.settings.service import ServiceSettings
from scanner.store.database import Journal
from scanner.store.objects import ObjectStore

__all__ = ["create_web_app"]

HEADINGS: Final[Mapping[str, str]] = {
    "forbidden": "You may not do this",
    "not_found": "This page or item does not exist",
    "method_not_allowed": "This page does not take that",
    "too_large": "This is too long",
    "invalid_request": "This cannot be done as it was asked",
    "busy": "Too much at once",
    "gone": "This is no longer kept",
    "not_ready": "This is still being made",
    "journal_busy": "The service is busy",
    "disk_full": "The disk of the service is nearly full",
    "internal": "The service has a defect",
}
"""Headings of errors as pages say them to a person; others have those of the HTTP interface."""

NO_PAGE: Final = "Check the address, or start from the queue."

ROUTES: Final[tuple[APIRouter, ...]] = (
    asset_routes,
    lead_api,
    unsent_api,
    unsent_routes,
    review_routes,
    record_routes,
    lead_routes,
    queue_routes,
    item_routes,
    change_routes,
    media_routes,
    login_routes,
    logout_routes,
    account_routes,
    admin_routes,
)


def create_web_app(
    settings: ServiceSettings, journal: Journal, objects: ObjectStore, **limits: Any
) -> FastAPI:
    """Return the whole HTTP interface; ``limits`` are those of ``create_app``."""
    app = create_app(
        settings,
        journal,
        objects,
        further=ROUTES,
        prepare=prepare_pages,
        answer=_answer_problem,
        **limits,
    )
    app.add_exception_handler(SignInNeededError, answer_sign_in)
    app.add_exception_handler(SecondFactorNeededError, answer_second_factor)
    app.add_exception_handler(ConfirmationNeededError, answer_confirmation)
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(TransientError, _answer_transient)
    of_documents = app.exception_handlers[RequestValidationError]

    async def answer_invalid(request: Request, error: Exception) -> Response:
        if not _wants_page(request):
            return cast("Response", await cast("Any", of_documents)(request, error))
        return await _answer_problem(request, Problem("not_found", NO_PAGE))

    app.add_exception_handler(RequestValidationError, answer_invalid)
    return app


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    request_id = str(request.scope["state"].get("request_id", ""))
    if not _wants_page(request):
        return problem_response(error, request_id)
    kind = error.type
    page = render(
        request,
        "problem.html",
        status=kind.status,
        number=kind.status,
        heading=HEADINGS.get(kind.name, kind.title),
        detail=error.detail,
        retryable=kind.retryable,
        request_id=request_id,
    )
    if error.retry_after is not None:
        page.headers["Retry-After"] = str(error.retry_after)
    return page


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = problem_of(request, error)
    if problem.type.name == "not_found" and _wants_page(request):
        problem = Problem("not_found", NO_PAGE)
    answer = await _answer_problem(request, problem)
    answer.headers.update(headers_of(request, error))
    return answer


async def _answer_transient(request: Request, error: Exception) -> Response:
    return await _answer_problem(request, transient_problem(error))


def _wants_page(request: Request) -> bool:
    """Return whether an error is shown to a person."""
    accepted = request.headers.get("accept", "")
    return not request.url.path.startswith("/v1/") and "text/html" in accepted
