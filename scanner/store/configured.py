"""The policies that a configuration generation recorded, as readers of its row get them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from scanner.risk.policy import matches_channel
from scanner.store.schema import configurations

__all__ = ["latest_policies", "policies_of_generation", "policies_on_channel"]


def policies_on_channel(
    body: Mapping[str, Any], channel: str | None
) -> Mapping[str, Mapping[str, Any]]:
    """Return the values of each label's policy on a channel, from the body of a configuration; none
    where it did not record them."""
    common: Mapping[str, Mapping[str, Any]] = body.get("labels", {})
    for one in body.get("channels", ()):
        if channel is not None and matches_channel(channel, one["match"]):
            return {**common, **one["labels"]}
    return common


def policies_of_generation(
    connection: Connection, generation: int, channel: str | None
) -> Mapping[str, Mapping[str, Any]]:
    """Return the policies of one generation on a channel."""
    body = connection.execute(
        select(configurations.c.body).where(configurations.c.generation == generation)
    ).scalar_one_or_none()
    return {} if body is None else policies_on_channel(json.loads(body), channel)


def latest_policies(connection: Connection, channel: str | None) -> Mapping[str, Mapping[str, Any]]:
    """Return the policies in force on a channel."""
    body = connection.execute(
        select(configurations.c.body).order_by(configurations.c.generation.desc()).limit(1)
    ).scalar_one_or_none()
    return {} if body is None else policies_on_channel(json.loads(body), channel)
