"""The body of a webhook: one revision of an incident, or one decision about it, without pixels.

``webhook.schema.json`` beside this module is its JSON schema. The same revision always has the same
body and the same id, however often it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from scanner.rational import load_optional
from scanner.store.decision_effects import DueDecision
from scanner.store.decision_events import OutgoingDecision
from scanner.store.effects import DueEffect
from scanner.store.incident_queries import severity_document

__all__ = [
    "MOST_BYTES",
    "decision_body",
    "decision_data",
    "decision_message_id",
    "incident_data",
    "rfc3339",
    "webhook_body",
    "webhook_id",
]

MOST_BYTES: Final = 20_000
"""Size of a payload that the specification of Standard Webhooks advises not to exceed."""
MOST_LABELS: Final = 64
"""Labels that a payload lists."""


def webhook_id(effect: DueEffect) -> str:
    """Return the id by which a receiver recognizes a repeated delivery."""
    return f"{effect.incident_id}-{effect.revision}"


def webhook_body(effect: DueEffect, *, public_url: str = "") -> str:
    """Return the JSON that is sent; links begin with ``public_url``."""
    body = {
        "type": f"incident.{effect.kind}",
        "timestamp": rfc3339(effect.revised_at),
        "data": incident_data(effect.incident, channel=effect.channel, public_url=public_url),
    }
    return json.dumps(body, separators=(",", ":"), allow_nan=False)


def incident_data(
    incident: Mapping[str, Any], *, channel: str | None, public_url: str = ""
) -> dict[str, Any]:
    """Return an incident's JSON as readers of the service get it: times in stream seconds, rounded
    and exact."""
    times = {name: incident[name] for name in ("start", "opened", "end")}
    base = public_url.rstrip("/")
    return {
        "id": incident["id"],
        "revision": incident["revision"],
        "stream_id": incident["stream_id"],
        "channel": channel,
        "label": incident["label"],
        "labels": list(incident["labels"][:MOST_LABELS]),
        "category": incident["category"],
        **severity_document(incident),
        "risk": incident["peak"],
        **{name: _load_seconds(pair) for name, pair in times.items()},
        "exact": times,
        "reason": incident["reason"],
        "links": {
            "incident": f"{base}/v1/incidents/{incident['id']}",
            "page": f"{base}/incidents/{incident['id']}",
        },
    }


def decision_message_id(effect: DueDecision) -> str:
    """Return the id by which a receiver recognizes a repeated delivery of a decision."""
    return f"decision-{effect.decision['decision_id']}"


def decision_body(effect: DueDecision, *, public_url: str = "") -> str:
    """Return the JSON that is sent of a decision."""
    body = {
        "type": f"decision.{effect.decision['kind']}",
        "timestamp": rfc3339(effect.decision["created_at"]),
        "data": decision_data(effect, public_url=public_url),
    }
    return json.dumps(body, separators=(",", ":"), allow_nan=False)


def decision_data(facts: OutgoingDecision, *, public_url: str = "") -> dict[str, Any]:
    """Return a decision as receivers and readers of events get it: what was decided about what, and
    an opaque id of who decided; no name, no address and no note."""
    decision, item = facts.decision, facts.item
    base = public_url.rstrip("/")
    return {
        "id": decision["decision_id"],
        "undoes": decision["ended_id"],
        "verdict": decision["verdict"],
        "reason": decision["reason"],
        "decided_by": {"kind": decision["by"], "reviewer": decision["reviewer"]},
        "item": {
            "id": item["item_id"],
            "kind": item["kind"],
            "stream_id": item["stream_id"],
            "channel": item["channel"],
            "label": item["label"],
            "labels": list(item["labels"][:MOST_LABELS]),
            "category": item["category"],
            "severity": item["severity"],
        },
        "links": {
            "item": f"{base}/v1/reviews/{item['item_id']}",
            "page": f"{base}/review/{item['item_id']}",
        },
    }


def rfc3339(seconds: float) -> str:
    """Return a wall-clock time in UTC.

    >>> rfc3339(0.25)
    '1970-01-01T00:00:00.250000Z'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _load_seconds(pair: list[int] | None) -> float | None:
    value = load_optional(pair)
    return None if value is None else round(float(value), 3)
