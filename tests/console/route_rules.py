"""What every route of the application needs of its sender. A new route needs a line here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from scanner.store.people import Role

__all__ = ["RULES", "RouteRule", "routes_of"]

ITEM = "ab"
"""An incident of the category hazard, which is an item too."""


@dataclass(frozen=True, kw_only=True)
class RouteRule:
    """The needs of one route."""

    needs: str
    """nothing, ingest (a key), signature (of the body), or the least role of a person."""
    page: bool = False
    """Whether it is a page: without a session it leads to /login instead of answering 401."""
    send: Mapping[str, Any] = field(default_factory=dict)
    """A valid query or body: what is not valid may be refused before the sender is known."""
    about_item: bool = False
    """Whether it is about the item, which some people may not see."""

    @property
    def role(self) -> Role | None:
        """The least role, or None for what needs no person."""
        return Role(self.needs) if self.needs in tuple(Role) else None


def page(needs: str, **more: Any) -> RouteRule:
    return RouteRule(needs=needs, page=True, **more)


def item(needs: str, **more: Any) -> RouteRule:
    return RouteRule(needs=needs, about_item=True, **more)


INGEST, VIEWER, PUBLIC = RouteRule(needs="ingest"), RouteRule(needs="viewer"), page("nothing")
SIGNAL = {"json": {"name": "report", "ratio": 2, "seconds": 60}}
REASON = {"json": {"reason": "a request"}}
VERDICT = {"json": {"verdict": "no_violation"}}

RULES: Mapping[str, RouteRule] = {
    "GET /openapi.json": PUBLIC,
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": VIEWER,
    "PUT /v1/streams/{stream_id}/segments/{sequence}": INGEST,
    "POST /v1/streams/{stream_id}/segments/{sequence}": RouteRule(
        needs="ingest", send={"json": {"url": "http://192.0.2.1/a.ts"}}
    ),
    "POST /v1/streams/{stream_id}/segments": RouteRule(
        needs="ingest", send={"json": {"url": "http://192.0.2.1/a.ts", "sequence": 0}}
    ),
    "PUT /v1/streams/{stream_id}/init/{init_id}": INGEST,
    "GET /v1/streams/{stream_id}/segments/{sequence}": VIEWER,
    "PUT /v1/streams/{stream_id}": INGEST,
    "POST /v1/streams/{stream_id}/end": INGEST,
    "GET /v1/streams": VIEWER,
    "GET /v1/streams/{stream_id}": VIEWER,
    "GET /v1/streams/{stream_id}/risk": VIEWER,
    "GET /v1/channels/{channel}": VIEWER,
    "POST /v1/images": INGEST,
    "GET /v1/images/{image_id}": VIEWER,
    "GET /v1/incidents": VIEWER,
    "GET /v1/incidents/{incident_id}": item("viewer"),
    "GET /v1/incidents/{incident_id}/clip": item("viewer", send={"params": {"piece": "clip-1"}}),
    "GET /v1/events": VIEWER,
    "PUT /ingest/{channel}/{path:path}": INGEST,
    "POST /ingest/{channel}/{path:path}": INGEST,
    "DELETE /ingest/{channel}/{path:path}": INGEST,
    "POST /v1/streams/{stream_id}/signals": RouteRule(needs="ingest", send=SIGNAL),
    "POST /v1/sources": RouteRule(
        needs="ingest", send={"json": {"url": "https://192.0.2.1/a.m3u8", "channel": "a"}}
    ),
    "GET /v1/sources": VIEWER,
    "DELETE /v1/sources/{source_id}": INGEST,
    "POST /hooks/srs": INGEST,
    "POST /hooks/srs/{secret}": INGEST,
    "POST /hooks/nginx-rtmp": INGEST,
    "POST /hooks/nginx-rtmp/{secret}": INGEST,
    "POST /hooks/ome": RouteRule(needs="signature"),
    "GET /incidents": page("viewer"),
    "GET /incidents/{item_id}": page("viewer"),
    "GET /queue": page("viewer"),
    "GET /queue/rows": page("viewer"),
    "GET /queue/changes": page("viewer"),
    "POST /queue/next": page("moderator"),
    "POST /queue/bulk": page("moderator", send={"data": {"verdict": "no_violation"}}),
    "GET /review/{item_id}": page("viewer", about_item=True),
    "GET /review/{item_id}/live": page("viewer", about_item=True),
    "GET /review/{item_id}/changes": page("viewer", about_item=True),
    "GET /review/{item_id}/media/{piece}": page("viewer", about_item=True),
    "POST /review/{item_id}/claim": page("moderator", about_item=True),
    "POST /review/{item_id}/skip": page("moderator", about_item=True),
    "POST /review/{item_id}/decide": page(
        "moderator", about_item=True, send={"data": {"verdict": "no_violation"}}
    ),
    "POST /review/{item_id}/undo": page("moderator", about_item=True),
    "POST /review/{item_id}/assign": page("lead", about_item=True),
    "POST /review/{item_id}/view": page(
        "viewer", about_item=True, send={"data": {"switch": "blur", "value": "on"}}
    ),
    "POST /review/{item_id}/shown": page("viewer", about_item=True),
    "GET /console/assets/{name}": PUBLIC,
    "GET /login": PUBLIC,
    "POST /login": PUBLIC,
    "GET /login/once": PUBLIC,
    "POST /login/once": PUBLIC,
    "POST /login/setup": PUBLIC,
    "GET /": page("viewer"),
    "POST /logout": page("viewer"),
    "GET /account": page("viewer"),
    "POST /account/password": page("viewer"),
    "POST /account/preferences": page("viewer"),
    "POST /account/sessions": page("viewer", send={"data": {"session": "none"}}),
    "GET /account/confirm": page("viewer"),
    "POST /account/confirm": page("viewer"),
    "GET /account/second-factor": page("viewer"),
    "POST /account/second-factor": page("viewer"),
    "POST /account/second-factor/remove": page("viewer"),
    "GET /lead": page("lead"),
    "POST /lead": page("lead"),
    "GET /v1/reviews/figures": RouteRule(needs="lead"),
    "GET /v1/reviews/near-misses": RouteRule(needs="lead"),
    "GET /v1/reviews/unsent": RouteRule(needs="lead"),
    "POST /v1/reviews/{item_id}/send": item("lead", send={"json": {}}),
    "POST /review/{item_id}/send": page("lead", about_item=True),
    "POST /v1/reviews/what-if": RouteRule(needs="lead", send={"json": {"policy": ""}}),
    "GET /admin/users": page("admin"),
    "POST /admin/users": page("admin"),
    "GET /admin/users/{user_id}": page("admin"),
    "POST /admin/users/{user_id}": page("admin"),
    "POST /admin/users/{user_id}/disable": page("admin"),
    "POST /admin/users/{user_id}/enable": page("admin"),
    "POST /admin/users/{user_id}/reset": page("admin"),
    "POST /v1/streams/{stream_id}/removal": RouteRule(needs="lead", send=REASON),
    "POST /v1/channels/{channel}/removal": RouteRule(needs="lead", send=REASON),
    "GET /v1/removals": RouteRule(needs="lead"),
    "PUT /v1/holds/{kind}/{name}": RouteRule(needs="lead", send=REASON),
    "DELETE /v1/holds/{kind}/{name}": RouteRule(needs="lead"),
    "GET /v1/holds": RouteRule(needs="lead"),
    "GET /v1/reviews": VIEWER,
    "GET /v1/reviews/counts": VIEWER,
    "POST /v1/reviews/next": RouteRule(needs="moderator"),
    "GET /v1/reviews/{item_id}": item("viewer"),
    "POST /v1/reviews/{item_id}/claim": item("moderator"),
    "POST /v1/reviews/{item_id}/release": item("viewer"),
    "POST /v1/reviews/{item_id}/assign": item("lead", send={"json": {"person": None}}),
    "POST /v1/incidents/{item_id}/decisions": item("moderator", send=VERDICT),
    "POST /v1/reviews/{item_id}/undo": item("moderator"),
    "POST /v1/decisions": RouteRule(
        needs="viewer", send={"json": {"verdict": "no_violation", "items": ["00"]}}
    ),
    "GET /v1/decisions": VIEWER,
}
"""``POST /v1/decisions`` answers for each item, and refuses those of which the sender may not
decide."""

_NAMES = {
    "incident_id": ITEM,
    "item_id": ITEM,
    "sequence": "0",
    "source_id": "0a1b2c3d",
    "name": "console.css",
    "piece": "clip-1",
    "kind": "stream",
    "path:path": "index.m3u8",
}


def routes_of(app: Any) -> Iterator[str]:
    """Yield method and path of every route of an application, whatever router it came with."""
    for method, path in _walk(app.routes):
        if method != "HEAD":
            yield f"{method} {path}"


def address_of(path: str) -> str:
    """Return an address of a route."""
    for name in [part.partition("}")[0] for part in path.split("{")[1:]]:
        path = path.replace(f"{{{name}}}", _NAMES.get(name, "x"))
    return path


def _walk(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        if hasattr(inner, "routes"):
            yield from _walk(inner.routes)
            continue
        for method in route.methods or {"ANY"}:
            yield method, route.path
