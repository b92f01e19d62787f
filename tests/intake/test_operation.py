"""Health, readiness and metrics say what is."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from scanner.store.writes import add_to_counters, raise_alarm
from tests.intake.build import TS, send_heartbeats
from tests.intake.conftest import RunningService, wait_for
from tests.intake.test_segments import problem


def samples(service: RunningService) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return each value by its name and the values of its labels."""
    text = service.client.get("/metrics").text
    return {
        (one.name, tuple(one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_the_service_is_ready_while_driver_and_delivery_are_alive(
    service: RunningService,
) -> None:
    wait_for(lambda: "prepared" not in service.client.get("/readyz").text)
    unready = service.client.get("/readyz")
    assert (unready.status_code, problem(unready)) == (503, "unready")
    assert len(unready.json()["reasons"]) == 2

    send_heartbeats(service.journal, "delivery")
    send_heartbeats(service.journal, "driver", age=60)
    (reason,) = service.client.get("/readyz").json()["reasons"]
    assert reason == "the process driver sent no heartbeat for 60 s"

    send_heartbeats(service.journal, "driver")
    assert service.client.get("/readyz").json() == {"status": "ready"}


def test_segments_are_accepted_while_the_driver_is_dead(service: RunningService) -> None:
    send_heartbeats(service.journal, "driver", age=60)

    assert service.client.put("/v1/streams/r/segments/0", content=TS).status_code == 202
    assert service.client.get("/healthz").text == "ok\n"


def test_metrics_have_requests_waiting_totals_and_what_processes_report(
    service: RunningService,
) -> None:
    send_heartbeats(service.journal, "driver")
    service.client.put("/v1/streams/m/segments/0", content=TS)
    with service.journal.write() as connection:
        add_to_counters(connection, 0, "segments", {"scored": 5})
        add_to_counters(connection, 1, "segments", {"scored": 2, "shed": 1})
        raise_alarm(connection, "blind", "s", {}, shard=0, now=service.journal.now())

    found = samples(service)

    route = "/v1/streams/{stream_id}/segments/{sequence}"
    assert found["streamwarden_web_requests_total", ("PUT", route, "202")] >= 1
    assert found["streamwarden_web_received_bytes_total", ()] >= len(TS)
    assert found["streamwarden_segments_total", ("scored",)] == 7
    assert found["streamwarden_segments_total", ("shed",)] == 1
    assert found["streamwarden_effects_total", ("dead",)] == 0
    assert found["streamwarden_last_backup_timestamp_seconds", ()] == 0
    assert found["streamwarden_alarms", ("blind",)] == 1
    assert found["streamwarden_driver_delay_seconds", ("p50",)] == 0.25
    assert found["streamwarden_driver_cpu_seconds", ()] == 12.5
    assert found["streamwarden_driver_info", ("cpu",)] == 1
    assert found["streamwarden_heartbeat_age_seconds", ("driver",)] < 60
    assert ("streamwarden_oldest_waiting_seconds", ()) in found
    assert ("streamwarden_web_process_cpu_seconds_total", ()) in found
