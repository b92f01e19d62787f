"""The receiver's side of webhooks: verify that a request comes from the service, and read it.

>>> from scanner.client.webhooks import read_webhook
>>> def handle(body: bytes, headers: dict[str, str]) -> None:
...     webhook = read_webhook(body, headers, secret="whsec_...")
...     if webhook.kind == "incident.opened":
...         print(webhook.message_id, webhook.data["label"])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from scanner.errors import InputError

__all__ = ["ReceivedWebhook", "read_webhook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedWebhook:
    """A webhook whose signature is valid."""

    message_id: str
    """The same for every delivery of one message: a receiver that knows it ignores it."""
    kind: str
    """Such as ``incident.opened`` or ``decision.made``."""
    timestamp: str
    """When it happened, as RFC 3339 writes it."""
    data: dict[str, Any]
    """The incident, or the decision; ``scanner/delivery/webhook.schema.json`` is the schema."""


def read_webhook(body: bytes, headers: Mapping[str, str], secret: str) -> ReceivedWebhook:
    """Return a webhook, given the body and headers of a request exactly as they came.

    Raises:
        InputError: its signature is not valid, or it is older than five minutes. Answer 400: the
            service sends it again.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        document = Webhook(secret).verify(body, lower)
        return ReceivedWebhook(
            message_id=lower["webhook-id"],
            kind=document["type"],
            timestamp=document["timestamp"],
            data=document["data"],
        )
    except (WebhookVerificationError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"webhook: {error}") from error
