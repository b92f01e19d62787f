"""A process that is stopped, not ended, is replaced, and writes nothing when it continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.processes import processes_below
from tests.whole.facts import heartbeat_generation, latest_verdict, read_facts
from tests.whole.patience import SILENT
from tests.whole.program import WITHOUT_MODELS, environment
from tests.whole.service import (
    CHILD_MODULE,
    SETTLE_SECONDS,
    RunningService,
    Sender,
    is_settled,
    running_service,
)
from tests.whole.test_service_kills import RULES_OFF, check, scenes_of, undisturbed

pytestmark = pytest.mark.fault

PAUSE = 3.0
"""Seconds between two segments of a stream."""
NOTICE_SECONDS = 60.0
"""Longest time until a stopped process is replaced; an idle machine needs 11 s."""
RAY_SECONDS = 300.0
"""Longest time until Ray is found to hang, or works again; an idle machine needs 60 s."""
ACTOR = "ray::_RemoteDecode"
QUICK_CHILDREN = {"STREAMWARDEN_SANDBOX__WALL_SECONDS": "5"}


def stop(service: RunningService, part: str) -> int:
    """Stop the main process of a part once it runs; return its id."""
    service.wait_for(lambda: service.main_process(part) is not None, NOTICE_SECONDS, part)
    pid = service.main_process(part)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return pid


def is_replaced(service: RunningService, part: str, pid: int) -> bool:
    return service.main_process(part) not in (None, pid)


def test_processes_that_are_stopped_are_replaced_and_change_no_incident(
    tmp_path: Path, demo_media: Path
) -> None:
    """One after the other: all processes of the driver's sandbox, then each part."""
    extra = {**RULES_OFF, **QUICK_CHILDREN, SILENT: "10"}
    with running_service(tmp_path / "data", extra=extra, program="tests.whole.patience") as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        sender = Sender(service)
        with sender.sending_in_turn(scenes_of(demo_media), pause=PAUSE) as streams:
            driver = service.main_process("driver")
            assert driver is not None
            service.wait_for(lambda: bool(_children(driver)), SETTLE_SECONDS, "children")
            stopped = _children(driver)
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            service.wait_for(
                lambda: not {*stopped} & {*_children(driver)}, NOTICE_SECONDS, "children replaced"
            )
            for part in ("driver", "delivery", "web"):
                pid = stop(service, part)
                service.wait_for(partial(is_replaced, service, part, pid), NOTICE_SECONDS, part)
        service.wait_for(lambda: is_settled(service, streams), SETTLE_SECONDS, "settled")
        assert service.log.read_text().count("process silent") >= 3
    check(sender, read_facts(tmp_path / "data"), undisturbed(tmp_path, streams))


def _children(driver: int) -> list[int]:
    return [
        process.pid
        for process, command in processes_below(driver).items()
        if CHILD_MODULE in command
    ]


def test_a_driver_that_continues_after_another_took_over_writes_nothing_and_ends(
    tmp_path: Path, demo_media: Path
) -> None:
    with running_service(
        tmp_path / "data", extra={**RULES_OFF, SILENT: "600"}, program="tests.whole.patience"
    ) as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        sender = Sender(service)
        with sender.sending_in_turn(scenes_of(demo_media), pause=PAUSE) as streams:
            old = stop(service, "driver")
            before = heartbeat_generation(service.data, "driver")
            with _another_driver(service):
                service.wait_for(
                    lambda: heartbeat_generation(service.data, "driver") > before,
                    NOTICE_SECONDS,
                    "taken over",
                )
                os.kill(old, signal.SIGCONT)
                service.wait_for(
                    lambda: is_replaced(service, "driver", old), NOTICE_SECONDS, "fenced"
                )
        service.wait_for(lambda: is_settled(service, streams), SETTLE_SECONDS, "settled")
        assert "another driver has taken over; this one ends" in service.log.read_text()
    check(sender, read_facts(tmp_path / "data"), undisturbed(tmp_path, streams))


@pytest.mark.ray
@pytest.mark.slow
def test_parts_of_ray_that_are_stopped_are_replaced_and_change_no_incident(
    tmp_path: Path, demo_media: Path
) -> None:
    """An actor that continues after others worked; then the raylet and Ray's control process."""
    with running_service(tmp_path / "data", workers=2, extra=RULES_OFF) as service:
        service.wait_for(service.is_ready, RAY_SECONDS, "ready")
        sender = Sender(service)
        with sender.sending_in_turn(scenes_of(demo_media), pause=PAUSE) as streams:
            wait_for_verdict(service)
            assert service.kill_program(ACTOR, signal.SIGSTOP)
            wait_for_verdict(service)
            assert service.kill_program(ACTOR, signal.SIGCONT)
            for program in ("raylet", "gcs_server"):
                driver = service.main_process("driver")
                assert driver is not None
                assert service.kill_program(program, signal.SIGSTOP)
                service.wait_for(
                    partial(is_replaced, service, "driver", driver), RAY_SECONDS, "replaced"
                )
                wait_for_verdict(service)
        service.wait_for(lambda: is_settled(service, streams), RAY_SECONDS, "settled")
    check(sender, read_facts(tmp_path / "data"), undisturbed(tmp_path, streams))


def wait_for_verdict(service: RunningService) -> None:
    """Wait until one more segment has a verdict."""
    since = latest_verdict(service.data)
    service.wait_for(lambda: latest_verdict(service.data) > since, RAY_SECONDS, "a verdict")


@contextmanager
def _another_driver(service: RunningService) -> Iterator[None]:
    """Run a driver that the supervisor knows nothing of."""
    extra = {**WITHOUT_MODELS, **RULES_OFF, "STREAMWARDEN_SERVICE__DATA": str(service.data)}
    with service.log.open("ab") as output:
        other = subprocess.Popen(
            [sys.executable, "-m", "workers.driver"],
            stdout=output,
            stderr=output,
            env=environment({**extra, "STREAMWARDEN_SERVICE__WORKERS": "0"}),
        )
    try:
        yield
    finally:
        other.kill()
        other.wait()
