"""A receiver believes a webhook only if it comes from the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from scanner.client.webhooks import read_webhook
from scanner.errors import InputError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type": "incident.opened", "timestamp": "2026-11-29T17:20:00Z", "data": {"id": "i"}}'


def signed(at: datetime, body: str = BODY) -> dict[str, str]:
    return {
        "Webhook-Id": "i-0",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(SECRET).sign("i-0", at, body),
    }


def test_a_webhook_with_a_valid_signature_is_read() -> None:
    webhook = read_webhook(BODY.encode(), signed(datetime.now(UTC)), SECRET)

    assert (webhook.message_id, webhook.kind) == ("i-0", "incident.opened")
    assert webhook.data == {"id": "i"}


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_one_without_a_header_is_refused(name: str) -> None:
    headers = signed(datetime.now(UTC))
    del headers[name]

    with pytest.raises(InputError):
        read_webhook(BODY.encode(), headers, SECRET)


def test_changed_bytes_other_secrets_and_old_messages_are_refused() -> None:
    now = datetime.now(UTC)
    other = "whsec_" + "A" * 32

    for body, headers, secret in (
        (BODY.replace('"i"', '"j"'), signed(now), SECRET),
        (BODY, signed(now), other),
        (BODY, signed(now - timedelta(minutes=6)), SECRET),
        ("not json", signed(now, "not json"), SECRET),
        ("[1]", signed(now, "[1]"), SECRET),
    ):
        with pytest.raises(InputError):
            read_webhook(body.encode(), headers, secret)
