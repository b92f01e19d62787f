"""The commands of the README's section about the service do what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.test_deploy_samples import metrics_used
from tests.whole.program import ROOT
from tests.whole.service import SETTLE_SECONDS, RunningService, running_service

ADDRESS = "http://127.0.0.1:8090"
pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("ffmpeg")), reason="needs curl and ffmpeg"
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("readme") / "data") as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        yield service


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, demo_media: Path) -> Path:
    """A folder in which `make demo` has left its media, and a recording."""
    folder = tmp_path_factory.mktemp("user")
    shutil.copytree(demo_media, folder / "demo-out" / "media" / "drawn")
    segments = sorted((demo_media / "test-card").glob("*.ts"))
    (folder / "input.mp4").write_bytes(b"".join(path.read_bytes() for path in segments))
    return folder


def commands(beginning: str) -> list[str]:
    """Return the commands of the README's code blocks that begin so and name the service."""
    text = (ROOT / "README.md").read_text("utf-8")
    section = text.split("## Your system hands in segments")[1].split("### Without")[0]
    blocks = re.findall(r"```\n(.*?)```", section, flags=re.DOTALL)
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.startswith(beginning)]


def run(command: str, service: RunningService, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-c", command.replace(ADDRESS, service.address)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl_puts_a_segment_and_reads_its_stream(service: RunningService, folder: Path) -> None:
    put, read = commands("curl")
    assert '"sequence":0' in run(put, service, folder)
    assert '"stream_id":"card"' in run(read, service, folder)


def test_ffmpegs_segment_muxer_sends_a_stream(service: RunningService, folder: Path) -> None:
    (command,) = commands("ffmpeg")
    run(command.replace(" -re ", " "), service, folder)

    def is_there() -> bool:
        answer = httpx.get(f"{service.address}/v1/streams/my-stream/segments/2", timeout=60)
        return answer.status_code == 200

    service.wait_for(is_there, SETTLE_SECONDS, "ffmpeg reads no answer, so it may end before one")


def test_a_submitted_stream_with_the_test_card_is_flagged(
    service: RunningService, folder: Path
) -> None:
    (command,) = commands("streamwarden submit")
    program = f"{sys.executable} -m workers.cli submit --url {service.address}"
    run(
        command.replace("streamwarden submit", f"PYTHONPATH={ROOT} {program}").replace(
            "--realtime", ""
        ),
        service,
        folder,
    )

    def is_flagged() -> bool:
        listed = httpx.get(f"{service.address}/v1/incidents", timeout=60).json()["incidents"]
        return any(one["label"] == "test_card" for one in listed)

    service.wait_for(is_flagged, SETTLE_SECONDS, "flagged")


def test_the_examples_of_the_client_deliver_a_stream_and_read_its_events(
    service: RunningService, folder: Path
) -> None:
    text = (ROOT / "docs" / "client.md").read_text("utf-8")
    deliver, follow, _ = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)

    run(f"PYTHONPATH={ROOT} {sys.executable} - <<'END'\n{deliver}\nEND", service, folder)
    told = run(f"PYTHONPATH={ROOT} {sys.executable} - <<'END'\n{follow}\nEND", service, folder)

    assert "incident.closed test_card" in told
    assert "test-card@" in told


def test_the_dashboard_and_the_alert_rules_query_metrics_that_exist(
    service: RunningService, folder: Path
) -> None:
    put, _ = commands("curl")
    run(put, service, folder)

    text = httpx.get(f"{service.address}/metrics", timeout=60).text
    names = set(re.findall(r"^# TYPE (\S+)", text, flags=re.MULTILINE))
    names |= set(re.findall(r"^(streamwarden_\w+)", text, flags=re.MULTILINE))
    assert metrics_used() <= names
