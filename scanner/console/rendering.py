"""Pages and assets of the console: escaped, without inline code, kept by no cache."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from scanner.console.words import draw_risk, duration, lines, wall, words
from scanner.intake.problems import Problem
from scanner.intake.sessions import csrf_token, session_of
from scanner.store.people import Person, Role

__all__ = ["PAGE_HEADERS", "asset", "asset_routes", "lead_to", "prepare_templates", "render"]

PACKAGE: Final = "scanner.console"
ASSETS: Final = "/console/assets"
CONTENT_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    )
)
PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers send forms with the origin null
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

asset_routes = APIRouter(include_in_schema=False)


@asset_routes.get(ASSETS + "/{name}")
async def get_asset(request: Request, name: str) -> Response:
    """Return a style sheet or script of the console, compressed for browsers that take it so; its
    address changes with its content."""
    if name not in _assets():
        raise Problem("not_found", f"asset {name}: is not known")
    body, packed, _ = _assets()[name]
    headers = {
        "Vary": "Accept-Encoding",
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = packed, "gzip"
    return Response(body, media_type=mimetypes.guess_type(name)[0], headers=headers)


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page; templates know ``person``, ``csrf``, ``path``, ``navigation``, ``notices``
    and ``asset`` besides ``values``."""
    session = session_of(request)
    person = None if session is None else session.person
    known = {
        "person": person,
        "csrf": csrf_token(request),
        "path": request.url.path,
        "navigation": () if person is None else _navigation(person),
        "notices": getattr(request.state, "notices", ()),
        "asset": asset,
    }
    page = _environment().get_template(template).render(**{**known, **values})
    headers = dict(PAGE_HEADERS)
    if request.url.scheme == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return HTMLResponse(page, status_code=status, headers=headers)


def lead_to(request: Request, page: str) -> Response:
    """Return the redirect to a page that follows a change; to the script of a page, which cannot
    read where a redirect leads, its address."""
    headers = {"Cache-Control": "no-store"}
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"next": page}, headers=headers)
    return RedirectResponse(page, status_code=303, headers=headers)


def prepare_templates() -> None:
    """Compile all templates, and read all assets."""
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)
    _assets()


def asset(name: str) -> str:
    """Return the address of an asset."""
    return f"{ASSETS}/{name}?v={_assets()[name][2]}"


def _navigation(person: Person) -> tuple[tuple[str, str], ...]:
    """Return the pages that a person may open, with their names."""
    pages = [
        (Role.VIEWER, "/queue", "Queue"),
        (Role.LEAD, "/lead", "Lead"),
        (Role.ADMIN, "/admin/users", "Users"),
        (Role.VIEWER, "/account", "Account"),
    ]
    return tuple((address, text) for role, address, text in pages if person.has_role(role))


@cache
def _assets() -> dict[str, tuple[bytes, bytes, str]]:
    """Return content, compressed content and digest of all assets by name.

    Pages are not compressed: their length would tell of their secrets to one who can add to what
    they show.
    """
    folder, found = files(PACKAGE).joinpath("assets"), {}
    for one in folder.iterdir():
        if one.name.endswith((".css", ".js", ".svg")):
            body = one.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:12]
            found[one.name] = (body, gzip.compress(body, mtime=0), digest)
    return found


@cache
def _environment() -> Any:
    """Return the templates, each of which is compiled when it is used first."""
    from scanner.report.html import page_environment
    from scanner.report.text import clock, count, percent

    filters: dict[str, Callable[..., Any]] = {"clock": clock, "count": count, "percent": percent}
    filters |= {
        "drawn": draw_risk,
        "duration": duration,
        "lines": lines,
        "wall": wall,
        "words": words,
    }
    return page_environment(PACKAGE, filters)
