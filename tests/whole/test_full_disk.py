"""A real file system that is full: nothing acknowledged is lost, and all works again with room."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.whole.facts import read_facts
from tests.whole.service import SETTLE_SECONDS, Sender, is_settled, running_service
from tests.whole.test_service_kills import RULES_OFF, check, streams_of, undisturbed

pytestmark = pytest.mark.fault

MEBIBYTES = 48


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEBIBYTES}m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write a file that takes all the room there is, and return it."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return path
    raise AssertionError("the disk did not fill up")


def test_a_full_disk_refuses_segments_loses_nothing_and_recovers(
    tmp_path: Path, small_disk: Path, demo_media: Path
) -> None:
    streams = streams_of(demo_media, rounds=1)
    data = tmp_path / "data"  # the log beside it is on another disk
    (small_disk / "data").mkdir()
    data.symlink_to(small_disk / "data")
    with running_service(data, extra=RULES_OFF) as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        sender = Sender(service)
        threads = sender.send_all(streams, pause=1.0)
        service.wait_for(lambda: len(sender.acknowledged) >= 8, SETTLE_SECONDS, "some segments")
        ballast = fill(small_disk)
        service.wait_for(lambda: _is_refused(service.address), SETTLE_SECONDS, "refusal")
        refused = len(sender.acknowledged)
        threads[0].join(10)
        assert httpx.get(f"{service.address}/healthz", timeout=60).status_code == 200
        assert shutil.disk_usage(small_disk).free < 4096 * 256
        assert len(sender.acknowledged) == refused

        ballast.unlink()
        for thread in threads:
            thread.join()
        service.wait_for(lambda: is_settled(service, streams), SETTLE_SECONDS, "settled")
        found = read_facts(data)
    assert any(text.startswith("507") for text in sender.refusals)
    check(sender, found, undisturbed(tmp_path, streams))
    assert "process ended" not in service.log.read_text()


def _is_refused(address: str) -> bool:
    answer = httpx.put(f"{address}/v1/streams/probe/segments/0", content=b"\x47" * 188, timeout=20)
    return answer.status_code == 507
