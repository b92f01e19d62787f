"""Every request ends with an answer, a log line and a count, also if it fails."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scanner.errors import TransientError
from scanner.intake.parameters import NAME
from scanner.intake.problems import Problem, problem_response
from scanner.validation import UNKNOWN_KEY, suggest_key

__all__ = [
    "AnswerProblem",
    "RequestLog",
    "add_failures",
    "headers_of",
    "problem_of",
    "transient_problem",
    "transient_response",
]

AnswerProblem = Callable[[Request, Problem], Awaitable[Response]]
"""Makes the answer to a request that failed."""

_log = structlog.get_logger(__name__)
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestLog:
    """Gives each request an id; counts it and writes one line about it when it has ended."""

    def __init__(self, app: ASGIApp, answer: AnswerProblem | None = None) -> None:
        """``answer`` makes the answer to a request that failed; None for a document."""
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request, and log its line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status, request_id = time.monotonic(), 0, _request_id(scope)
        scope["state"]["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = 408 if scope["state"].get("timed_out") else 499
        except Exception as error:  # noqa: BLE001 - every request has an answer
            _log.error("request failed", request_id=request_id, exc_info=error)
            if status == 0:
                answer = await self._answer_defect(Request(scope))
                await answer(scope, receive, send_with_id)
        finally:
            _report(scope, status or 499, time.monotonic() - begun)

    async def _answer_defect(self, request: Request) -> Response:
        problem = Problem("internal", "see the log of the service")
        if self._answer is not None:
            try:
                return await self._answer(request, problem)
            except Exception as error:  # noqa: BLE001 - a page that cannot be made is a document
                _log.error("no page of an error", request_id=_id_of(request), exc_info=error)
        return problem_response(problem, _id_of(request))


def _request_id(scope: Scope) -> str:
    """Return the sender's id of a request if it is harmless, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return secrets.token_hex(8)


def _report(scope: Scope, status: int, seconds: float) -> None:
    """Count a request, and write its line."""
    state = scope["state"]
    facts: dict[str, Any] = state.get("facts", {})
    route = getattr(scope.get("route"), "path", "")
    state["context"].requests.count(
        method=scope["method"] if route else "",
        route=route,
        status=status,
        seconds=seconds,
        size=facts.get("bytes", 0),
    )
    if scope["path"] in _SILENT and status < 400:
        return
    _log.info(
        "request",
        request_id=state["request_id"],
        method=scope["method"],
        path=without_keys(scope["path"]),
        status=status,
        milliseconds=round(1000 * seconds, 1),
        **facts,
    )


def without_keys(path: str) -> str:
    """Return a path without the secrets of API keys in it.

    >>> without_keys("/ingest/tv/sw_0a1b2c3d_secret/index.m3u8")
    '/ingest/tv/sw_0a1b2c3d_***/index.m3u8'
    """
    return _KEY_IN_PATH.sub(r"\1***", path) if "sw_" in path else path


_KEY_IN_PATH: Final = re.compile(r"(sw_[^_/]*_)[^/]+")
_SILENT: Final = frozenset({"/healthz", "/readyz", "/metrics"})


def add_failures(app: FastAPI) -> None:
    """Answer every error as a document."""
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(TransientError, _answer_transient)
    app.add_exception_handler(ClientDisconnect, _pass_on)


def _id_of(request: Request) -> str:
    return str(request.scope["state"].get("request_id", ""))


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error, _id_of(request))


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    known = _names_of(request)
    found = [
        {"where": ".".join(map(str, one["loc"])), "message": _describe_invalid(one, known)}
        for one in error.errors()
    ]
    detail = "; ".join(f"{one['where']}: {one['message']}" for one in found)
    return problem_response(Problem("invalid_request", detail, errors=found), _id_of(request))


def _describe_invalid(error: Mapping[str, Any], known: Iterable[str]) -> str:
    """Return what is wrong with a part of a request, without the value, which may be a secret."""
    if error["type"] in UNKNOWN_KEY:
        return f"not known here{suggest_key(str(error['loc'][-1]), known)}"
    if error.get("ctx", {}).get("pattern") == NAME:
        return "a name of 1 to 200 letters, digits and ._~@:+=- is wanted, without a dot in front"
    message: str = error["msg"]
    return _MESSAGES.get(error["type"], message.removeprefix("Value error, "))


_OBJECT: Final = "a JSON object is wanted, with the header Content-Type: application/json"
_MESSAGES: Final = {
    "missing": "is missing",
    "model_attributes_type": _OBJECT,
    "int_parsing": "a whole number is wanted",
    "timezone_aware": "a time with an offset is wanted, such as 2026-11-29T17:20:00Z",
}
"""What the framework says in words of its own."""


def _names_of(request: Request) -> set[str]:
    """Return the names that the query and the document of a request may have."""
    document = request.app.openapi()
    route = request.scope["route"]
    operation = document["paths"].get(route.path_format, {}).get(request.method.lower(), {})
    names = {one["name"] for one in operation.get("parameters", ())}
    body = json.dumps(operation.get("requestBody", {}))
    for schema in re.findall(r"#/components/schemas/(\w+)", body):
        names |= document["components"]["schemas"][schema]["properties"].keys()
    return names


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem_response(problem_of(request, error), _id_of(request))
    answer.headers.update(headers_of(request, error))
    return answer


def headers_of(request: Request, error: HTTPException) -> dict[str, str]:
    """Return the headers of the answer to an error of the framework. ``Allow`` has all documented
    methods of the address; Starlette names those of its first route."""
    headers = dict(error.headers or {})
    if error.status_code == 405 and (methods := _methods_of(request)):
        headers["Allow"] = ", ".join(methods)
    return headers


def _methods_of(request: Request) -> list[str]:
    for template, methods in request.app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), request.url.path):
            return sorted(method.upper() for method in methods)
    return []


def problem_of(request: Request, error: HTTPException) -> Problem:
    """Return an error of the framework as one of ours."""
    if error.status_code == 404:
        return Problem(
            "not_found", "no such address; /openapi.json lists all, and names in them have no slash"
        )
    if error.status_code == 405:
        allowed = headers_of(request, error).get("Allow", "")
        return Problem("method_not_allowed", f"no {request.method} here, but {allowed}")
    return Problem("invalid_request", str(error.detail))


async def _answer_transient(request: Request, error: Exception) -> Response:
    return transient_response(error, _id_of(request))


def transient_response(error: Exception, request_id: str) -> Response:
    """Return the answer to a request that a ``TransientError`` ended."""
    return problem_response(transient_problem(error), request_id)


def transient_problem(error: Exception) -> Problem:
    """Return a ``TransientError`` as an error of the HTTP interface."""
    return Problem("journal_busy", str(error), retry_after=1)


async def _pass_on(request: Request, error: Exception) -> Response:
    raise error
