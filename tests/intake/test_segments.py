"""A segment that was acknowledged is there, and is there once."""

from __future__ import annotations

from tests.intake.conftest import RunningService

TS = (b"\x47" + bytes(187)) * 20


def test_a_segment_is_acknowledged_once_it_is_durable(service: RunningService) -> None:
    answer = service.client.put("/v1/streams/a/segments/0", content=TS)

    assert answer.status_code == 202
    assert answer.json()["state"] == "accepted"
    state = service.client.get("/v1/streams/a/segments/0").json()
    assert (state["state"], state["bytes"]) == ("pending", len(TS))
