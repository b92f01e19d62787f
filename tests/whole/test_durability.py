"""What was acknowledged survives a power cut: the order of flushes, and simulated cuts."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil
import pytest
from pysqlite3 import dbapi2 as sqlite

from scanner.store.database import open_journal
from scanner.store.objects import ObjectStore
from tests.whole.power_cuts import SYSCALLS, Operation, image_at, read_trace
from tests.whole.program import environment

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]
CUTS = 200
ACCEPTED = re.compile(rb'HTTP/1.1 202.*?"stream_id":"([^"]+)","sequence":(\d+)', re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class TracedRun:
    """A web process that took segments while its system calls were traced."""

    before: Path
    data: Path
    operations: list[Operation]
    digests: dict[tuple[str, int], str]

    def acknowledged(self, cut: int) -> set[tuple[str, int]]:
        """Return the segments whose 202 was sent within the first operations."""
        sent: dict[str, bytes] = {}
        found: set[tuple[str, int]] = set()
        for one in self.operations[:cut]:
            if one.kind == "answer":
                sent[one.path] = sent.get(one.path, b"") + one.data
                for stream, sequence in ACCEPTED.findall(sent[one.path]):
                    found.add((stream.decode(), int(sequence)))
        return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, demo_media: Path) -> TracedRun:
    folder = tmp_path_factory.mktemp("traced")
    data, before = folder / "data", folder / "before"
    open_journal(data, create=True).close()
    ObjectStore(data / "objects")
    shutil.copytree(data, before)
    trace = folder / "trace"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        server = [sys.executable, "-m", "scanner.intake.server", "--fd", str(listener.fileno())]
        strace = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={SYSCALLS}"]
        process = subprocess.Popen(
            [*strace, "-o", str(trace), *server],
            pass_fds=[listener.fileno()],
            env=environment({"STREAMWARDEN_SERVICE__DATA": str(data)}),
        )
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        digests = _send(address, demo_media)
        (traced,) = psutil.Process(process.pid).children()
        traced.terminate()
        process.wait(60)
    operations = [_below(one, data) for one in read_trace(trace.read_text(), data)]
    return TracedRun(before=before, data=data, operations=operations, digests=digests)


def _send(address: str, media: Path) -> dict[tuple[str, int], str]:
    """Put segments of several streams side by side, so that some share a commit."""
    digests: dict[tuple[str, int], str] = {}

    def put(scene: Path) -> None:
        with httpx.Client(base_url=address, timeout=60) as client:
            for sequence, path in enumerate(sorted(scene.glob("*.ts"))):
                body = path.read_bytes()
                answer = client.put(f"/v1/streams/{scene.name}/segments/{sequence}", content=body)
                assert answer.status_code == 202, answer.text
                digests[scene.name, sequence] = hashlib.sha256(body).hexdigest()

    threads = [
        threading.Thread(target=put, args=(scene,)) for scene in media.iterdir() if scene.is_dir()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return digests


def _below(one: Operation, data: Path) -> Operation:
    """Return the operation with paths relative to the data folder."""

    def relative(path: str) -> str:
        return Path(path).relative_to(data).as_posix() if path.startswith(str(data)) else path

    return replace(one, path=relative(one.path), target=relative(one.target))


def test_a_segment_is_flushed_before_its_row_and_its_row_before_the_answer(run: TracedRun) -> None:
    operations = run.operations
    kinds = [(one.kind, one.path) for one in operations]
    renamed = {
        one.target: (at, one.path) for at, one in enumerate(operations) if one.kind == "rename"
    }
    for key, (_, name) in _rows(run.data).items():
        at, temporary = renamed[f"objects/{name}"]
        written = max(n for n, kind in enumerate(kinds) if kind == ("write", temporary))
        flushed = next(n for n in range(at, len(kinds)) if kinds[n][0] == "flush_all")
        wal = ("flush_file", "journal.sqlite3-wal")
        row = next(n for n in range(flushed, len(kinds)) if kinds[n] == wal)
        answered = next(n for n in range(len(kinds)) if key in run.acknowledged(n + 1))
        assert written < at < flushed < row < answered


def test_simulated_power_cuts_lose_nothing_that_was_acknowledged(
    run: TracedRun, tmp_path: Path
) -> None:
    assert run.acknowledged(len(run.operations)) == run.digests.keys()
    for number in range(CUTS):
        cut = 1 + number * len(run.operations) // CUTS
        image = tmp_path / f"image-{number}"
        image_at(run.before, run.operations, cut, number, image)
        _check_image(image, run, cut)
        shutil.rmtree(image)


def test_a_process_that_did_not_flush_would_be_found(run: TracedRun, tmp_path: Path) -> None:
    careless = replace(run, operations=[one for one in run.operations if one.kind != "flush_all"])
    lost = 0
    for number in range(20):
        cut = len(careless.operations) * (number + 1) // 20
        image = tmp_path / f"image-{number}"
        image_at(careless.before, careless.operations, cut, number, image)
        try:
            _check_image(image, careless, cut)
        except (AssertionError, OSError):
            lost += 1
    assert lost


def _check_image(image: Path, run: TracedRun, cut: int) -> None:
    """Open an image with the product, and check what was acknowledged with plain SQL."""
    open_journal(image).close()
    rows = _rows(image)
    for key in run.acknowledged(cut):
        digest, name = rows[key]
        stored = (image / "objects" / name).read_bytes()
        assert digest == run.digests[key]
        assert hashlib.sha256(stored).hexdigest() == digest


def _rows(data: Path) -> dict[tuple[str, int], tuple[str, str]]:
    """Return digest and object of each segment in a journal, which is sound."""
    connection = sqlite.connect(str(data / "journal.sqlite3"))
    try:
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        assert sound == "ok"
        return {
            (stream, sequence): (digest, name)
            for stream, sequence, digest, name in connection.execute(
                "SELECT stream_id, sequence, sha256, object FROM segments"
            )
        }
    finally:
        connection.close()
