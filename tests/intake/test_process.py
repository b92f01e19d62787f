"""The web process: it drains, stays small, and loses nothing when it is killed."""

from __future__ import annotations

import random
import shutil
import signal
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from pysqlite3 import dbapi2

from scanner.store.database import FILE_NAME
from tests.intake.build import TS, ts
from tests.intake.conftest import wait_for
from tests.intake.processes import WebProcess

PSS_LIMIT = 150 << 20


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebProcess]:
    with WebProcess(tmp_path) as process:
        process.wait_until_ready()
        yield process


def test_sigterm_finishes_the_request_in_hand_and_ends_with_status_0(web: WebProcess) -> None:
    def body() -> Iterator[bytes]:
        yield TS
        wait_for(
            lambda: "requests_in_flight 1.0" in httpx.get(f"{web.url}/metrics", timeout=60).text
        )
        web.process.send_signal(signal.SIGTERM)
        yield TS

    with httpx.Client(base_url=web.url, timeout=60) as client:
        answer = client.put("/v1/streams/s/segments/0", content=body())

    assert answer.status_code == 202
    assert web.process.wait(60) == 0


def test_idle_it_takes_little_memory(web: WebProcess) -> None:
    with httpx.Client(base_url=web.url, timeout=60) as client:
        client.put("/v1/streams/s/segments/0", content=TS)

    assert web.pss_bytes < PSS_LIMIT


def test_a_folder_without_a_journal_is_told_in_one_line(tmp_path: Path) -> None:
    with WebProcess(tmp_path) as web:
        web.kill()
        shutil.rmtree(web.data)
        web.start()

        assert web.process.wait(60) == 2
        assert "no journal.sqlite3" in web.log


@pytest.mark.fault
def test_kills_under_load_lose_no_acknowledged_segment(tmp_path: Path) -> None:
    kills, senders = 10, 8
    chance = random.Random(11)
    acknowledged: dict[tuple[str, int], str] = {}
    over = threading.Event()
    with WebProcess(tmp_path) as web:
        web.wait_until_ready()
        threads = [
            threading.Thread(target=_send, args=(web.url, f"s{n}", acknowledged, over))
            for n in range(senders)
        ]
        for thread in threads:
            thread.start()
        pause = threading.Event()
        for _ in range(kills):
            pause.wait(chance.uniform(0.0, 0.6))
            web.kill()
            web.start()
            web.wait_until_ready()
        over.set()
        for thread in threads:
            thread.join()
        web.kill()

        assert len(acknowledged) > kills
        assert acknowledged.items() <= _stored_segments(web.data).items()


def _send(
    url: str, stream_id: str, acknowledged: dict[tuple[str, int], str], over: threading.Event
) -> None:
    """Send segments until ``over``, each again until it is answered."""
    sequence = 0
    while not over.is_set():
        content = ts(1000 * sequence + int(stream_id[1:]))
        try:
            answer = httpx.put(
                f"{url}/v1/streams/{stream_id}/segments/{sequence}", content=content, timeout=60
            )
        except httpx.TransportError:
            continue
        assert answer.status_code in (200, 202)
        acknowledged[stream_id, sequence] = sha256(content).hexdigest()
        sequence += 1


def _stored_segments(data: Path) -> dict[tuple[str, int], str]:
    """Return the digests of all segments whose row and bytes are there, read without our code."""
    database = dbapi2.connect(data / FILE_NAME)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    rows = database.execute("SELECT stream_id, sequence, object, sha256 FROM segments").fetchall()
    found = {}
    for stream_id, sequence, name, digest in rows:
        assert sha256((data / "objects" / name).read_bytes()).hexdigest() == digest
        found[stream_id, sequence] = digest
    assert len(rows) == len(found)
    return found
