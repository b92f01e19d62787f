"""The application of the web process: the HTTP interface of the intake, and the review console.

Errors of its pages are pages, those of the API are documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, FastAPI
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
from scanner.intake.app import create_app
from scanner.intake.failures import headers_of, problem_of
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
    app = create_app(settings, journal, objects, further=ROUTES, prepare=prepare_pages, **limits)
    app.add_exception_handler(SignInNeededError, answer_sign_in)
    app.add_exception_handler(SecondFactorNeededError, answer_second_factor)
    app.add_exception_handler(ConfirmationNeededError, answer_confirmation)
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(HTTPException, _answer_http)
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
    answer = await _answer_problem(request, problem_of(request, error))
    answer.headers.update(headers_of(request, error))
    return answer


def _wants_page(request: Request) -> bool:
    """Return whether an error is shown to a person."""
    accepted = request.headers.get("accept", "")
    return not request.url.path.startswith("/v1/") and "text/html" in accepted
